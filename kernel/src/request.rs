//! Reading the content of requests: lenient about what is missing, clear about what has the wrong type.

use serde_json::{Map, Value};

/// A request that cannot be served as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(pub String);

/// The content of a request.
#[derive(Clone, Copy)]
pub struct Fields<'a>(pub &'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text that must be there.
    pub fn text(self, name: &str) -> Result<&'a str, BadRequest> {
        self.optional_text(name)?.ok_or_else(|| BadRequest(format!("`{name}` is missing")))
    }

    /// A text that may be missing.
    pub fn optional_text(self, name: &str) -> Result<Option<&'a str>, BadRequest> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| wrong(name, "a string", value))).transpose()
    }

    /// A boolean, or what stands for a missing one.
    pub fn flag(self, name: &str, default: bool) -> Result<bool, BadRequest> {
        self.get(name).map_or(Ok(default), |value| value.as_bool().ok_or_else(|| wrong(name, "a boolean", value)))
    }

    /// An integer that may be missing.
    pub fn integer(self, name: &str) -> Result<Option<i64>, BadRequest> {
        self.get(name).map(|value| value.as_i64().ok_or_else(|| wrong(name, "an integer", value))).transpose()
    }

    /// An object that may be missing.
    pub fn object(self, name: &str) -> Result<Option<&'a Map<String, Value>>, BadRequest> {
        self.get(name).map(|value| value.as_object().ok_or_else(|| wrong(name, "an object", value))).transpose()
    }

    /// `code` and the byte that `cursor_pos`, in code points, stands for; the end of the code where it is missing.
    pub fn code_and_cursor(self) -> Result<(&'a str, usize), BadRequest> {
        let code = self.text("code")?;
        let cursor = match self.integer("cursor_pos")? {
            None => code.len(),
            Some(position) => byte_of(code, usize::try_from(position).unwrap_or(0)),
        };
        Ok((code, cursor))
    }
}

fn wrong(name: &str, wanted: &str, value: &Value) -> BadRequest {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    BadRequest(format!("`{name}` must be {wanted}, not {is}"))
}

/// The byte at which code point `position` begins, or the end of the text.
pub fn byte_of(text: &str, position: usize) -> usize {
    text.char_indices().nth(position).map_or(text.len(), |(byte, _)| byte)
}

/// The number of code points before byte `offset`; inside a code point it counts as before it.
pub fn code_points_before(text: &str, offset: usize) -> usize {
    text.char_indices().take_while(|(byte, character)| byte + character.len_utf8() <= offset).count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cursors_count_code_points() {
        // An astral character, a combining accent and a family of four code points joined.
        let text = "𝒳e\u{301}👩\u{200d}👦!";
        let boundaries: Vec<usize> = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
        for (position, byte) in boundaries.iter().enumerate() {
            assert_eq!(byte_of(text, position), *byte);
            assert_eq!(code_points_before(text, *byte), position);
        }
        assert_eq!(byte_of(text, 99), text.len());
        assert_eq!(code_points_before(text, 2), 0);
        assert_eq!(code_points_before("ab", 99), 2);
    }

    #[test]
    fn wrong_types_are_named() {
        let Value::Object(content) = json!({"code": 1, "silent": "no", "n": 1.5, "ok": null, "user": []}) else {
            unreachable!()
        };
        let fields = Fields(&content);
        let message = |result: Result<(), BadRequest>| result.unwrap_err().to_string();
        assert_eq!(message(fields.text("code").map(drop)), "`code` must be a string, not a number");
        assert_eq!(message(fields.flag("silent", false).map(drop)), "`silent` must be a boolean, not a string");
        assert_eq!(message(fields.integer("n").map(drop)), "`n` must be an integer, not a number");
        assert_eq!(message(fields.object("user").map(drop)), "`user` must be an object, not a list");
        assert_eq!(message(fields.text("x").map(drop)), "`x` is missing");
        assert_eq!(fields.flag("ok", true), Ok(true));
    }

    #[test]
    fn a_cursor_before_the_start_is_the_start() {
        let Value::Object(content) = json!({"code": "äb", "cursor_pos": -3}) else { unreachable!() };
        assert_eq!(Fields(&content).code_and_cursor(), Ok(("äb", 0)));
        let Value::Object(content) = json!({"code": "äb", "cursor_pos": 1}) else { unreachable!() };
        assert_eq!(Fields(&content).code_and_cursor(), Ok(("äb", 2)));
    }
}
