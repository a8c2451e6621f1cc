//! JSON as it is printed.

use serde::Serialize;

use crate::failed::Failed;

/// A value as one line of JSON.
pub fn json(value: &(impl Serialize + ?Sized)) -> Result<String, Failed> {
    serde_json::to_string(value)
        .map(one_line)
        .map_err(|e| Failed::unusable(format!("it cannot be shown as JSON: {e}"), ""))
}

/// A JSON text on one line: inputs are kept byte for byte and may have been written over several.
pub fn one_line(json: String) -> String {
    if !json.contains(['\n', '\r']) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            // Outside of texts these are white space.
            '\n' | '\r' | '\t' | ' ' if !in_string => continue,
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_outside_of_texts_goes() {
        let json = "{\n  \"a b\": [1,\r\n\t2, \"x \\\" y\"]\n}".to_owned();
        assert_eq!(one_line(json), r#"{"a b":[1,2,"x \" y"]}"#);
        assert_eq!(one_line("[1, 2]".into()), "[1, 2]");
    }
}
