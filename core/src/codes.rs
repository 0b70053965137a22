//! The one table of diagnostic codes. A code is never reused and never changes its meaning.
//!
//! | range | about |
//! |---|---|
//! | AK00xx | YAML syntax |
//! | AK01xx | structure: keys, types, values against the schema |
//! | AK02xx | references between parts |
//! | AK03xx | templates and expressions |
//! | AK04xx | data flow between steps |
//! | AK05xx | policy: grants, tenancy, limits |
//! | AK06xx | control flow |
//! | AK07xx | embedded Lua and JavaScript |
//! | AK08xx | declared, not executed by this version |
//! | AK09xx | cells, magics and commands |

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Severity;

macro_rules! codes {
    ($($number:literal $name:ident $severity:ident $summary:literal;)*) => {
        /// A stable diagnostic code, `AK0001` and on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct DiagnosticCode(u16);

        $(#[doc = $summary] pub const $name: DiagnosticCode = DiagnosticCode($number);)*

        /// Every code with its severity and its one-line meaning, in the order of the numbers.
        pub const TABLE: &[(DiagnosticCode, Severity, &str)] =
            &[$((DiagnosticCode($number), Severity::$severity, $summary),)*];
    };
}

codes! {
    1 YAML_SYNTAX Error "The text is not valid YAML.";
    2 YAML_DUPLICATE_KEY Error "A mapping holds the same key twice.";
    3 YAML_TAB Error "A tab is used for indentation.";
    4 YAML_BOOLEAN_WORD Warning "`yes`, `no`, `on` and `off` are texts in YAML 1.2, not booleans.";
    5 YAML_LEADING_ZERO Warning "A number with a leading zero is decimal in YAML 1.2, not octal.";
    6 YAML_UNQUOTED_TEMPLATE Error "An unquoted `{{ … }}` is a YAML mapping, not a template.";
    7 YAML_LIMIT Error "The document is larger, deeper or more entangled than aikit accepts.";
    8 YAML_ENCODING Error "The file is not UTF-8 text.";
    9 YAML_EMPTY Error "The document is empty.";
    101 UNKNOWN_KEY Error "The key is not part of the specification language here.";
    102 MISSING_KEY Error "A required key is missing.";
    103 WRONG_TYPE Error "The value has the wrong type.";
    104 INVALID_VALUE Error "The value is not one of those allowed.";
    105 INVALID_FORMAT Error "The text does not have the required form.";
    106 OUT_OF_RANGE Error "The number or the length lies outside the allowed range.";
    107 UNKNOWN_KIND Error "The document's `kind` is not known.";
    108 AMBIGUOUS_STEP Error "A step must have exactly one kind key.";
    109 INVALID_SCHEMA Error "The JSON Schema inside the document is not valid.";
    110 ALIAS_KEY Warning "The key is an accepted alias; the canonical form is preferred.";
    111 DUPLICATE_NAME Error "Two things in one namespace have the same name.";
    112 SCHEMA_KEYWORD Warning "The key is no keyword of JSON Schema, so it checks nothing.";
    201 UNKNOWN_MODEL Error "The model is not declared.";
    202 UNKNOWN_TOOL Error "The tool is not declared.";
    203 UNKNOWN_STEP Error "The step does not exist or does not come before.";
    204 UNKNOWN_PROMPT Error "The prompt is not declared.";
    205 UNUSED_DECLARATION Hint "Declared, never used.";
    206 UNKNOWN_AGENT Error "The agent does not exist for this tenant.";
    207 UNKNOWN_BUILTIN Error "There is no built-in tool of that name.";
    208 UNKNOWN_PROVIDER Error "The model provider is not known.";
    209 UNKNOWN_SECRET Error "The credential is not declared.";
    210 UNKNOWN_NAME Error "There is nothing of that name.";
    211 UNKNOWN_STATE Error "There is no state of that name.";
    212 IMPORT_FAILED Error "The document that is imported or extended cannot be used.";
    301 TEMPLATE_SYNTAX Error "The template cannot be parsed.";
    302 TEMPLATE_UNDEFINED Error "The template uses a variable that does not exist.";
    303 EXPRESSION_SYNTAX Error "The CEL expression cannot be parsed.";
    304 EXPRESSION_UNDEFINED Error "The CEL expression uses a variable or function that does not exist.";
    305 EXPRESSION_TYPE Error "The CEL expression has the wrong type here.";
    401 DATAFLOW_MISSING Error "The value that is read is never produced.";
    402 DATAFLOW_TYPE Error "The produced value does not fit its consumer.";
    403 STATE_UNDECLARED Warning "The key is not part of the schema of the state.";
    501 TENANT_MISMATCH Error "The document names another tenant than the one it is used in.";
    502 TOOL_DENIED Error "The tool is used and denied at the same time.";
    503 SECRET_EXPOSED Error "A secret would reach a prompt, a log or the state.";
    504 LIMIT_EXCEEDED Error "A limit is wider than the outer layer allows.";
    505 STORE_OWNED Warning "The field is filled by the store; what the document says is not used.";
    506 ISOLATION_LOOSENED Warning "The document cannot loosen isolation; the stricter setting holds.";
    507 NOT_PERMITTED Error "The host, program or tool of a server is not among the document's permits.";
    508 BUDGET_TOO_SMALL Warning "Every run needs more than the budget allows.";
    509 BUDGET_AT_RISK Information "A run may need more than the budget allows.";
    601 UNREACHABLE Warning "The step can never run.";
    602 NO_STEPS Error "The workflow has no steps.";
    603 STEP_CYCLE Error "Steps need each other in a circle.";
    604 DEAD_END Warning "A run that comes here never ends.";
    605 SHADOWED Warning "This way is never taken: another one always comes first.";
    606 NOT_EXHAUSTIVE Warning "Some values are taken by no case.";
    607 NEVER_TRUE Warning "The condition compares with a value that never occurs.";
    608 EVENT_CYCLE Warning "Events lead to each other in a circle.";
    701 LUA_SYNTAX Error "The Lua code cannot be parsed.";
    702 JS_SYNTAX Error "The JavaScript code cannot be parsed.";
    801 NOT_EXECUTED Information "Declared, not executed by this version.";
    802 NOT_SUPPORTED Warning "Declared, not executed by this version: a run fails when it comes to it.";
    901 UNKNOWN_MAGIC Error "There is no magic of that name.";
    902 MAGIC_USAGE Error "The magic is used in a wrong way.";
    903 UNKNOWN_TENANT Error "The tenant does not exist.";
    904 UNKNOWN_RUN Error "The run does not exist for this tenant.";
    905 NOT_A_NOTEBOOK Error "The file is not a Jupyter notebook.";
    906 STORE_UNAVAILABLE Error "The store cannot be opened or written.";
    907 FILE_UNREADABLE Error "The file cannot be read.";
    908 VERSION_CONFLICT Error "The version exists already with other content, or is not newer.";
    909 VERSION_IMMUTABLE Error "An active version cannot be changed.";
}

impl DiagnosticCode {
    fn entry(self) -> Option<&'static (DiagnosticCode, Severity, &'static str)> {
        TABLE.iter().find(|(code, ..)| *code == self)
    }

    /// The severity that a finding with this code has unless it says otherwise.
    pub fn severity(self) -> Severity {
        self.entry().map_or(Severity::Error, |(_, severity, _)| *severity)
    }

    /// The one-line meaning.
    pub fn summary(self) -> &'static str {
        self.entry().map_or("", |(_, _, summary)| summary)
    }
}

