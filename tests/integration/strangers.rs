//! Who may send, and for whom they speak: by the certificate alone.

use contracts::Receipt;
use contracts::receipt::ReceiptDocument;
use domain::TransferId;
use local_stack::{ProvinceService, spiffe_id};
use mtls::pki::{IssuedCertificate, LeafRequest, LocalCa};
use reqwest::{Certificate, Client, Identity, Response, StatusCode, tls};
use serde_json::{Value, json};
use test_kit::world::put_by;
use test_kit::{Person, World, copy_id, eventually, package_of};
use tokio::sync::OnceCell;

const IN: ProvinceService = ProvinceService::Inbound;
const OUT: ProvinceService = ProvinceService::Outbound;

/// A world whose only service is the gateway of BC; ON and QC are in its directory.
async fn gateway() -> &'static World {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    let make = async || {
        let world = World::prepared("strangers", &[("ON", OUT), ("QC", OUT), ("BC", IN)]).await;
        world.start("BC", IN, "", &|_| {}, &[]).await;
        world
    };
    WORLD.get_or_init(make).await
}

/// A client that trusts the local authority and shows what it is given.
fn client(world: &World, certificate: Option<&IssuedCertificate>, newest: Option<tls::Version>) -> Client {
    let roots = world.stack().authority().expect("the authority").roots_pem().to_owned();
    let mut builder = Client::builder()
        .no_proxy()
        .tls_certs_only([Certificate::from_pem(roots.as_bytes()).expect("a certificate")]);
    if let Some(IssuedCertificate { cert_pem, key_pem, .. }) = certificate {
        builder = builder
            .identity(Identity::from_pem(format!("{cert_pem}{key_pem}").as_bytes()).expect("a certificate"));
    }
    if let Some(newest) = newest {
        builder = builder.tls_version_max(newest);
    }
    builder.build().expect("a client")
}

/// Reads how often BC's gateway has refused a handshake for a reason.
async fn refused(world: &World, reason: &str) -> u64 {
    let wanted = format!("tls_handshakes_refused_total{{reason=\"{reason}\"}} ");
    let metrics = world.metrics("BC", IN).await;
    metrics.lines().find_map(|line| line.strip_prefix(&wanted)?.parse().ok()).unwrap_or_default()
}

async fn receipt(answer: Response) -> Receipt {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let status = answer.status();
    assert!(status.is_success() && status != StatusCode::ACCEPTED, "{status}: {:?}", answer.text().await);
    let jws = answer.json::<ReceiptDocument>().await.expect("a document").receipt;
    let payload = jws.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("a payload")).expect("a payload")
}

async fn code(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    (
        status,
        answer.json::<Value>().await.expect("a document")["code"].as_str().unwrap_or_default().to_owned(),
    )
}

async fn find(world: &World, sender: &str, id: TransferId) -> Response {
    let client = world.peer_client(sender, "outbound-transfer", "BC");
    client.get(format!("{}/inbound-transfer/{id}", world.gateway("BC", ""))).send().await.expect("an answer")
}

fn package(person: &Person, province: &str, id: TransferId) -> Vec<u8> {
    package_of(person, province, id).to_string().into_bytes()
}

