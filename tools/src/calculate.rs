use std::{f64::consts, iter::Peekable, str::CharIndices};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::builtin::{Builtin, Failure, number};

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 10_000;
/// How deep brackets may nest.
const MAX_DEPTH: usize = 100;

type Function = fn(f64) -> f64;

/// Functions of one number, by name.
const FUNCTIONS: &[(&str, Function)] = &[
    ("abs", f64::abs),
    ("acos", f64::acos),
    ("asin", f64::asin),
    ("atan", f64::atan),
    ("ceil", f64::ceil),
    ("cos", f64::cos),
    ("exp", f64::exp),
    ("floor", f64::floor),
    ("ln", f64::ln),
    ("log10", f64::log10),
    ("log2", f64::log2),
    ("sin", f64::sin),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("trunc", f64::trunc),
];
/// Functions of several numbers, for the message that lists what is known.
const SEVERAL: &str = "max, mean, min, round, sum";
const CONSTANTS: &[(&str, f64)] = &[("e", consts::E), ("pi", consts::PI), ("tau", consts::TAU)];

/// `calculate`: arithmetic.
pub(crate) struct Calculate;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// For example `(2 + 3) * 4.5`, `2^10`, `sqrt(2) * pi`, `round(10 / 3, 2)`, `max(1, 2, 3)`.
    expression: String,
}

impl Builtin for Calculate {
    const NAME: &'static str = "calculate";
    const DESCRIPTION: &'static str = "Evaluates an arithmetic expression exactly as written: + - * / % ^, brackets, \
        sqrt, abs, round, floor, ceil, min, max, sum, mean, exp, ln, log10, log2, sin, cos, tan, pi, e. Gives a number.";
    type Args = Args;

    fn call(args: Args) -> Result<Value, Failure> {
        if args.expression.len() > MAX_LENGTH {
            return Err(format!("the expression is longer than {MAX_LENGTH} characters").into());
        }
        let mut parser =
            Parser { chars: args.expression.char_indices().peekable(), source: &args.expression, depth: 0 };
        let value = parser.sum()?;
        parser.blank();
        match parser.chars.next() {
            Some((at, c)) => Err(parser.unexpected(c, at)),
            None if value.is_nan() => Err("the result is not a real number".into()),
            None if value.is_infinite() => Err("the result is too large".into()),
            None => Ok(number(tidy(value))),
        }
    }
}

/// Fifteen significant digits: what binary fractions add beyond them (0.1 + 0.2) is not part of the answer.
fn tidy(value: f64) -> f64 {
    format!("{value:.14e}").parse().unwrap_or(value)
}

/// Reads and evaluates in one pass; what is not evaluated cannot be wrong behind a condition, as there are none.
struct Parser<'s> {
    chars: Peekable<CharIndices<'s>>,
    source: &'s str,
    depth: usize,
}