impl fmt::Display for DiagnosticCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AK{:04}", self.0)
    }
}

/// The text names no code of the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a diagnostic code")]
pub struct UnknownCode(String);

impl FromStr for DiagnosticCode {
    type Err = UnknownCode;

    /// Accepts `AK0101`, in any case and with or without leading zeros.
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let unknown = || UnknownCode(text.chars().take(40).collect());
        let digits =
            text.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("ak")).map(|_| &text[2..]).ok_or_else(unknown)?;
        let code = digits.parse().map(DiagnosticCode).map_err(|_| unknown())?;
        code.entry().map(|(code, ..)| *code).ok_or_else(unknown)
    }
}

impl TryFrom<String> for DiagnosticCode {
    type Error = UnknownCode;
    fn try_from(text: String) -> Result<Self, UnknownCode> {
        text.parse()
    }
}

impl From<DiagnosticCode> for String {
    fn from(code: DiagnosticCode) -> String {
        code.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_code_reads_back() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (code, severity, summary) in TABLE {
            assert_eq!(code.to_string().parse::<DiagnosticCode>().unwrap(), *code);
            assert_eq!(code.severity(), *severity);
            assert!(summary.ends_with('.'), "{code}: {summary}");
        }
        assert!("AK9999".parse::<DiagnosticCode>().is_err());
        assert!("é".parse::<DiagnosticCode>().is_err());
    }
}