#[tokio::test]
async fn whoever_cannot_prove_a_name_gets_no_connection_and_the_reason_is_counted() {
    let world = gateway().await;
    let ours = world.stack().authority().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let foreign = LocalCa::create_named(folder.path(), "A foreign authority").unwrap();
    let on = spiffe_id("ON", "outbound-transfer").unwrap();
    let good = || LeafRequest::new(&on, &["localhost"], &[]);
    let two = LeafRequest { uris: vec![on.clone(), spiffe_id("QC", "outbound-transfer").unwrap()], ..good() };
    let same_twice = LeafRequest { uris: vec![on.clone(), on.clone()], ..good() };
    let nameless = LeafRequest { uris: Vec::new(), ..good() };
    let expired = LeafRequest { begins_in_seconds: -7200, ends_in_seconds: -3600, ..good() };
    let early = LeafRequest { begins_in_seconds: 3600, ..good() };
    let server_only = LeafRequest { client: false, ..good() };
    let newest = Some(tls::Version::TLS_1_2);
    let cases = [
        ("no-certificate", None, None),
        ("unknown-issuer", Some(foreign.issue(&on, &["localhost"], &[]).unwrap()), None),
        ("protocol-version", Some(ours.issue(&on, &["localhost"], &[]).unwrap()), newest),
        ("no-identity", Some(ours.issue_with(&two).unwrap()), None),
        ("no-identity", Some(ours.issue_with(&same_twice).unwrap()), None),
        ("no-identity", Some(ours.issue_with(&nameless).unwrap()), None),
        ("expired", Some(ours.issue_with(&expired).unwrap()), None),
        ("not-yet-valid", Some(ours.issue_with(&early).unwrap()), None),
        ("wrong-purpose", Some(ours.issue_with(&server_only).unwrap()), None),
    ];
    for (reason, certificate, newest) in cases {
        let before = refused(world, reason).await;
        let client = client(world, certificate.as_ref(), newest);
        for path in ["/openapi.json", "/livez", "/inbound-transfer/x"] {
            let answer = client.get(format!("{}{path}", world.gateway("BC", ""))).send().await;
            assert!(answer.is_err(), "{reason}: {path} was answered");
        }
        eventually(&format!("{reason} to be counted"), async || {
            (refused(world, reason).await >= before + 3).then_some(())
        })
        .await;
        let line = format!("\"reason\":\"{reason}\"");
        assert!(world.log("BC", IN).lines().any(|text| text.contains(&line)), "{reason} is not in the log");
    }
    // The very same client with a good certificate is served.
    let good = ours.issue(&on, &["localhost"], &[]).unwrap();
    let url = format!("{}/openapi.json", world.gateway("BC", ""));
    assert_eq!(client(world, Some(&good), None).get(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_the_sending_service_of_another_province_may_send() {
    let world = gateway().await;
    let ours = world.stack().authority().unwrap();
    let known = spiffe_id("ON", "outbound-transfer").unwrap();
    let mut names: Vec<String> = [
        ("BC", "inbound-transfer"),
        ("BC", "outbound-transfer"),
        ("ON", "inbound-transfer"),
        ("ON", "aggregator"),
        ("PHAC", "federator"),
        ("PHAC", "outbound-transfer"),
        ("AB", "outbound-transfer"),
    ]
    .iter()
    .map(|(code, service)| spiffe_id(code, service).unwrap())
    .collect();
    names.extend([
        known.replace("/on/", "/on2/"),
        known.replace("/on/", "/ON/"),
        known.replace("/pt/", "/PT/"),
        known.replace("/on/", "/o/"),
        known.replace("iidi.local", "iidi.local.example"),
        known.replace("iidi.local", "idii.local"),
        format!("{known}2"),
        format!("{known}/x"),
        known.replace("/pt/on/", "/on/pt/"),
    ]);
    let (id, person) = (TransferId::generate(), Person::new().doses(1));
    let bytes = package(&person, "ON", id);
    for name in names {
        let leaf = ours.issue(&name, &["localhost"], &[]).unwrap();
        let client = client(world, Some(&leaf), None);
        let gateway = world.gateway("BC", "");
        let answer = put_by(&client, &gateway, id, &bytes).await;
        assert_eq!(code(answer).await, (403, "unknown-peer".to_owned()), "{name}");
        let answer = client.get(format!("{gateway}/inbound-transfer/{id}")).send().await.unwrap();
        assert_eq!(code(answer).await, (403, "unknown-peer".to_owned()), "{name}");
        let line = format!("\"peer.identity\":\"{name}\"");
        assert!(world.log("BC", IN).contains(&line), "the log does not name {name}");
    }
    assert_eq!(code(find(world, "ON", id).await).await, (404, "not-found".to_owned()));
}

#[tokio::test]
async fn what_is_no_spiffe_id_in_its_one_spelling_gets_no_connection() {
    let world = gateway().await;
    let ours = world.stack().authority().unwrap();
    let known = spiffe_id("ON", "outbound-transfer").unwrap();
    for name in [
        known.replace("spiffe:", "SPIFFE:"),
        known.replace("spiffe:", "https:"),
        known.replace("/on/", "/%6fn/"),
        known.replace("/on/", "/qc/../on/"),
        known.replace("/on/", "//on/"),
        format!("{known}/"),
        format!("{known}?a=b"),
        known.replace("iidi.local", "iidi.local:443"),
        known.replace("iidi.local", "IIDI.local"),
    ] {
        let before = refused(world, "no-identity").await;
        let leaf = ours.issue(&name, &["localhost"], &[]).unwrap();
        let url = format!("{}/openapi.json", world.gateway("BC", ""));
        assert!(client(world, Some(&leaf), None).get(url).send().await.is_err(), "{name}");
        eventually("the refusal to be counted", async || {
            (refused(world, "no-identity").await > before).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn headers_speak_for_nobody() {
    let world = gateway().await;
    let (id, person) = (TransferId::generate(), Person::new().doses(1));
    let bytes = package(&person, "QC", id);
    let on = spiffe_id("ON", "outbound-transfer").unwrap();
    let mut client = world
        .peer_client("QC", "outbound-transfer", "BC")
        .put(format!("{}/inbound-transfer/{id}?jurisdiction=ON&sender=ON", world.gateway("BC", "")))
        .header("Content-Type", "application/fhir+json")
        .header("Content-Digest", contracts::ContentDigest::of(&bytes).to_header());
    for (name, value) in [
        ("X-Forwarded-Client-Cert", format!("URI={on}")),
        ("X-SSL-Client-S-DN", "CN=ON".to_owned()),
        ("X-Jurisdiction", "ON".to_owned()),
        ("Forwarded", "for=on;host=on;proto=https".to_owned()),
        ("X-Forwarded-For", "127.0.0.1".to_owned()),
        ("Authorization", format!("Bearer {}", world.token("ON", &["transfer.operate"]))),
    ] {
        client = client.header(name, value);
    }
    let receipt = receipt(client.body(bytes).send().await.unwrap()).await;
    assert_eq!(receipt.aud.as_str(), "QC");
    assert_eq!(code(find(world, "ON", id).await).await.0, 404);
    assert_eq!(find(world, "QC", id).await.status(), 200);
}

#[tokio::test]
async fn a_transfer_belongs_to_its_sender_alone_and_ids_of_two_senders_do_not_meet() {
    let world = gateway().await;
    let id = TransferId::generate();
    let (hers, his) = (Person::new().doses(1), Person::new().doses(2));
    let first = receipt(world.put("ON", "BC", id, &package(&hers, "ON", id)).await).await;
    assert_eq!(code(find(world, "QC", id).await).await, (404, "not-found".to_owned()));

    let second = receipt(world.put("QC", "BC", id, &package(&his, "QC", id)).await).await;
    assert_eq!((first.aud.as_str(), second.aud.as_str()), ("ON", "QC"));
    assert_eq!((first.jti, second.jti), (id, id));
    assert_eq!(receipt(find(world, "ON", id).await).await, first);
    assert_eq!(receipt(find(world, "QC", id).await).await, second);
    let bc = world.fhir("BC");
    for (person, province, doses) in [(hers, "ON", 1), (his, "QC", 2)] {
        let copy = copy_id(province, "Patient", &person.id());
        assert_eq!(bc.count("Immunization", &[("patient", &copy)]).await.unwrap(), doses);
    }
}

#[tokio::test]
async fn what_a_province_says_of_anothers_record_is_listed_and_changes_nothing() {
    let world = gateway().await;
    let person = Person::new().dose("2010-03-04", "03").with("lotNumber", json!("TRUE-1"));
    let id = TransferId::generate();
    let true_package = package_of(&person, "QC", id);
    receipt(world.put("QC", "BC", id, true_package.to_string().as_bytes()).await).await;
    let bc = world.fhir("BC");
    let patient = copy_id("QC", "Patient", &person.id());
    let dose = copy_id("QC", "Immunization", &person.resource_id(0));
    let before = (bc.read("Patient", &patient).await.unwrap(), bc.read("Immunization", &dose).await.unwrap());

    let mut false_package = true_package;
    false_package["entry"][0]["resource"]["name"][0]["family"] = json!("Autre");
    false_package["entry"][1]["resource"]["lotNumber"] = json!("FALSE-2");
    let bytes = false_package.to_string();
    let receipt = receipt(world.put("ON", "BC", TransferId::generate(), bytes.as_bytes()).await).await;

    assert_eq!(receipt.patient, format!("BC/Patient/{patient}"));
    let listed: Vec<_> = receipt
        .conflicts
        .iter()
        .map(|conflict| (conflict.origin.as_str(), conflict.fields.join(",")))
        .collect();
    let expected = [
        (format!("QC/Patient/{}", person.id()), "name"),
        (format!("QC/Immunization/{}", person.resource_id(0)), "lotNumber"),
    ];
    for (origin, field) in &expected {
        assert!(listed.contains(&(origin, (*field).to_owned())), "{listed:?}");
    }
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert_eq!(receipt.counts["Immunization"].unchanged, 1);
    let after = (bc.read("Patient", &patient).await.unwrap(), bc.read("Immunization", &dose).await.unwrap());
    assert_eq!(after, before);
}
