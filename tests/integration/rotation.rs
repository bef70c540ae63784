//! The life of certificates while services run: renewed under load, revoked on an open connection, renewed again.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use contracts::peer::{LaneState, PeerList};
use domain::TransferState;
use local_stack::ProvinceService::{Inbound, Outbound};
use mtls::pki::IssuedCertificate;
use reqwest::Method;
use serde_json::{Value, json};
use test_kit::{Person, World, eventually};

/// The TLS files of one service, for this test alone: the stack's own are everybody's.
struct Files {
    folder: PathBuf,
    spiffe_id: String,
}

impl Files {
    fn copied(world: &World, folder: &Path, province: &str, service: &str) -> Self {
        let of = world.stack().certificate(province, service).unwrap();
        let folder = folder.join(format!("{province}-{service}"));
        std::fs::create_dir(&folder).unwrap();
        for (from, name) in
            [(&of.certificate, "tls.crt"), (&of.key, "tls.key"), (&of.roots, "ca.crt"), (&of.crl, "crl.pem")]
        {
            std::fs::copy(from, folder.join(name)).unwrap();
        }
        Self { folder, spiffe_id: of.spiffe_id }
    }

    fn used_by(&self, config: &mut Value) {
        let file = |name: &str| self.folder.join(name);
        config["tls"] = json!({
            "certificate": file("tls.crt"), "key": file("tls.key"), "roots": file("ca.crt"), "crl": file("crl.pem"),
        });
        config["tls_poll_seconds"] = json!(1);
    }

    fn renew(&self, world: &World) -> IssuedCertificate {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let leaf =
            world.stack().authority().unwrap().issue(&self.spiffe_id, &["localhost"], &[localhost]).unwrap();
        leaf.write(&self.folder.join("tls.crt"), &self.folder.join("tls.key")).unwrap();
        leaf
    }

    fn revoke(&self, world: &World, serials: &[&str]) {
        let list = world.stack().authority().unwrap().crl(serials).unwrap();
        std::fs::write(self.folder.join("crl.pem"), list).unwrap();
    }
}

fn replaced(log: &str) -> usize {
    log.matches("TLS credentials were replaced").count()
}

async fn lane(world: &World) -> LaneState {
    let call = world.outbound("ON").call(Method::GET, "/peers").send().await.unwrap();
    let list: PeerList = call.json().await.unwrap();
    list.peers.into_iter().find(|peer| peer.code.as_str() == "BC").unwrap().lane
}

#[tokio::test]
async fn certificates_are_renewed_under_load_and_revoked_on_open_connections() {
    let world = World::prepared("rotation", &[("ON", Outbound), ("BC", Inbound)]).await;
    let folder = tempfile::tempdir().unwrap();
    let sender = Files::copied(&world, folder.path(), "ON", "outbound-transfer");
    let receiver = Files::copied(&world, folder.path(), "BC", "inbound-transfer");
    let mut shown = vec![sender.renew(&world)];
    receiver.renew(&world);
    world.start("BC", Inbound, "", &|config| receiver.used_by(config), &[]).await;
    world.start("ON", Outbound, "", &|config| sender.used_by(config), &[]).await;
    let api = world.outbound("ON");

    // Renewed on both sides, twice, while transfers are on their way.
    let mut ids = Vec::new();
    for round in 1..=2 {
        for _ in 0..12 {
            let person = Person::new().doses(1);
            person.upload(&world.fhir("ON")).await;
            ids.push(api.request(&person.id(), "BC").await);
        }
        shown.push(sender.renew(&world));
        receiver.renew(&world);
        eventually("both to have read their new certificate", async || {
            let logs = [world.log("ON", Outbound), world.log("BC", Inbound)];
            logs.iter().all(|log| replaced(log) >= round).then_some(())
        })
        .await;
    }
    for &id in &ids {
        api.until(id, TransferState::Completed).await;
        let events = api.events(id).await.events;
        let names: Vec<_> = events.iter().map(|event| event.event.as_str()).collect();
        assert_eq!(names, ["requested", "sealed", "delivered", "completed"], "no attempt has failed");
    }

    // A renewal that is broken changes nothing.
    std::fs::write(sender.folder.join("tls.crt"), "no certificate").unwrap();
    eventually("the broken renewal to be refused", async || {
        world
            .log("ON", Outbound)
            .contains("new TLS credentials are refused, the last good stay")
            .then_some(())
    })
    .await;
    let person = Person::new().doses(1);
    person.upload(&world.fhir("ON")).await;
    api.transfer(&person.id(), "BC").await;

    // The open connection was made with any of them: all are revoked.
    let all: Vec<&str> = shown.iter().map(|leaf| leaf.serial_hex.as_str()).collect();
    receiver.revoke(&world, &all);
    let person = Person::new().doses(1);
    person.upload(&world.fhir("ON")).await;
    eventually("the revocation to be read", async || {
        (replaced(&world.log("BC", Inbound)) >= 3).then_some(())
    })
    .await;
    let id = api.request(&person.id(), "BC").await;
    eventually("the lane to be parked", async || (lane(&world).await == LaneState::Parked).then_some(()))
        .await;
    let view = api.find(id).await;
    assert_eq!((view.state, view.source), (TransferState::Sealed, None));
    let log = world.log("BC", Inbound);
    assert!(log.lines().any(|line| line.contains("refused") && line.contains("\"reason\":\"revoked\"")));
    let metrics = world.metrics("BC", Inbound).await;
    let counted = metrics.lines().any(|line| {
        (line.starts_with("tls_requests_refused_total") || line.starts_with("tls_handshakes_refused_total"))
            && line.contains("revoked")
    });
    assert!(counted, "{metrics}");

    sender.renew(&world);
    api.until(id, TransferState::Completed).await;
    assert_eq!(lane(&world).await, LaneState::Open);
}
