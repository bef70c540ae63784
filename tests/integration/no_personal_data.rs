//! Who a person is stands in the FHIR servers, in sealed packages and in the ledger's own columns: nowhere else.

use std::fmt::Write as _;
use std::path::Path;

use contracts::transfer::{TransferEvents, TransferView};
use domain::{TransferId, TransferState};
use local_stack::ProvinceService;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sqlx::PgPool;
use test_kit::fhir_proxy::Proxy;
use test_kit::{Person, World, copy_id, eventually, package_of};

const IN: ProvinceService = ProvinceService::Inbound;
const OUT: ProvinceService = ProvinceService::Outbound;
const SERVICES: [(&str, ProvinceService); 4] = [("ON", IN), ("ON", OUT), ("BC", IN), ("BC", OUT)];

/// A person, and what must not be found of them.
struct Marked {
    person: Person,
    /// Names, numbers and dates.
    marks: Vec<String>,
    /// Ids that only some columns may hold.
    ids: Vec<String>,
}

fn marked() -> Marked {
    let mut person = Person::new().dose("2010-03-04", "03");
    let unique = person.id().replace("t-", "");
    let mark = |what: &str| format!("{what}{unique}");
    let names = ["Famille", "Prenom", "Rue", "Ville", "Courriel", "Lot", "Note", "Reaction"].map(mark);
    let [family, given, street, city, mail, lot, note, reaction] = names.clone();
    let phone = format!("+1-613-{}", &unique[..8]);
    person.patient["name"] = json!([{"use": "official", "family": family, "given": [given]}]);
    person.patient["address"] = json!([{"line": [street], "city": city}]);
    person.patient["telecom"] = json!([{"system": "phone", "value": phone}, {"system": "email", "value": format!("{mail}@a.example")}]);
    person.resources[0]["lotNumber"] = json!(lot);
    person.resources[0]["note"] = json!([{"text": note}]);
    let person = person.allergy().with("code", json!({"text": reaction}));
    let number = person.patient["identifier"][0]["value"].as_str().expect("a text").to_owned();
    let birth = person.patient["birthDate"].as_str().expect("a text").to_owned();
    let mut ids = vec![person.id(), copy_id("ON", "Patient", &person.id())];
    for at in 0..2 {
        let resource_type = person.resources[at]["resourceType"].as_str().expect("a text");
        ids.push(person.resource_id(at));
        ids.push(copy_id("ON", resource_type, &person.resource_id(at)));
    }
    Marked { marks: names.into_iter().chain([phone, number, birth]).collect(), ids, person }
}

/// Asserts that a text holds nothing of a person, also not in hexadecimal, as bytes of a database are written.
fn assert_without(what: &str, text: &str, marks: &[&String]) {
    let lower = text.to_lowercase();
    for (at, mark) in marks.iter().enumerate() {
        let mut hex = String::new();
        mark.bytes().for_each(|byte| write!(hex, "{byte:02x}").expect("a string takes all"));
        let found = lower.find(&mark.to_lowercase()).or_else(|| lower.find(&hex));
        let near = found.map(|place| &lower[lower.floor_char_boundary(place.saturating_sub(300))..place]);
        assert_eq!(near, None, "{what} holds mark {at} after this");
    }
}

/// Everything in a world's logs, those of earlier processes too.
fn logs(world: &World) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(world.stack().layout().logs()).expect("a readable file").flatten() {
        if entry.file_name().to_string_lossy().contains(world.name()) {
            all.push_str(&std::fs::read_to_string(entry.path()).expect("a readable file"));
        }
    }
    all
}

/// Everything that Redis holds for a world.
async fn redis(world: &World) -> String {
    let redis = world.stack().redis();
    let keys = redis.admin(&format!("KEYS *{}*", world.name())).await.expect("an answer of Redis");
    let mut all = keys.clone();
    for key in keys.lines().map(str::trim).filter(|line| line.contains(world.name())) {
        let kind = redis.admin(&format!("TYPE {key}")).await.expect("an answer of Redis");
        let read = match kind.trim() {
            "+stream" => format!("XRANGE {key} - +"),
            "+zset" => format!("ZRANGE {key} 0 -1 WITHSCORES"),
            "+hash" => format!("HGETALL {key}"),
            "+set" => format!("SMEMBERS {key}"),
            "+list" => format!("LRANGE {key} 0 -1"),
            "+string" => format!("GET {key}"),
            "+none" => continue,
            other => panic!("{key} is a {other}"),
        };
        all.push_str(&redis.admin(&read).await.expect("an answer of Redis"));
    }
    all
}

