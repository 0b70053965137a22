//! The core schema of YAML 1.2: what a plain scalar means.

use serde_json::{Number, Value};

/// A spelling that means something else to many readers than to YAML 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// `yes`, `no`, `on`, `off`: texts, not booleans.
    BooleanWord,
    /// `012`: twelve, not ten.
    LeadingZero,
}

/// The value of a plain scalar without a tag.
pub(crate) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// The value of a scalar with a core tag (`str`, `int`, `float`, `bool`, `null`); `None` if the text does not fit the tag.
pub(crate) fn tagged(suffix: &str, text: &str) -> Option<Value> {
    let value = plain(text);
    match suffix {
        "str" => Some(Value::String(text.to_owned())),
        "null" => value.is_null().then_some(value),
        "bool" => value.is_boolean().then_some(value),
        "int" => (value.is_i64() || value.is_u64()).then_some(value),
        "float" if value.is_number() => value.as_f64().and_then(Number::from_f64).map(Value::Number),
        _ => None,
    }
}

/// What is doubtful about a plain scalar.
pub(crate) fn doubt(text: &str) -> Option<Doubt> {
    let word = text.len() <= 3 && ["yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word));
    if word {
        return Some(Doubt::BooleanWord);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    octal.then_some(Doubt::LeadingZero)
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let radix = |digits: &str, radix| {
        digits.bytes().all(|b| b.is_ascii_alphanumeric()).then(|| u64::from_str_radix(digits, radix).ok()).flatten()
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16).map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8).map(Number::from);
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        return text
            .parse::<u64>()
            .map(Number::from)
            .or_else(|_| text.parse::<i64>().map(Number::from))
            .ok()
            .or_else(|| text.parse().ok().and_then(Number::from_f64));
    }
    is_float(unsigned).then(|| text.parse().ok().and_then(Number::from_f64)).flatten()
}

/// `[0-9]* ( . [0-9]* )? ( [eE] [-+]? [0-9]+ )?` with at least one digit before the exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("nULL", json!("nULL")),
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("12", json!(12)),
            ("-12", json!(-12)),
            ("+12", json!(12)),
            ("012", json!(12)),
            ("0o14", json!(12)),
            ("0xC", json!(12)),
            ("0x", json!("0x")),
            ("0o9", json!("0o9")),
            ("0x+1", json!("0x+1")),
            ("1_000", json!("1_000")),
            ("1.5", json!(1.5)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("1e", json!("1e")),
            (".", json!(".")),
            ("-", json!("-")),
            ("e3", json!("e3")),
            ("12:30", json!("12:30")),
            ("1.2.3", json!("1.2.3")),
            (".inf", json!(".inf")),
            ("inf", json!("inf")),
            ("nan", json!("nan")),
            ("18446744073709551615", json!(18446744073709551615u64)),
            ("18446744073709551616", json!(18446744073709551616.0)),
            ("1e999", json!("1e999")),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
    }

    #[test]
    fn tags_win_over_the_spelling() {
        assert_eq!(tagged("str", "12"), Some(json!("12")));
        assert_eq!(tagged("float", "12"), Some(json!(12.0)));
        assert_eq!(tagged("int", "x"), None);
        assert_eq!(tagged("set", "x"), None);
    }

    #[test]
    fn doubtful_spellings_are_found() {
        assert_eq!(doubt("Yes"), Some(Doubt::BooleanWord));
        assert_eq!(doubt("012"), Some(Doubt::LeadingZero));
        assert_eq!(doubt("-007"), Some(Doubt::LeadingZero));
        for fine in ["0", "0.5", "0x12", "none", "onward", ""] {
            assert_eq!(doubt(fine), None, "{fine}");
        }
    }
}
