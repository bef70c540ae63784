//! The FHIR server's validator is asked about what the gate has passed, and only counts and warns.

use domain::TransferId;
use local_stack::ProvinceService::{Inbound, Outbound};
use serde_json::{Value, json};
use test_kit::{Person, World, package_of};

const DISAGREEMENTS: &str = "inbound_validate_disagreements_total{peer=\"ON\"} ";
const ASKED: &str = "inbound_validated_resources_total{peer=\"ON\"} ";

async fn counts(world: &World) -> [u64; 2] {
    let metrics = world.metrics("BC", Inbound).await;
    [ASKED, DISAGREEMENTS].map(|name| {
        let number = metrics.lines().find_map(|line| line.strip_prefix(name));
        number.map_or(0, |number| number.parse().expect("a count"))
    })
}

#[tokio::test]
async fn what_only_the_server_finds_wrong_is_counted_and_the_package_is_taken() {
    let world = World::prepared("opinion", &[("ON", Outbound), ("BC", Inbound)]).await;
    let asking = |config: &mut Value| config["intake"]["validate_sample"] = json!(1.0);
    world.start("BC", Inbound, "", &asking, &[]).await;

    let mut person = Person::new().doses(3);
    let id = TransferId::generate();
    let package = package_of(&person, "ON", id).to_string();
    assert_eq!(world.put("ON", "BC", id, package.as_bytes()).await.status(), 201);
    let [asked, disagreements] = counts(&world).await;
    assert!(asked >= 4, "{asked}");
    assert_eq!(disagreements, 0, "{}", world.log("BC", Inbound));

    // The gate knows nothing of this system's codes.
    person = Person::new().doses(1);
    let code =
        json!({"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "no-such-code"});
    person.patient["maritalStatus"] = json!({"coding": [code]});
    let id = TransferId::generate();
    let package = package_of(&person, "ON", id).to_string();
    assert_eq!(world.put("ON", "BC", id, package.as_bytes()).await.status(), 201);
    assert_eq!(counts(&world).await[1], 1, "{}", world.log("BC", Inbound));

    let log = world.log("BC", Inbound);
    let warning = log.lines().find(|line| line.contains("finds errors in what the gate has passed"));
    let warning = warning.expect("a warning");
    assert!(warning.contains("Patient") && !warning.contains("no-such-code"), "{warning}");
    assert!(!log.contains(person.patient["name"][0]["family"].as_str().unwrap()));
}
