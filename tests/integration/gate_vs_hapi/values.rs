//! What may be put in a value's place.

use serde_json::{Value, json};

use super::mutations::Change;

/// The classes that look only at the value.
pub const CHANGES: &[(&str, Change)] = &[
    ("null", |_| Some(Value::Null)),
    ("empty string", |old| old.is_string().then(|| json!(""))),
    ("empty object", |old| old.is_object().then(|| json!({}))),
    ("empty list", |old| old.is_array().then(|| json!([]))),
    ("single value for a list", |old| old.as_array()?.first().cloned()),
    ("list in a list", |old| old.is_array().then(|| json!([old]))),
    ("null in a list", |old| with_item(old, Value::Null)),
    ("item repeated", |old| with_item(old, old.as_array()?.first()?.clone())),
    ("number for a string", |old| old.is_string().then(|| json!(7))),
    ("boolean for a string", |old| old.is_string().then_some(Value::Bool(true))),
    ("object for a string", |old| old.is_string().then(|| json!({"value": old}))),
    ("string for an object", |old| old.is_object().then(|| json!("x"))),
    ("string for a number", |old| old.is_number().then(|| json!(old.to_string()))),
    ("string for a boolean", |old| old.is_boolean().then(|| json!(old.to_string()))),
    ("number for a boolean", |old| old.is_boolean().then(|| json!(1))),
    ("other word", |old| old.is_string().then(|| json!("no-such-word"))),
    ("capital letters", |old| {
        let capital = old.as_str()?.to_uppercase();
        (capital != *old).then(|| json!(capital))
    }),
    ("blank alone", |old| old.is_string().then(|| json!(" "))),
    ("blank before", |old| Some(json!(format!(" {}", old.as_str()?)))),
    ("blank behind", |old| Some(json!(format!("{} ", old.as_str()?)))),
    ("two blanks inside", |old| Some(json!(format!("{0}  {0}", old.as_str()?)))),
    ("line break behind", |old| Some(json!(format!("{}\n", old.as_str()?)))),
    ("control character", |old| Some(json!(format!("{}\u{1}", old.as_str()?)))),
    ("no-break space behind", |old| Some(json!(format!("{}\u{a0}", old.as_str()?)))),
    ("70 letters", |old| old.is_string().then(|| json!("x".repeat(70)))),
    ("unknown member", |old| with_member(old, "colour", json!("blue"))),
    ("id alone", |old| old.is_object().then(|| json!({"id": "x"}))),
    ("extension", |old| with_extension(old, json!({"url": "http://a.example/e", "valueString": "x"}))),
    ("extension without a value", |old| with_extension(old, json!({"url": "http://a.example/e"}))),
    ("extension without a url", |old| with_extension(old, json!({"valueString": "x"}))),
    ("extension with value and extensions", |old| {
        let inner = json!([{"url": "x", "valueString": "x"}]);
        with_extension(old, json!({"url": "http://a.example/e", "valueString": "x", "extension": inner}))
    }),
    ("extension of no type", |old| {
        with_extension(old, json!({"url": "http://a.example/e", "valueColour": "x"}))
    }),
    ("extension with two values", |old| {
        with_extension(old, json!({"url": "http://a.example/e", "valueString": "x", "valueCode": "x"}))
    }),
    ("modifier extension", |old| {
        with_member(old, "modifierExtension", json!([{"url": "http://a.example/m", "valueBoolean": true}]))
    }),
    ("fraction", |old| old.is_number().then(|| json!(1.5))),
    ("zero", |old| old.is_number().then(|| json!(0))),
    ("negative number", |old| old.is_number().then(|| json!(-1))),
    ("number of 20 digits", |old| old.is_number().then(|| literal("12345678901234567890"))),
    ("number with an exponent", |old| old.is_number().then(|| literal("1e2"))),
    ("date that is none: 30 February", |old| date(old, "2020-02-30")),
    ("date that is none: month 13", |old| date(old, "2020-13-01")),
    ("date that is none: month 0", |old| date(old, "2020-00")),
    ("date with slashes", |old| date(old, "01/02/2024")),
    ("date without zeros", |old| date(old, "2020-1-1")),
    ("date without dashes", |old| date(old, "20200304")),
    ("date: year 0000", |old| date(old, "0000-01-01")),
    ("date: year of two digits", |old| date(old, "20")),
    ("date: year alone", |old| date(old, "2020")),
    ("date: month", |old| date(old, "2020-03")),
    ("date: day", |old| date(old, "2020-03-04")),
    ("time without seconds", |old| date(old, "2020-03-04T10:22-05:00")),
    ("time without a zone", |old| date(old, "2020-03-04T10:22:00")),
    ("time with a blank for T", |old| date(old, "2020-03-04 10:22:00Z")),
    ("time in small letters", |old| date(old, "2020-03-04t10:22:00z")),
    ("time of 24 hours", |old| date(old, "2020-03-04T24:00:00Z")),
    ("time of 61 minutes", |old| date(old, "2020-03-04T10:61:00Z")),
    ("time with a leap second", |old| date(old, "2016-12-31T23:59:60Z")),
    ("time with a fraction", |old| date(old, "2020-03-04T10:22:00.123456789Z")),
    ("time with an empty fraction", |old| date(old, "2020-03-04T10:22:00.Z")),
    ("time with a zone of 14 hours", |old| date(old, "2020-03-04T10:22:00+14:00")),
    ("time with a zone of 15 hours", |old| date(old, "2020-03-04T10:22:00+15:00")),
    ("time with a zone without a colon", |old| date(old, "2020-03-04T10:22:00-0500")),
];

fn with_item(old: &Value, item: Value) -> Option<Value> {
    let mut list = old.as_array()?.clone();
    list.push(item);
    Some(Value::Array(list))
}

fn with_member(old: &Value, name: &str, value: Value) -> Option<Value> {
    let mut object = old.as_object()?.clone();
    object.insert(name.to_owned(), value);
    Some(Value::Object(object))
}

fn with_extension(old: &Value, extension: Value) -> Option<Value> {
    with_member(old, "extension", Value::Array(vec![extension]))
}

/// Puts a date where one stands.
fn date(old: &Value, new: &str) -> Option<Value> {
    let text = old.as_str()?;
    let is_year = |start: &str| start.len() == 4 && start.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = text.get(..4).is_some_and(is_year) && (text.len() == 4 || text.as_bytes()[4] == b'-');
    is_date.then(|| json!(new))
}

fn literal(number: &str) -> Value {
    serde_json::from_str(number).expect("a number")
}
