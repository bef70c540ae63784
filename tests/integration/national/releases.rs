//! Releases: made on a word, protected, unchanging, and for those alone who may read them.

use std::io::Read as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::release::{ReleaseDocument, check_release};
use domain::Jurisdiction;
use fhir_client::FhirRequest;
use fhir_client::double::{Answer, Fault, FaultRule, FhirDouble};
use flate2::read::GzDecoder;
use local_stack::ProvinceService::Aggregator;
use mtls::{ClientOptions, SpiffeId};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LAST_MODIFIED,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use test_kit::eventually;

use super::{Alone, cells, dose, follow, recorded};

/// Ten girls born in 2018 with a dose in 2019, and one in 2020.
fn people() -> Vec<Value> {
    let mut all: Vec<Value> = (0..10).flat_map(|n| recorded(n, "2018-05-06", "2019-07-01")).collect();
    all.extend(recorded(10, "2018-05-06", "2020-07-01"));
    all
}

async fn publish(alone: &Alone, body: &Value) -> (StatusCode, Value) {
    let answer = alone.world.releases("ON").call(Method::POST, "/releases").json(body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn newest(alone: &Alone) -> ReleaseDocument {
    let answer = alone.world.releases("ON").call(Method::GET, "/aggregated-data").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

fn shown(document: &ReleaseDocument) -> Vec<(Option<i32>, Option<u64>)> {
    document.data.iter().map(|row| (row.occurrence_year, row.count)).collect()
}

#[tokio::test]
async fn a_release_is_what_the_contract_says_and_hides_what_is_small() {
    let alone = Alone::with("release", "ON", &people()).await;
    alone.has_read(11).await;
    let api = alone.world.releases("ON");
    let none = api.call(Method::GET, "/aggregated-data").send().await.unwrap();
    assert_eq!(none.status(), StatusCode::SERVICE_UNAVAILABLE, "no release yet");
    let (status, problem) = publish(&alone, &json!({"reason": " "})).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (400, Some("invalid-request")), "{problem}");

    let (status, head) = publish(&alone, &json!({"reason": "first"})).await;
    assert_eq!((status, &head["id"]), (StatusCode::CREATED, &json!(1)));
    let first = eventually("the release to be served", async || {
        let answer = api.call(Method::GET, "/aggregated-data").send().await.unwrap();
        if answer.status() != StatusCode::OK {
            return None;
        }
        Some(answer.json::<ReleaseDocument>().await.unwrap())
    })
    .await;
    let on = Jurisdiction::parse("ON").unwrap();
    check_release(&first, &on).unwrap();
    // One dose of one girl is small: with it, its like must be hidden too.
    assert_eq!(shown(&first), [(Some(2019), None), (Some(2020), None)]);
    assert_eq!(first.release.total, Some(11));

    // The same again, then what must wait: a single change.
    alone.double.put_all(&[dose("later", 3, "2019-08-01")]).unwrap();
    alone.has_read(12).await;
    publish(&alone, &json!({"reason": "one more"})).await;
    let second = newest(&alone).await;
    assert_eq!(second.release.series, first.release.series);
    assert_eq!(second.release.total, Some(11), "one dose waits");

    // Six girls more are published together.
    let more: Vec<Value> = (20..26).flat_map(|n| recorded(n, "2018-05-06", "2019-09-01")).collect();
    alone.double.put_all(&more).unwrap();
    alone.has_read(18).await;
    publish(&alone, &json!({"reason": "six more"})).await;
    let third = newest(&alone).await;
    check_release(&third, &on).unwrap();
    assert_eq!(third.release.total, Some(18));

    // What was published stays as it was.
    let again = api.call(Method::GET, "/releases/1").send().await.unwrap();
    assert_eq!(again.json::<ReleaseDocument>().await.unwrap(), first);
    let list: Value = api.call(Method::GET, "/releases").send().await.unwrap().json().await.unwrap();
    let numbers: Vec<i64> =
        list["releases"].as_array().unwrap().iter().map(|head| head["id"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [3, 2, 1]);
}

#[tokio::test]
async fn nothing_is_published_before_what_was_read_is_compared_with_the_server() {
    let double = FhirDouble::default();
    double.put_all(&people()).unwrap();
    let is_count = |request: &FhirRequest| String::from_utf8_lossy(&request.body).contains("_summary=count");
    double
        .inject(FaultRule::new(Fault::before(Answer::Status(StatusCode::SERVICE_UNAVAILABLE))).on(is_count));
    let alone = Alone::over("uncompared", "ON", double).await;
    eventually("both types to be read", async || {
        let both = sqlx::query_scalar::<_, bool>("SELECT count(*) = 2 FROM followed");
        both.fetch_one(&alone.facts).await.unwrap().then_some(())
    })
    .await;
    let (status, problem) = publish(&alone, &json!({"reason": "too early"})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("busy")), "{problem}");
    alone.double.heal();
    alone.has_read(11).await;
    assert_eq!(publish(&alone, &json!({"reason": "compared"})).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn the_first_release_holds_what_was_changed_while_the_first_load_went_on() {
    let double = FhirDouble::default();
    double.put_all(&people()).unwrap();
    let is_doses = |request: &FhirRequest| request.path == "Immunization/_search";
    let late = Answer::Late(Duration::from_secs(5));
    double.inject(FaultRule::new(Fault::before(late)).on(is_doses).times(1));
    let alone = Alone::changed("meanwhile", "ON", double, &|config| {
        config["collect"]["every_seconds"] = json!(3600); // one cycle is all there is
    })
    .await;
    eventually("the patients to be read", async || {
        let patients = sqlx::query_scalar::<_, bool>("SELECT count(*) = 11 FROM patient");
        patients.fetch_one(&alone.facts).await.unwrap().then_some(())
    })
    .await;
    alone.double.put_all(&[dose("d3", 3, "2019-08-01"), dose("new", 3, "2019-08-02")]).unwrap();
    alone.has_read(12).await;
    assert_eq!(publish(&alone, &json!({"reason": "whole"})).await.0, StatusCode::CREATED);
}

/// The Patient of [`recorded`] under a health number.
fn numbered(n: usize, number: &str) -> Value {
    let mut patient = recorded(n, "2018-05-06", "")[0].clone();
    let system = "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn";
    patient["identifier"] = json!([{"system": system, "value": number}]);
    patient
}

#[tokio::test]
async fn who_gets_another_pseudonym_is_one_person_in_a_series() {
    let people: Vec<Value> = (0..10).flat_map(|n| recorded(n, "2018-05-06", "2019-07-01")).collect();
    let alone = Alone::with("renamed", "ON", &people).await;
    alone.has_read(10).await;
    publish(&alone, &json!({"reason": "first"})).await;
    assert_eq!(newest(&alone).await.release.total, Some(10));

    // Three get a number, one is found to be another one's record, one is deleted and comes back under a number, and
    // the first has five doses more: the change of one person, though ten pseudonyms come or go.
    let person = async |n: usize| -> i64 {
        let person = "SELECT person FROM fact WHERE id = $1";
        sqlx::query_scalar(person).bind(format!("d{n}")).fetch_one(&alone.facts).await.unwrap()
    };
    let before = [person(0).await, person(1).await, person(2).await, person(5).await, person(6).await];
    alone.double.delete("Immunization", "d5");
    alone.has_read(9).await;
    let mut merged = recorded(6, "2018-05-06", "")[0].clone();
    merged["link"] = json!([{"other": {"reference": "Patient/p4"}, "type": "replaced-by"}]);
    let mut changed = vec![merged, numbered(5, "4000000002")];
    for (n, number) in ["1000000008", "2000000006", "3000000004"].into_iter().enumerate() {
        changed.push(numbered(n, number));
    }
    alone.double.put_all(&changed).unwrap();
    let more: Vec<Value> = (0..5).map(|n| dose(&format!("more{n}"), 0, "2019-07-01")).collect();
    alone.double.put_all(&more).unwrap();
    alone.double.put_all(&[dose("d5", 5, "2019-07-01")]).unwrap();
    alone.has_read(15).await;
    eventually("everybody to be somebody else", async || {
        let now = [person(0).await, person(1).await, person(2).await, person(5).await, person(6).await];
        now.iter().zip(&before).all(|(now, before)| now != before).then_some(())
    })
    .await;
    publish(&alone, &json!({"reason": "one person's doses"})).await;
    assert_eq!(newest(&alone).await.release.total, Some(10), "they wait");

    // Four others make it five people.
    let others: Vec<Value> = (6..10).map(|n| dose(&format!("others{n}"), n, "2019-07-01")).collect();
    alone.double.put_all(&others).unwrap();
    alone.has_read(19).await;
    publish(&alone, &json!({"reason": "five persons' doses"})).await;
    assert_eq!(newest(&alone).await.release.total, Some(19));
}

#[tokio::test]
async fn under_other_rules_everything_is_read_anew_and_a_new_series_begins() {
    let alone = Alone::with("rules", "ON", &people()).await;
    alone.has_read(11).await;
    publish(&alone, &json!({"reason": "by the rules of today"})).await;
    let today: String =
        sqlx::query_scalar("SELECT rules FROM collector").fetch_one(&alone.facts).await.unwrap();
    let cells_of_today = cells(&alone.facts).await;

    // As if all this were the work of an earlier version of the program, which had other age groups; and the FHIR
    // server does not answer.
    assert_eq!(alone.world.terminate("ON", Aggregator).await, Some(0));
    for earlier in [
        "INSERT INTO place (year, age, sex, vaccine, dose) VALUES (2019, '1–4 years', 'Female', '871831003', '1')",
        "UPDATE fact SET place = (SELECT id FROM place WHERE age = '1–4 years')",
        "UPDATE collector SET rules = 'earlier'",
        "UPDATE series SET rules = 'earlier'",
    ] {
        sqlx::query(earlier).execute(&alone.facts).await.unwrap();
    }
    let silence = Fault::before(Answer::Status(StatusCode::SERVICE_UNAVAILABLE));
    alone.double.inject(FaultRule::new(silence));
    let base = alone.base().to_owned();
    alone.world.start("ON", Aggregator, "", &|config| follow(config, &base), &[]).await;
    for (new_series, refused) in [(false, (409, "new-series-needed")), (true, (503, "busy"))] {
        let (status, problem) = publish(&alone, &json!({"reason": "mixed", "new_series": new_series})).await;
        assert_eq!((status.as_u16(), problem["code"].as_str().unwrap()), refused, "{problem}");
    }

    alone.double.heal();
    alone.has_read(11).await;
    assert_eq!(cells(&alone.facts).await, cells_of_today);
    let rules: String =
        sqlx::query_scalar("SELECT rules FROM collector").fetch_one(&alone.facts).await.unwrap();
    assert_eq!(rules, today);
    let (status, problem) = publish(&alone, &json!({"reason": "the old series"})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("new-series-needed")), "{problem}");
    let (status, head) = publish(&alone, &json!({"reason": "a new one", "new_series": true})).await;
    assert_eq!((status, &head["series"]), (StatusCode::CREATED, &json!(2)), "{head}");
    assert_eq!(publish(&alone, &json!({"reason": "which goes on"})).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn the_facts_of_a_release_are_read_from_the_standby_unless_it_is_behind() {
    // The database of another province with the same records stands for a standby, since it can stay behind on demand.
    let standby = Alone::with("standby", "ON", &people()).await;
    standby.has_read(11).await;
    assert_eq!(standby.world.terminate("ON", Aggregator).await, Some(0));
    let double = FhirDouble::default();
    double.put_all(&people()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reports-database-url");
    std::fs::write(&file, standby.world.database_url("ON", Aggregator)).unwrap();
    let alone =
        Alone::changed("primary", "ON", double, &|config| config["reports_url_file"] = json!(file)).await;
    alone.has_read(11).await;
    let more: Vec<Value> = (20..30).flat_map(|n| recorded(n, "2018-05-06", "2019-07-01")).collect();
    alone.double.put_all(&more).unwrap();
    alone.has_read(21).await;
    let (status, head) = publish(&alone, &json!({"reason": "as the standby has it"})).await;
    assert_eq!(status, StatusCode::CREATED, "{head}");
    let first = newest(&alone).await;
    assert_eq!(first.release.total, Some(11));
    let until: DateTime<Utc> =
        sqlx::query_scalar("SELECT min(until) FROM followed").fetch_one(&standby.facts).await.unwrap();
    assert_eq!(first.release.as_of, until, "as of what was read");

    let behind = "UPDATE followed SET until = until - interval '1 hour'";
    sqlx::query(behind).execute(&standby.facts).await.unwrap();
    let (status, problem) = publish(&alone, &json!({"reason": "older than before"})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("busy")), "{problem}");
}

#[tokio::test]
async fn nothing_but_the_agreed_columns_leaves_the_province() {
    let alone = Alone::with("columns", "ON", &people()).await;
    alone.has_read(11).await;
    publish(&alone, &json!({"reason": "columns"})).await;
    let api = alone.world.releases("ON");
    let text = eventually("the release", async || {
        let answer = api.call(Method::GET, "/aggregated-data").send().await.unwrap();
        let is_there = answer.status() == StatusCode::OK;
        is_there.then_some(answer.text().await.unwrap())
    })
    .await;
    // The types refuse every member that is not agreed; and no id, date of birth or pseudonym is among the values.
    serde_json::from_str::<ReleaseDocument>(&text).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let names = |of: &Value| -> String {
        of.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&document), "data margins release");
    assert_eq!(
        names(&document["release"]),
        "age_basis as_of checksum contract_version excluded id jurisdiction policy published_at series total waiting"
    );
    assert_eq!(names(&document["release"]["policy"]), "margins threshold");
    assert_eq!(names(&document["release"]["waiting"]), "count suppressed");
    assert_eq!(names(&document["margins"][0]), "by rows");
    let row = "Age Count Dose DoseLabel Jurisdiction OccurrenceYear ReferenceDate Sex Suppressed VaccineCode VaccineType";
    assert_eq!(names(&document["data"][0]), row);
    for margin in document["margins"].as_array().unwrap() {
        let columns: Vec<&str> = row.split(' ').collect();
        assert!(names(&margin["rows"][0]).split(' ').all(|name| columns.contains(&name)), "{margin}");
    }
    let persons: Vec<i64> =
        sqlx::query_scalar("SELECT person FROM fact").fetch_all(&alone.facts).await.unwrap();
    for secret in persons.iter().map(i64::to_string).chain(["p1".into(), "d1".into(), "2018-05-06".into()]) {
        assert!(
            !text.contains(&format!("\"{secret}\"")) && !text.contains(&format!(":{secret},")),
            "{secret}"
        );
    }
}

#[tokio::test]
async fn a_reader_who_has_it_is_told_so_and_text_is_for_who_asks() {
    let alone = Alone::with("etag", "ON", &people()).await;
    alone.has_read(11).await;
    publish(&alone, &json!({"reason": "etag"})).await;
    let api = alone.world.releases("ON");
    let get = || api.call(Method::GET, "/releases/1");
    let answer = get().send().await.unwrap();
    let etag = answer.headers()[ETAG].to_str().unwrap().to_owned();
    let changed = answer.headers()[LAST_MODIFIED].to_str().unwrap().to_owned();
    let published = DateTime::parse_from_rfc2822(&changed).unwrap();
    let plain = answer.bytes().await.unwrap();
    let document: ReleaseDocument = serde_json::from_slice(&plain).unwrap();
    assert_eq!(published.timestamp(), document.release.published_at.timestamp());
    let unpacks_nothing = reqwest::Client::builder().no_gzip().build().unwrap();
    let packed = unpacks_nothing
        .get(format!("{}/releases/1", api.base()))
        .bearer_auth(alone.world.token("ON", &["aggregate.read"]))
        .header(ACCEPT_ENCODING, "gzip");
    let packed = packed.send().await.unwrap();
    assert_eq!(
        (&packed.headers()[CONTENT_ENCODING], &packed.headers()[ETAG]),
        (&"gzip".parse().unwrap(), &etag.parse().unwrap())
    );
    let mut unpacked = Vec::new();
    GzDecoder::new(&*packed.bytes().await.unwrap()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    let again = get().header(IF_NONE_MATCH, &etag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let text = get().header(ACCEPT, "text/csv").send().await.unwrap();
    assert!(text.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/csv"));
    let text = text.text().await.unwrap();
    assert!(text.starts_with("Jurisdiction,OccurrenceYear,Age,Sex,VaccineType"), "{text}");
    assert_eq!(text.lines().count(), 3);
}

#[tokio::test]
async fn only_the_federator_and_tokens_of_the_scope_may_read() {
    let alone = Alone::with("readers", "ON", &people()).await;
    alone.has_read(11).await;
    publish(&alone, &json!({"reason": "readers"})).await;
    let api = alone.world.releases("ON");
    let url = format!("{}/releases/1", api.base());
    assert_eq!(reqwest::get(&url).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let token = alone.world.token("ON", &["transfer.read"]);
    let plain = reqwest::Client::builder().build().unwrap();
    let other = plain.get(&url).bearer_auth(token).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::FORBIDDEN);
    let reader = alone.world.token("ON", &["aggregate.read"]);
    let publishes =
        plain.post(format!("{}/releases", api.base())).bearer_auth(reader).json(&json!({"reason": "x"}));
    assert_eq!(publishes.send().await.unwrap().status(), StatusCode::FORBIDDEN);

    let gateway = alone.world.gateway_of("ON", Aggregator);
    let expected = local_stack::spiffe_id("ON", "aggregator").unwrap();
    let expected = SpiffeId::parse(&expected).unwrap();
    for (code, service, status) in
        [("PHAC", "federator", 200), ("BC", "aggregator", 403), ("ON", "outbound-transfer", 403)]
    {
        let credentials = alone.world.credentials(code, service);
        let client = mtls::client(&credentials, &expected, ClientOptions::default()).unwrap();
        let answer = client.get(format!("{gateway}/releases/1")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{code} {service}");
        // Who published why is the province's own: it holds names and words.
        let list = client.get(format!("{gateway}/releases")).send().await.unwrap();
        assert_eq!(list.status(), StatusCode::NOT_FOUND, "{code} {service}");
    }
}