impl Parser<'_> {
    fn blank(&mut self) {
        while self.chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
    }

    /// Takes one of `signs` if it comes next.
    fn sign(&mut self, signs: &[char]) -> Option<(usize, char)> {
        self.blank();
        self.chars.next_if(|(_, c)| signs.contains(c))
    }

    /// Where a byte stands, as people count.
    fn place(&self, at: usize) -> usize {
        self.source[..at].chars().count() + 1
    }

    fn unexpected(&self, c: char, at: usize) -> Failure {
        let help = match c {
            '=' => Some("write only what stands on one side of the equals sign"),
            ',' => Some("write decimals with a point, and no thousands separators"),
            _ => None,
        };
        let failure = Failure::from(format!("unexpected `{c}` at character {}", self.place(at)));
        match help {
            Some(help) => failure.with_help(help),
            None => failure,
        }
    }

    fn sum(&mut self) -> Result<f64, Failure> {
        let mut value = self.product()?;
        while let Some((_, sign)) = self.sign(&['+', '-', '−']) {
            let next = self.product()?;
            value = if sign == '+' { value + next } else { value - next };
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<f64, Failure> {
        let mut value = self.unary()?;
        while let Some((at, sign)) = self.sign(&['*', '×', '·', '/', '÷', '%']) {
            let next = self.unary()?;
            if next == 0.0 && matches!(sign, '/' | '÷' | '%') {
                return Err(format!("division by zero at character {}", self.place(at)).into());
            }
            value = match sign {
                '/' | '÷' => value / next,
                '%' => value.rem_euclid(next),
                _ => value * next,
            };
        }
        Ok(value)
    }

    fn unary(&mut self) -> Result<f64, Failure> {
        match self.sign(&['-', '−', '+']) {
            Some((_, '+')) => self.nested(Self::unary),
            Some(_) => Ok(-self.nested(Self::unary)?),
            None => self.power(),
        }
    }

    /// Binds tighter than the sign before it, and to the right: -2^2 is -4, 2^3^2 is 512.
    fn power(&mut self) -> Result<f64, Failure> {
        let base = self.atom()?;
        match self.sign(&['^']) {
            Some(_) => Ok(base.powf(self.nested(Self::unary)?)),
            None => Ok(base),
        }
    }

    fn nested(&mut self, part: fn(&mut Self) -> Result<f64, Failure>) -> Result<f64, Failure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the expression is nested more than {MAX_DEPTH} deep").into());
        }
        let value = part(self);
        self.depth -= 1;
        value
    }

    fn atom(&mut self) -> Result<f64, Failure> {
        self.blank();
        let Some(&(at, c)) = self.chars.peek() else {
            return Err("the expression ends where a number is expected".into());
        };
        if c == '(' {
            self.chars.next();
            let value = self.nested(Self::sum)?;
            self.close(at)?;
            Ok(value)
        } else if c.is_ascii_digit() || c == '.' {
            self.literal(at)
        } else if c.is_alphabetic() {
            self.named(at)
        } else {
            Err(self.unexpected(c, at))
        }
    }

    fn close(&mut self, open: usize) -> Result<(), Failure> {
        match self.sign(&[')']) {
            Some(_) => Ok(()),
            None => match self.chars.peek() {
                Some(&(at, c)) => Err(self.unexpected(c, at)),
                None => Err(format!("the bracket at character {} is not closed", self.place(open)).into()),
            },
        }
    }

    fn literal(&mut self, start: usize) -> Result<f64, Failure> {
        let mut text = String::new();
        while let Some((_, c)) = self.chars.next_if(|(_, c)| c.is_ascii_digit() || matches!(c, '.' | '_')) {
            text.push(c);
        }
        // An exponent only if digits follow: `2e` is a number and a name.
        let mut ahead = self.chars.clone();
        if ahead.next_if(|(_, c)| matches!(c, 'e' | 'E')).is_some() {
            let sign = ahead.next_if(|(_, c)| matches!(c, '+' | '-'));
            if ahead.peek().is_some_and(|(_, c)| c.is_ascii_digit()) {
                text.push('e');
                text.extend(sign.map(|(_, c)| c));
                while let Some((_, c)) = ahead.next_if(|(_, c)| c.is_ascii_digit()) {
                    text.push(c);
                }
                self.chars = ahead;
            }
        }
        let digits = text.replace('_', "");
        digits.parse().map_err(|_| format!("`{text}` at character {} is not a number", self.place(start)).into())
    }

    fn named(&mut self, start: usize) -> Result<f64, Failure> {
        let mut name = String::new();
        while let Some((_, c)) = self.chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
            name.push(c);
        }
        let name = name.to_lowercase();
        let Some((open, _)) = self.sign(&['(']) else {
            let constant = CONSTANTS.iter().find(|(known, _)| *known == name);
            return constant.map(|(_, value)| *value).ok_or_else(|| self.unknown(&name, start));
        };
        let mut arguments = vec![self.nested(Self::sum)?];
        while self.sign(&[',', ';']).is_some() {
            arguments.push(self.nested(Self::sum)?);
        }
        self.close(open)?;
        self.apply(&name, &arguments, start)
    }

    fn apply(&self, name: &str, arguments: &[f64], start: usize) -> Result<f64, Failure> {
        if let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
            let [argument] = arguments else {
                return Err(format!("`{name}` takes one number, not {}", arguments.len()).into());
            };
            let value = function(*argument);
            if !value.is_finite() && argument.is_finite() {
                return Err(
                    format!("`{name}` of {} is not a number (character {})", argument, self.place(start)).into()
                );
            }
            return Ok(value);
        }
        match (name, arguments) {
            ("min", all) => Ok(all.iter().copied().fold(f64::INFINITY, f64::min)),
            ("max", all) => Ok(all.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            ("sum", all) => Ok(all.iter().sum()),
            ("mean", all) => Ok(all.iter().sum::<f64>() / all.len() as f64),
            ("round", [value]) => Ok(value.round()),
            ("round", [value, digits]) if digits.fract() == 0.0 && (0.0..=12.0).contains(digits) => {
                let scale = 10f64.powi(*digits as i32);
                Ok((value * scale).round() / scale)
            }
            ("round", _) => Err("`round` takes a number and, if wanted, 0 to 12 digits".into()),
            _ => Err(self.unknown(name, start)),
        }
    }

    fn unknown(&self, name: &str, start: usize) -> Failure {
        let functions: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
        let constants: Vec<&str> = CONSTANTS.iter().map(|(name, _)| *name).collect();
        Failure::from(format!("`{name}` at character {} is not known", self.place(start))).with_help(format!(
            "functions: {}, {SEVERAL}; constants: {}",
            functions.join(", "),
            constants.join(", ")
        ))
    }
}
