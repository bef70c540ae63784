use serde_json::json;

use super::*;

fn refused(bytes: &[u8]) -> Refusal {
    parse(bytes, &Limits::default()).expect_err("must be refused")
}

#[test]
fn a_plain_document_is_read_as_serde_json_reads_it() {
    let text = r#" {"a":[1,-2.50,3e2,true,false,null,"x"],"é":"\u00e9\ud83d\ude00\n\/","n":{"o":0.30}} "#;
    let read = parse(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(read, serde_json::from_str::<Value>(text).unwrap());
    assert_eq!(read["n"]["o"].to_string(), "0.30");
    assert_eq!(read["é"], json!("é😀\n/"));
}

#[test]
fn what_is_not_json_is_refused_as_such() {
    for wrong in [
        "",
        " ",
        "{",
        "[",
        "\"",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "[1,]",
        "[1 2]",
        "{a:1}",
        "{'a':1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "nul",
        "truex",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "0x1",
        "NaN",
        "Infinity",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"a\nb\"",
        "{\"a\":1} {\"b\":2}",
        "{\"a\":1}x",
        "// c\n{\"a\":1}",
        "\"\\",
        "\"\\ué",
    ] {
        assert_eq!(refused(wrong.as_bytes()).kind, RefusalKind::NotJson, "{wrong}");
    }
}

#[test]
fn duplicates_and_empties_are_refused_with_their_place() {
    for (wrong, place) in [
        (r#"{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}"#, "Patient.name[0].family"),
        (r#"{"resourceType":"Patient","gender":"male","g\u0065nder":"male"}"#, "Patient.gender"),
        (r#"{"resourceType":"Patient","gender":""}"#, "Patient.gender"),
        (r#"{"resourceType":"Patient","name":[]}"#, "Patient.name"),
        (r#"{"resourceType":"Patient","name":[{}]}"#, "Patient.name[0]"),
        (
            r#"{"resourceType":"Patient","multipleBirthInteger":{"$serde_json::private::Number":"1"}}"#,
            "Patient.multipleBirthInteger.(unnamed)",
        ),
    ] {
        let refusal = refused(wrong.as_bytes());
        assert_eq!(refusal.kind, RefusalKind::NotStrict, "{wrong}");
        assert_eq!(refusal.issues[0].expression, place);
    }
}

#[test]
fn hostile_sizes_are_refused_before_they_cost_anything() {
    let deep = |open: &str, n| open.repeat(n);
    for n in [33, 10_000, 1_000_000] {
        assert_eq!(refused(deep("[", n).as_bytes()).kind, RefusalKind::TooDeep);
        assert_eq!(refused(deep("{\"a\":", n).as_bytes()).kind, RefusalKind::TooDeep);
    }
    let wide_open = Limits { max_depth: usize::MAX, ..Limits::default() };
    assert_eq!(parse(deep("[", 1_000_000).as_bytes(), &wide_open).unwrap_err().kind, RefusalKind::TooDeep);
    assert_eq!(refused(&vec![b' '; 100_000_000]).kind, RefusalKind::TooLarge);
    let long_number = format!("{{\"a\":{}}}", "9".repeat(400));
    let refusal = refused(long_number.as_bytes());
    assert_eq!((refusal.kind, refusal.issues[0].code), (RefusalKind::NotStrict, IssueCode::TooLong));
    let long_string = format!("{{\"a\":\"{}\"}}", "x".repeat(1024 * 1024 + 1));
    assert_eq!(refused(long_string.as_bytes()).issues[0].code, IssueCode::TooLong);
}

#[test]
fn other_encodings_are_refused() {
    for wrong in
        [&b"\xEF\xBB\xBF{\"a\":1}"[..], b"\xFF\xFE{\0", b"{\"a\":\"\xE9\"}", b"\xC3\x28", b"\xED\xA0\x80"]
    {
        assert_eq!(refused(wrong).kind, RefusalKind::NotUtf8);
    }
}

#[test]
fn the_list_of_faults_is_bounded_and_repeats_no_value() {
    let many = format!("{{\"a\":[{}\"secret\"]}}", "\"\",".repeat(5_000));
    let refusal = refused(many.as_bytes());
    assert_eq!(refusal.issues.len(), Limits::default().max_issues);
    assert!(!format!("{refusal:?}").contains("secret"));
}