/// All rows of all tables as text, without the columns named.
async fn rows(database: &PgPool, without: &[(&str, &str)]) -> String {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(database)
            .await
            .expect("rows");
    assert!(tables.iter().any(|table| table == "audit_event"), "{tables:?}");
    let mut all = String::new();
    for table in tables {
        let mut row = "to_jsonb(r)".to_owned();
        for (_, column) in without.iter().filter(|(of, _)| *of == table) {
            write!(row, " - '{column}'").expect("a string takes all");
        }
        let sql = sqlx::AssertSqlSafe(format!("SELECT ({row})::text FROM {table} r"));
        let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(database).await.expect("rows");
        for row in found {
            writeln!(all, "{table}: {row}").expect("a string takes all");
        }
    }
    all
}

/// Where ids of people and of their records may stand: columns of the two ledgers, never a log or a queue.
const HOLD_IDS: [(&str, &str); 6] = [
    ("transfer", "patient_id"),
    ("transfer", "receipt"),
    ("transfer", "receipt_jws"),
    ("package", "snapshot"),
    ("inbound_transfer", "receipt"),
    ("inbound_transfer", "receipt_jws"),
];
const HOLD_ORIGINS: [(&str, &str); 2] = [("received_record", "origin"), ("received_record", "local_id")];

async fn assert_unmarked(world: &World, people: &[&Marked], answers: &str) {
    let marks: Vec<&String> = people.iter().flat_map(|one| &one.marks).collect();
    let sent = rows(&world.database("ON", OUT).await, &[]).await;
    assert!(sent.contains(&people[0].person.id()), "the ledgers were not read");
    let ids: Vec<&String> = people.iter().flat_map(|one| &one.ids).collect();
    let all: Vec<&String> = marks.iter().chain(&ids).copied().collect();
    let logs = logs(world);
    assert!(logs.contains("\"request\""), "the logs were not read");
    assert_without("a log", &logs, &all);
    let redis = redis(world).await;
    assert!(redis.contains(world.name()), "Redis was not read");
    assert_without("Redis", &redis, &all);
    assert_without("an answer", answers, &marks);
    for (province, service) in SERVICES {
        let metrics = world.metrics(province, service).await;
        assert!(metrics.contains("# TYPE"), "the metrics were not read");
        assert_without("a metric", &metrics, &all);
        let database = world.database(province, service).await;
        assert_without("a ledger", &rows(&database, &[]).await, &marks);
        let without: Vec<_> = HOLD_IDS.iter().chain(&HOLD_ORIGINS).copied().collect();
        assert_without("a ledger", &rows(&database, &without).await, &ids);
    }
}

