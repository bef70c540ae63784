//! The formats of the primitive types, as the R4 regular expressions state them, matched by hand.

use serde_json::Value;

use super::types::Prim;
use crate::dates;

/// Tells what is wrong with a primitive's JSON; `None` when nothing is.
pub(super) fn fault(prim: Prim, value: &Value) -> Option<Fault> {
    match (prim, value) {
        (Prim::Boolean, Value::Bool(_)) | (Prim::Decimal, Value::Number(_)) => None,
        (Prim::Integer | Prim::UnsignedInt | Prim::PositiveInt, Value::Number(number)) => {
            integer_fault(prim, &number.to_string())
        }
        (Prim::Boolean, _) => Some(Fault::Shape("true or false (no string) is expected")),
        (Prim::Decimal | Prim::Integer | Prim::UnsignedInt | Prim::PositiveInt, _) => {
            Some(Fault::Shape("a number (no string) is expected"))
        }
        (_, Value::String(text)) => text_fault(prim, text),
        _ => Some(Fault::Shape("a string is expected")),
    }
}

/// Why a primitive is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The JSON is of another kind.
    Shape(&'static str),
    /// The kind is right, the content is not.
    Format(&'static str),
}

/// The longest string R4 allows: 1 MB.
pub(super) const MAX_STRING_BYTES: usize = 1024 * 1024;

fn text_fault(prim: Prim, text: &str) -> Option<Fault> {
    if text.is_empty() {
        return Some(Fault::Format("an empty string is not allowed"));
    }
    if text.bytes().any(|b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) {
        return Some(Fault::Format("control characters are not allowed"));
    }
    let (is_right, rule) = match prim {
        Prim::String | Prim::Markdown => (text.len() <= MAX_STRING_BYTES, "longer than 1 MB"),
        Prim::Code => (is_code(text), "a code has no blanks at its ends and only single ones inside"),
        Prim::Uri if text.starts_with("urn:oid:") => (is_oid(text), "an OID is written urn:oid:1.2.3"),
        Prim::Uri if text.starts_with("urn:uuid:") => (
            is_uuid_urn(text),
            "a UUID is written in small letters: urn:uuid:xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
        ),
        Prim::Uri | Prim::Url | Prim::Canonical => (is_uri(text), "a URI has no blanks"),
        Prim::Id => (crate::origin::is_id(text), "an id is 1 to 64 of A-Z a-z 0-9 - ."),
        Prim::Oid => (is_oid(text), "an OID is written urn:oid:1.2.3"),
        Prim::Uuid => (is_uuid_urn(text), "a UUID is written urn:uuid:xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
        Prim::Base64Binary => (is_base64(text), "not base64"),
        Prim::Date => (dates::parse_date(text).is_some(), "a date is YYYY, YYYY-MM or YYYY-MM-DD, and real"),
        Prim::DateTime => (
            dates::parse_date_time(text).is_some(),
            "a dateTime is a real date, or one with a time that has seconds and a zone",
        ),
        Prim::Instant => (
            dates::parse_instant(text).is_some(),
            "an instant has a real date, a time with seconds, and a zone",
        ),
        Prim::Time => (dates::parse_time(text).is_some(), "a time is hh:mm:ss"),
        Prim::Boolean | Prim::Decimal | Prim::Integer | Prim::UnsignedInt | Prim::PositiveInt => (true, ""),
    };
    (!is_right).then_some(Fault::Format(rule))
}

fn integer_fault(prim: Prim, digits: &str) -> Option<Fault> {
    let Ok(number) = digits.parse::<i32>() else {
        return Some(Fault::Format("a whole number of at most 31 bits is expected"));
    };
    match prim {
        Prim::PositiveInt if number < 1 => Some(Fault::Format("must be 1 or more")),
        Prim::UnsignedInt if number < 0 => Some(Fault::Format("must be 0 or more")),
        _ if digits == "-0" => Some(Fault::Format("zero has no sign")),
        _ => None,
    }
}

fn is_code(text: &str) -> bool {
    let mut after_blank = true;
    for c in text.chars() {
        if c.is_whitespace() && after_blank {
            return false;
        }
        after_blank = c.is_whitespace();
    }
    !after_blank
}

fn is_uri(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().all(|b| b > b' ');
    }
    !text.contains(char::is_whitespace)
}

fn is_oid(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("urn:oid:") else { return false };
    let mut parts = rest.split('.');
    let first_is_right = parts.next().is_some_and(|first| matches!(first, "0" | "1" | "2"));
    let mut count = 0;
    let rest_is_right = parts.all(|part| {
        count += 1;
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    });
    first_is_right && rest_is_right && count > 0
}

/// Tells whether a text is `urn:uuid:` and a UUID in lower case.
pub(crate) fn is_uuid_urn(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("urn:uuid:") else { return false };
    rest.len() == 36
        && rest.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

fn is_base64(text: &str) -> bool {
    let (mut count, mut padding) = (0_usize, 0_usize);
    for b in text.bytes() {
        match b {
            // Blanks stand between groups of four only.
            b'\t' | b'\n' | b'\r' | b' ' if count.is_multiple_of(4) => continue,
            b'=' => padding += 1,
            _ if padding > 0 => return false,
            _ if b.is_ascii_alphanumeric() || b == b'+' || b == b'/' => {}
            _ => return false,
        }
        count += 1;
    }
    count > 0 && count.is_multiple_of(4) && padding <= 2
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_format_takes_the_right_and_refuses_the_wrong() {
        let cases: &[(Prim, &[Value], &[Value])] = &[
            (Prim::Boolean, &[json!(true)], &[json!("true"), json!(1), json!(null)]),
            (
                Prim::Integer,
                &[json!(-3), json!(0), json!(i32::MAX)],
                &[json!("1"), json!(1.5), json!(2_147_483_648_i64), json!(1e3)],
            ),
            (Prim::PositiveInt, &[json!(1)], &[json!(0), json!(-1), json!("1")]),
            (Prim::UnsignedInt, &[json!(0)], &[json!(-1)]),
            (Prim::Decimal, &[json!(0.5), json!(3)], &[json!("0.5")]),
            (
                Prim::String,
                &[json!("Éloïse"), json!(" ")],
                &[json!(""), json!(1), json!("a\u{0}b"), json!({})],
            ),
            (Prim::Code, &[json!("a b"), json!("<=")], &[json!(" a"), json!("a "), json!("a  b"), json!("")]),
            (
                Prim::Uri,
                &[json!("urn:x"), json!("a/b#c"), json!("urn:oid:1.2")],
                &[json!("a b"), json!("a\u{a0}b"), json!("urn:oid:x"), json!("urn:uuid:1")],
            ),
            (Prim::Id, &[json!("a-1.B")], &[json!("a_b"), json!("a/b"), json!("x".repeat(65))]),
            (
                Prim::Oid,
                &[json!("urn:oid:1.2.3")],
                &[json!("1.2.3"), json!("urn:oid:3.1"), json!("urn:oid:1.02")],
            ),
            (
                Prim::Uuid,
                &[json!("urn:uuid:c757873d-ec9a-4326-a141-556f43239520")],
                &[json!("urn:uuid:C757873D-EC9A-4326-A141-556F43239520"), json!("urn:uuid:1")],
            ),
            (
                Prim::Base64Binary,
                &[json!("QUJD"), json!("QQ==\n"), json!("QUJD\nQUJD")],
                &[json!("QQ="), json!("Q=Q="), json!("QQ_="), json!("Q Q = =")],
            ),
            (Prim::Time, &[json!("08:00:00"), json!("23:59:59.5")], &[json!("24:00:00"), json!("8:00:00")]),
        ];
        for (prim, right, wrong) in cases {
            for value in *right {
                assert_eq!(fault(*prim, value), None, "{prim:?} {value}");
            }
            for value in *wrong {
                assert!(fault(*prim, value).is_some(), "{prim:?} {value}");
            }
        }
    }
}
