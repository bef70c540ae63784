use std::time::Duration;

use bytes::Bytes;
use chrono::TimeZone;
use domain::FixedClock;
use reqwest::StatusCode;
use serde_json::json;

use super::serve::DoubleServer;
use super::*;
use crate::{FhirServer, FhirServerOptions, Found};

fn quick() -> FhirServerOptions {
    FhirServerOptions { timeout: Duration::from_secs(5), ..FhirServerOptions::default() }
}

fn patient(id: &str, gender: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "gender": gender})
}

fn put(resource: &Value) -> Bytes {
    let url = format!("Patient/{}", resource["id"].as_str().unwrap());
    let entry = json!({"resource": resource, "request": {"method": "PUT", "url": url}});
    Bytes::from(json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).to_string())
}

/// The double in process and over HTTP.
async fn both_ways(double: &FhirDouble) -> (DoubleServer, [FhirServer; 2]) {
    let http = DoubleServer::start(double.clone(), 0, Duration::ZERO).await.unwrap();
    let over_http = FhirServer::new(http.base(), quick()).unwrap();
    (http, [FhirServer::over(double.clone(), quick()), over_http])
}

#[tokio::test]
async fn every_fault_is_met_and_only_an_applied_one_has_written() {
    let broken = |status: u16| Answer::Status(StatusCode::from_u16(status).unwrap());
    let cases = [
        (Fault::before(broken(429)), false),
        (Fault::before(broken(500)), false),
        (Fault::before(broken(503)), false),
        (Fault::before(broken(409)), false),
        (Fault::before(Answer::Garbage), false),
        (Fault::before(Answer::HangUp), false),
        (Fault::after(Answer::HangUp), true),
        (Fault::after(Answer::HalfABody), true),
        (Fault::after(broken(503)), true),
    ];
    for (fault, is_written) in cases {
        let double = FhirDouble::default();
        let (_http, servers) = both_ways(&double).await;
        for (way, server) in ["in process", "over HTTP"].into_iter().zip(servers) {
            double.inject(FaultRule::new(fault.clone()).on_transactions().times(1));
            let first = server.transaction(put(&patient(&way.replace(' ', "-"), "male"))).await;
            assert!(first.as_ref().is_err_and(FhirError::is_retryable), "{way}: {fault:?} gave {first:?}");
            assert_eq!(
                double.read("Patient", &way.replace(' ', "-")).is_some(),
                is_written,
                "{way}: {fault:?}"
            );
            let again = server.transaction(put(&patient(&way.replace(' ', "-"), "male"))).await.unwrap();
            assert_eq!(again.entries[0].version, "1", "{way}: {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_the_timeout_and_lateness_with_the_answer() {
    let double = FhirDouble::default();
    let server = FhirServer::over(double.clone(), quick());
    double.inject(FaultRule::new(Fault::before(Answer::Silence)).times(1));
    double.inject(FaultRule::new(Fault::before(Answer::Late(Duration::from_secs(3)))).times(1));
    assert!(matches!(server.ping().await, Err(FhirError::Unavailable { .. })));
    let asked = tokio::time::Instant::now();
    server.ping().await.unwrap();
    assert!(asked.elapsed() >= Duration::from_secs(3));
}

#[test]
fn the_same_seed_draws_the_same_faults() {
    let drawn = |seed| {
        let mut faults = Faults::new(seed);
        faults.add(FaultRule::new(Fault::before(Answer::Garbage)).with_chance(0.3));
        (0..200).map(|_| faults.draw(&FhirRequest::get("metadata")).is_some()).collect::<Vec<_>>()
    };
    assert_eq!(drawn(7), drawn(7));
    assert_ne!(drawn(7), drawn(8));
    assert!(drawn(7).contains(&true) && drawn(7).contains(&false));
}

#[test]
fn the_same_requests_get_the_same_bytes() {
    let answers = || {
        let clock = FixedClock::at(chrono::Utc.with_ymd_and_hms(2026, 1, 2, 3, 4, 5).unwrap());
        let double = FhirDouble::new(DoubleOptions { clock: Arc::new(clock), seed: 1 });
        let requests = [
            FhirRequest::post("", crate::transport::FHIR_JSON, put(&patient("a", "male"))),
            FhirRequest::get("Patient/a"),
            FhirRequest::get("Patient?_id=a"),
        ];
        requests.map(|request| double.handle(&request).body)
    };
    let first = answers();
    assert_eq!(first, answers());
    let read: Value = serde_json::from_slice(&first[1]).unwrap();
    assert_eq!(read["meta"]["versionId"], "1");
    assert_eq!(read["meta"]["lastUpdated"], "2026-01-02T03:04:05.000+00:00");
}

#[tokio::test]
async fn what_is_forgotten_never_was() {
    let double = FhirDouble::default();
    let server = FhirServer::over(double.clone(), quick());
    double.put_all(&[patient("a", "male"), patient("b", "male")]).unwrap();
    double.delete("Patient", "a");
    assert_eq!(server.read("Patient", "a").await.unwrap(), Found::Deleted);
    double.forget("Patient", "a");
    double.forget("Patient", "b");
    assert_eq!(server.read("Patient", "a").await.unwrap(), Found::Absent);
    assert_eq!((double.count("Patient"), server.count("Patient", &[]).await.unwrap()), (0, 0));
    double.put_all(&[patient("b", "female")]).unwrap();
    assert_eq!(double.all("Patient").len(), 1);
}

#[test]
fn a_request_that_is_not_known_is_refused() {
    let double = FhirDouble::default();
    for path in
        ["Patient?_lastUpdated=ge2020", "Patient?address=x", "Patient?_has=x", "Patient/a/$everything"]
    {
        assert_eq!(double.handle(&FhirRequest::get(path)).status, StatusCode::BAD_REQUEST, "{path}");
    }
}

/// A double, and what it answered.
#[derive(Debug)]
struct Heard(FhirDouble, Arc<Mutex<String>>);

impl FhirTransport for Heard {
    fn call(&self, request: FhirRequest) -> Calling<'_> {
        let answer = self.0.handle(&request);
        self.1.lock().unwrap().push_str(&String::from_utf8_lossy(&answer.body));
        Box::pin(async move { Ok(answer) })
    }
}

#[tokio::test]
async fn deletions_are_read_without_what_is_said_of_those_who_stay() {
    let double = FhirDouble::default();
    double.put_all(&[patient("gone", "male"), patient("stays", "female")]).unwrap();
    double.delete("Patient", "gone");
    let heard = Arc::default();
    let server = FhirServer::over(Heard(double, Arc::clone(&heard)), quick());
    let deleted = server.deleted_since("Patient", chrono::DateTime::UNIX_EPOCH).await.unwrap();
    let told: Vec<_> = deleted.iter().map(|deleted| (deleted.id.as_str(), deleted.version)).collect();
    assert_eq!(told, [("gone", 2)]);
    let heard = heard.lock().unwrap();
    assert!(heard.contains("Patient/stays") && !heard.contains("female"), "{heard}");
}