async fn loud(world: &World, province: &str, service: ProvinceService) {
    let url = format!("{}/log-level", world.admin(province, service));
    let answer = Client::builder()
        .no_proxy()
        .build()
        .expect("a client")
        .put(url)
        .body("debug")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn nothing_of_a_person_is_in_logs_metrics_queues_problems_or_ledgers() {
    let world = World::prepared("marked", &SERVICES).await;
    let mut proxies = Vec::new();
    for (province, service) in SERVICES {
        let proxy = Proxy::start(world.stack().fhir_url(province).unwrap()).await;
        let base = proxy.base().to_owned();
        let behind = move |config: &mut Value| config["fhir"]["base_url"] = json!(base);
        world.start(province, service, "", &behind, &[]).await;
        proxies.push(proxy);
    }
    for (province, service) in SERVICES {
        loud(&world, province, service).await;
    }
    let (on, api) = (world.fhir("ON"), world.outbound("ON"));
    let (success, mut rejection, retry, broken) = (marked(), marked(), marked(), marked());
    // Before the birth: BC refuses it.
    rejection.person.resources[0]["occurrenceDateTime"] = json!("1901-01-01");
    for one in [&success, &rejection, &retry] {
        one.person.upload(&on).await;
    }
    let (mut answers, mut asked_for) = (String::new(), String::new());

    // It works.
    let done = api.transfer(&success.person.id(), "BC").await;
    // It is refused.
    let problem = api.rejected(&rejection.person.id(), "BC").await;
    assert_eq!(problem.code, "package-invalid");
    answers.push_str(&serde_json::to_string(&problem).unwrap());
    // The destination dies with a stored plan, and works after its return.
    world.kill("BC", IN).await;
    let held = world.stack().layout().root().join("worlds").join(format!("{}.held", world.name()));
    let place = format!("after-plan={}", held.display());
    world.start("BC", IN, "", &|_| {}, &[("IIDI_HOLD_AT", &place)]).await;
    loud(&world, "BC", IN).await;
    let retried = api.request(&retry.person.id(), "BC").await;
    eventually("a plan to be stored", async || Path::new(&held).exists().then_some(())).await;
    let plans: i64 = sqlx::query_scalar("SELECT count(*) FROM inbound_transfer WHERE plan IS NOT NULL")
        .fetch_one(&world.database("BC", IN).await)
        .await
        .unwrap();
    assert_eq!(plans, 1);
    assert_unmarked(&world, &[&success, &rejection, &retry], &answers).await;
    world.kill("BC", IN).await;
    eventually("an attempt to fail", async || {
        api.events(retried).await.events.iter().any(|event| event.event == "attempt-failed").then_some(())
    })
    .await;
    world.start("BC", IN, "", &|_| {}, &[]).await;
    loud(&world, "BC", IN).await;
    api.until(retried, TransferState::Completed).await;

    // Requests and packages that are wrong where a person's data stand.
    let name = broken.marks[0].clone();
    let bodies = [
        json!({"patient_id": format!("{}/{name}", broken.ids[0]), "transfer_to": "BC", "approval_ref": "1"}),
        json!({"patient_id": broken.ids[0], "transfer_to": name, "approval_ref": "1"}),
        json!({"patient_id": broken.ids[0], "transfer_to": "BC", "approval_ref": "1", "name": name}),
        json!({"patient_id": broken.ids[0], "transfer_to": "BC", "approval_ref": ["1"], "name": name}),
    ];
    for body in bodies {
        let answer = api.ask(TransferId::generate(), &body).await;
        assert!(answer.status().is_client_error());
        answers.push_str(&answer.text().await.unwrap());
    }
    for (at, wrong) in [
        ("/entry/0/resource/birthDate", json!(broken.marks[0])),
        ("/entry/0/resource/gender", json!(broken.marks[1])),
        ("/entry/0/resource/name/0/use", json!(broken.marks[0])),
        ("/entry/0/resource/identifier/0/value", json!(broken.marks[1])),
        ("/entry/0/resource/telecom/0/value", json!([broken.marks[2]])),
        ("/entry/1/resource/patient/reference", json!(format!("Patient/{}", broken.ids[0]))),
        ("/entry/1/resource/status", json!(broken.marks[3])),
        ("/entry/1/fullUrl", json!(broken.marks[4])),
        ("/entry/0/resource/resourceType", json!(broken.marks[0])),
        ("/type", json!(broken.marks[0])),
        // What is wrong is the name of an element: an object that has a person for its key.
        ("/entry/0/resource/name/0", json!({broken.marks[0].clone(): broken.marks[1]})),
        ("/entry/1/resource/note/0", json!({broken.marks[0].clone(): {broken.marks[1].clone(): [1]}})),
    ] {
        let mut package = package_of(&broken.person, "ON", TransferId::generate());
        *package.pointer_mut(at).unwrap_or_else(|| panic!("nothing at {at}")) = wrong;
        let bytes = package.to_string();
        for bytes in [bytes.as_bytes(), &bytes.as_bytes()[..bytes.len() - 9]] {
            let answer = world.put("ON", "BC", TransferId::generate(), bytes).await;
            assert!(answer.status().is_client_error(), "{at}");
            answers.push_str(&answer.text().await.unwrap());
        }
    }

    // What callers and operators are shown.
    for id in [done.id, retried] {
        let find = api.call(Method::GET, &format!("/transfer-request/{id}")).send().await.unwrap();
        let view: TransferView = find.json().await.unwrap();
        answers.push_str(&serde_json::to_string(&view).unwrap());
        let events: TransferEvents = api.events(id).await;
        answers.push_str(&serde_json::to_string(&events).unwrap());
    }
    assert_unmarked(&world, &[&success, &rejection, &retry, &broken], &answers).await;

    // What a FHIR server logs of our calls.
    for proxy in proxies {
        let asked = proxy.asked();
        let people = [&success, &rejection, &retry, &broken];
        let all: Vec<&String> = people.iter().flat_map(|one| one.marks.iter().chain(&one.ids)).collect();
        assert_without("a URL", &asked, &all);
        asked_for.push_str(&asked);
    }
    assert!(asked_for.contains("POST"), "the proxies were not asked");
}
