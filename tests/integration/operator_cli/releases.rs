//! `iidictl release`, against an aggregator over a FHIR double.

use local_stack::ProvinceService::Aggregator;
use serde_json::{Value, json};

use super::{Operator, text};
use crate::national::{Alone, follow, recorded};

/// So many girls of 2018 with a dose in a year, numbered from `first` on.
fn girls(first: usize, count: usize, year: u16) -> Vec<Value> {
    (first..first + count).flat_map(|n| recorded(n, "2018-05-06", &format!("{year}-07-01"))).collect()
}

/// Ontario, whose twenty girls are in two cells that nothing has to hide.
async fn ontario(name: &str) -> (Alone, Operator) {
    let alone = Alone::with(name, "ON", &[girls(0, 10, 2019), girls(10, 10, 2020)].concat()).await;
    alone.has_read(20).await;
    let operator = operator(&alone, &["aggregate.read", "aggregate.operate"]);
    (alone, operator)
}

fn operator(alone: &Alone, scopes: &[&str]) -> Operator {
    let server = alone.world.releases("ON").base().to_owned();
    Operator::with(&alone.world.token("ON", scopes), &json!({"aggregator_server": server}))
}

async fn publish(operator: &Operator, arguments: &[&str]) -> Value {
    operator.json(&[&["release", "publish", "--reason", "a test"], arguments].concat()).await
}

