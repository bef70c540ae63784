//! What cannot be said in a tree of JSON.

/// Makes a Patient's text into others.
pub fn all(patient: &str) -> Vec<(&'static str, Vec<u8>)> {
    let inside = |member: &str| patient.replacen('{', &format!("{{{member},"), 1).into_bytes();
    let deep = |levels: usize| {
        let inner = r#"{"url":"http://a.example/e","valueCode":"x"}"#.to_owned();
        let wrap =
            |inner: String, _: usize| format!(r#"{{"url":"http://a.example/e","extension":[{inner}]}}"#);
        let extension = (0..levels).fold(inner, wrap);
        format!(r#"{{"resourceType":"Patient","extension":[{extension}]}}"#).into_bytes()
    };
    let long = |bytes: usize| {
        format!(r#"{{"resourceType":"Patient","name":[{{"text":"{}"}}]}}"#, "x".repeat(bytes)).into_bytes()
    };
    let mut not_utf8 = inside(r#""implicitRules":"x""#);
    if let Some(at) = not_utf8.iter().position(|byte| *byte == b'x') {
        not_utf8[at] = 0xFF;
    }
    vec![
        ("JSON: member twice", inside(r#""gender":"male""#)),
        ("JSON: member twice, the same", inside(r#""gender":"female""#)),
        ("JSON: member escaped and twice", inside(r#""gend\u0065r":"male""#)),
        ("JSON: not UTF-8", not_utf8),
        ("JSON: byte order mark", [b"\xEF\xBB\xBF", patient.as_bytes()].concat()),
        ("JSON: comment", patient.replacen('{', "{/* note */", 1).into_bytes()),
        ("JSON: comma at the end", format!("{},}}", &patient[..patient.len() - 1]).into_bytes()),
        ("JSON: text behind the end", format!("{patient} x").into_bytes()),
        ("JSON: two documents", format!("{patient}{patient}").into_bytes()),
        ("JSON: cut off", patient.as_bytes()[..patient.len() / 2].to_vec()),
        ("JSON: single quotes", patient.replace('"', "'").into_bytes()),
        ("JSON: member without quotes", inside("gender2:\"x\"")),
        (
            "JSON: number with a leading zero",
            patient.replace("\"multipleBirthInteger\":2", "\"multipleBirthInteger\":02").into_bytes(),
        ),
        (
            "JSON: number with a plus sign",
            patient.replace("\"multipleBirthInteger\":2", "\"multipleBirthInteger\":+2").into_bytes(),
        ),
        ("JSON: NaN", patient.replace("\"valueDecimal\":0.30", "\"valueDecimal\":NaN").into_bytes()),
        ("JSON: control character in a string", patient.replace("Ottawa", "Ottawa\u{1}").into_bytes()),
        ("JSON: half of a surrogate pair", patient.replace("Ottawa", "Ottawa\\ud800").into_bytes()),
        ("JSON: NUL as an escape", patient.replace("Ottawa", "Ottawa\\u0000").into_bytes()),
        ("JSON: list of documents", format!("[{patient}]").into_bytes()),
        ("JSON: nothing", Vec::new()),
        ("nested 28 deep", deep(12)),
        ("nested 40 deep", deep(18)),
        ("string of 1 MB and a byte", long(1024 * 1024 + 1)),
        ("resourceType missing", patient.replacen(r#""resourceType":"Patient","#, "", 1).into_bytes()),
        ("resourceType unknown", patient.replacen(r#""Patient""#, r#""Pateint""#, 1).into_bytes()),
        (
            "resourceType of another resource",
            patient.replacen(r#""Patient""#, r#""Practitioner""#, 1).into_bytes(),
        ),
        ("resourceType a number", patient.replacen(r#""Patient""#, "3", 1).into_bytes()),
        (
            "number of 70 digits",
            patient
                .replace("\"valueDecimal\":0.30", &format!("\"valueDecimal\":0.{}", "1".repeat(70)))
                .into_bytes(),
        ),
    ]
}
