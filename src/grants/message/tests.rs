//! Stories of messages.

use super::*;

#[test]
fn nothing_is_no_message() {
    for form in [Form::Json, Form::Ndjson, Form::Yaml, Form::Csv] {
        assert_eq!(parse("", form), (Vec::new(), Vec::new()), "{form:?}");
    }
}