#[tokio::test]
async fn a_release_is_published_listed_and_shown() {
    let (alone, operator) = ontario("clirelease").await;
    let none = operator.run(&["release", "list"]).await;
    assert_eq!((none.status.code(), text(&none).trim()), (Some(0), "no release yet"));
    let early = operator.run(&["release", "show"]).await;
    assert_eq!(early.status.code(), Some(1));
    assert!(text(&early).contains("there is no release yet"), "{}", text(&early));
    assert_eq!(operator.run(&["release", "publish"]).await.status.code(), Some(2), "without a reason");
    let reader = self::operator(&alone, &["aggregate.read"]);
    let refused = reader.run(&["release", "publish", "--reason", "x"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("insufficient-scope"), "{}", text(&refused));

    let published = operator.run(&["release", "publish", "--reason", "first of the year"]).await;
    assert_eq!(published.status.code(), Some(0), "{}", text(&published));
    assert!(text(&published).contains("test: first of the year"), "{}", text(&published));
    let list = reader.json(&["release", "list"]).await;
    assert_eq!(
        (list.as_array().unwrap().len(), &list[0]["id"], &list[0]["series"]),
        (1, &json!(1), &json!(1))
    );
    // A small cell, in a series that begins anew: it is hidden, and others with it.
    alone.double.put_all(&girls(20, 1, 2021)).unwrap();
    alone.has_read(21).await;
    publish(&operator, &["--new-series", "--yes"]).await;

    let shown = reader.run(&["release", "show", "2"]).await;
    let lines = text(&shown);
    assert_eq!(shown.status.code(), Some(0), "{lines}");
    for (name, what) in
        [("release", "2"), ("series", "2"), ("jurisdiction", "ON"), ("threshold", "5"), ("total", "21")]
    {
        let line = lines.lines().find(|line| line.split_whitespace().next() == Some(name));
        assert_eq!(line.and_then(|line| line.split_whitespace().nth(1)), Some(what), "{name}: {lines}");
    }
    let document = reader.json(&["release", "show", "2"]).await;
    let cells = document["data"].as_array().unwrap();
    let hidden = cells.iter().filter(|cell| cell["Suppressed"] == true).count();
    assert!(hidden >= 2, "{document}");
    assert!(lines.contains(&format!("{} ({hidden} of them hidden)", cells.len())), "{lines}");
    assert!(lines.contains("\nyear × vaccine ") && lines.contains("x: suppressed"), "{lines}");
    let newest = test_kit::eventually("the newest", async || {
        let newest = reader.json(&["release", "show"]).await;
        (newest["release"]["id"] == 2).then_some(newest)
    });
    assert_eq!(newest.await, document);
    let french = reader.run_with(&["release", "show", "2"], "", "fr_CA.UTF-8").await;
    assert!(
        text(&french).contains("x\u{a0}: supprimé") && text(&french).contains("dont masquées"),
        "{}",
        text(&french)
    );
    let unknown = reader.run(&["release", "show", "99"]).await;
    assert_eq!((unknown.status.code(), text(&unknown).contains("not-found")), (Some(1), true));
    assert_eq!(reader.run(&["release", "show", "../1"]).await.status.code(), Some(2), "no number");
}

#[tokio::test]
async fn a_comparison_subtracts_what_is_shown_and_a_new_series_is_asked_about() {
    let (alone, operator) = ontario("clidiff").await;
    publish(&operator, &[]).await;
    alone.double.put_all(&girls(30, 6, 2019)).unwrap();
    alone.has_read(26).await;
    publish(&operator, &[]).await;
    let compared = operator.run(&["release", "diff", "1", "2"]).await;
    let lines = text(&compared);
    assert_eq!(compared.status.code(), Some(0), "{lines}");
    let words = |start: &str| -> Vec<String> {
        let line =
            lines.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {lines}"));
        line[start.len()..].split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(words("total"), ["20", "26", "+6"]);
    assert_eq!(words("2019, 1 year, Female, MMR (871831003), dose 1"), ["10", "16", "+6"]);
    assert_eq!(words("cells:"), ["1", "differ"]);
    assert!(!lines.contains("2020"), "what is the same is not shown: {lines}");

    // One girl alone waits: the series shows nothing of her.
    alone.double.put_all(&girls(40, 1, 2021)).unwrap();
    alone.has_read(27).await;
    publish(&operator, &[]).await;
    let same = operator.json(&["release", "diff", "2", "3"]).await;
    assert_eq!((&same["cells"], &same["total"]["from"]), (&json!([]), &same["total"]["to"]));

    let anew = ["release", "publish", "--reason", "a new catalogue", "--new-series"];
    for no in ["", "\n", "n\n", "no\n"] {
        let declined = operator.run_with(&anew, no, "en_CA.UTF-8").await;
        assert_eq!(declined.status.code(), Some(1));
        assert!(text(&declined).contains("nothing was published"), "{}", text(&declined));
    }
    assert_eq!(operator.json(&["release", "list"]).await.as_array().unwrap().len(), 3);
    let meant = operator.run_with(&[&anew[..], &["-o", "json"]].concat(), "oui\n", "fr_CA.UTF-8").await;
    let heads: Value = serde_json::from_slice(&meant.stdout).expect("the question is not among the answer");
    assert_eq!((meant.status.code(), &heads[0]["id"], &heads[0]["series"]), (Some(0), &json!(4), &json!(2)));

    let compared = operator.run(&["release", "diff", "3", "4"]).await;
    let lines = text(&compared);
    assert_eq!(compared.status.code(), Some(0), "{lines}");
    assert!(lines.contains("series 2") && lines.contains("of two series"), "{lines}");
    let hidden: Vec<_> = lines.lines().filter(|line| line.split_whitespace().last() == Some("x")).collect();
    assert!(hidden.iter().any(|line| line.starts_with("2021") && line.contains(" 0 ")), "{lines}");
    assert!(hidden.len() >= 2, "{lines}");
    let french = operator.run_with(&["release", "diff", "3", "4"], "", "fr_CA.UTF-8").await;
    assert!(text(&french).contains("AVANT") && text(&french).contains("supprimé"), "{}", text(&french));
}

/// What `docs/OPERATING.md` says of a lost pseudonym key.
#[tokio::test]
async fn with_a_new_key_everything_is_read_again_and_a_new_series_begins() {
    let (alone, operator) = ontario("clikey").await;
    publish(&operator, &[]).await;
    let persons = "SELECT person FROM fact ORDER BY person";
    let before: Vec<i64> = sqlx::query_scalar(persons).fetch_all(&alone.facts).await.unwrap();

    assert_eq!(alone.world.terminate("ON", Aggregator).await, Some(0));
    for table in ["followed", "fact", "patient", "collector"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table}"))).execute(&alone.facts).await.unwrap();
    }
    let key = operator.write("pseudonym-key", &"another key of many bytes ".repeat(2));
    let base = alone.server.base().to_owned();
    let change = |config: &mut Value| {
        follow(config, &base);
        config["pseudonym_key_file"] = json!(key);
    };
    alone.world.start("ON", Aggregator, "", &change, &[]).await;
    alone.has_read(20).await;
    publish(&operator, &["--new-series", "--yes"]).await;

    let after: Vec<i64> = sqlx::query_scalar(persons).fetch_all(&alone.facts).await.unwrap();
    assert_eq!(after.len(), 20);
    assert!(after.iter().all(|person| !before.contains(person)), "everybody is somebody new");
    let compared = operator.json(&["release", "diff", "1", "2"]).await;
    assert_eq!((&compared["cells"], &compared["to"]["series"]), (&json!([]), &json!(2)));
    // A row of the basis holds the persons of a place one after the other: 8 bytes of pseudonym, 4 of doses.
    let rows: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT persons FROM basis").fetch_all(&alone.facts).await.unwrap();
    let persons = rows.iter().flat_map(|row| row.chunks_exact(12));
    let mut basis: Vec<i64> =
        persons.map(|person| i64::from_be_bytes(person[..8].try_into().unwrap())).collect();
    basis.sort_unstable();
    assert_eq!(basis, after, "the new series is counted by the new key");
}
