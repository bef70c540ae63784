//! `iidictl sources`, against a federator and the aggregators of two provinces.

use std::time::Duration;

use local_stack::token_issuer;
use serde_json::{Value, json};

use super::{Operator, text};
use crate::federator::Federal;

#[tokio::test]
async fn sources_end_well_only_if_every_province_is_there() {
    let federal = Federal::prepared().await;
    let process = federal.start().await;
    let issuer = token_issuer(federal.stack.layout(), "PHAC").unwrap();
    let token = issuer.mint("test", &["aggregate.read"], Duration::from_mins(10)).unwrap();
    let server = format!("http://127.0.0.1:{}", federal.settings.port);
    let operator = Operator::with(&token, &json!({"federator_server": server}));

    federal.until("BC=ok, ON=ok").await;
    let whole = operator.run(&["sources"]).await;
    let shown = text(&whole);
    assert_eq!((whole.status.code(), shown.lines().count()), (Some(0), 3), "{shown}");
    assert!(shown.starts_with("JURISDICTION  STATUS  AS OF"), "{shown}");
    for (line, code) in shown.lines().skip(1).zip(["BC", "ON"]) {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!((words[0], words[1], words.last()), (code, "ok", Some(&"7")), "{shown}");
        assert!(line.contains(" d)"), "an age of days: {line}");
    }
    let json = operator.json(&["sources"]).await;
    assert_eq!((json.as_array().unwrap().len(), &json[1]["jurisdiction"]), (2, &json!("ON")));

    federal.write_directory(&["ON"]);
    federal.until("BC=ok, ON=suspended").await;
    let partial = operator.run_with(&["sources"], "", "fr_CA.UTF-8").await;
    let shown = text(&partial);
    assert_eq!(partial.status.code(), Some(1), "{shown}");
    let line = shown.lines().find(|line| line.starts_with("ON")).unwrap();
    assert!(line.contains("suspendue") && line.contains("source-suspended"), "{shown}");
    let lines = operator.run(&["sources", "-o", "ndjson"]).await;
    assert_eq!(lines.status.code(), Some(1));
    let last: Value =
        serde_json::from_slice(lines.stdout.split(|byte| *byte == b'\n').nth(1).unwrap()).unwrap();
    assert_eq!(last["status"], "suspended");
    federal.end(process).await;
    let away = operator.run(&["sources"]).await;
    assert_eq!(
        (away.status.code(), text(&away).contains("does not answer")),
        (Some(1), true),
        "{}",
        text(&away)
    );
}
