//! Redis as the cluster runs it: the rendered configuration and users, with a real server and our own client.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use work_queue::Queue;

use crate::objects::{overlay, render};

const PASSWORD: &str = "not+a/secret";
const URL: &str = "IIDI_TEST_REDIS_URL";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What cert-manager would put into the Secret: the pod's own names and the authority that signed it.
fn certificates(folder: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(folder, &format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=stores"));
    openssl(folder, &format!("req {key} -keyout tls.key -out tls.csr -subj /CN=redis"));
    fs::write(folder.join("names"), "subjectAltName=DNS:redis,DNS:localhost\n").expect("it can be written");
    openssl(
        folder,
        "x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out tls.crt -days 2 -extfile names",
    );
}

/// The rendered text, with the pod's folders elsewhere.
fn here(text: &str, folder: &Path, port: u16) -> String {
    let at = folder.display();
    text.replace("/run/tls/", &format!("{at}/"))
        .replace("/run/acl/", &format!("{at}/"))
        .replace("dir /data", &format!("dir {at}"))
        .replace("tls-port 6379", &format!("bind 127.0.0.1\ntls-port {port}"))
}

fn start(folder: &Path) -> (Server, u16) {
    let on = render(&overlay("on"));
    let find = |kind: &str, key: &str| {
        let mut all = on.iter().filter(|object| object.kind() == kind);
        let text = all.find_map(|object| Some(object.text(key)).filter(|text| !text.is_empty()));
        text.unwrap_or_else(|| panic!("no {kind} has {key}")).to_owned()
    };
    certificates(folder);
    let port = local_stack::free_port().expect("a port is free");
    let settings = find("ConfigMap", "/data/redis.conf");
    let users = find("ExternalSecret", "/spec/target/template/data/users.acl");
    fs::write(folder.join("redis.conf"), here(&settings, folder, port)).expect("it can be written");
    fs::write(folder.join("users.acl"), users.replace("{{ .worker }}", PASSWORD)).expect("it can be written");
    let mut redis = Command::new("redis-server");
    redis.arg(folder.join("redis.conf")).stdin(Stdio::null()).stdout(Stdio::null());
    let mut server = Server(redis.spawn().expect("redis-server runs: deploy/local/setup.sh installs it"));
    for _ in 0..100 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return (server, port);
        }
        assert!(
            server.0.try_wait().expect("its state").is_none(),
            "Redis refuses its rendered configuration"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("Redis did not come up");
}

/// Runs the ignored test below as a service would be run: with the rendered environment.
fn queue_works(url: &str, folder: &Path, with_authority: bool) -> bool {
    let authority = folder.join(if with_authority { "trusted" } else { "empty" });
    fs::create_dir_all(&authority).expect("a folder can be made");
    if with_authority {
        fs::copy(folder.join("ca.crt"), authority.join("00000000.0")).expect("it can be copied");
    }
    let this = std::env::current_exe().expect("the test's own program");
    let output = Command::new(this)
        .args(["--exact", "stores::a_job_goes_through_the_queue", "--ignored"])
        .env(URL, url)
        .env("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
        .env("SSL_CERT_DIR", authority)
        .output()
        .expect("it runs");
    output.status.success()
}

#[test]
fn our_queue_works_with_redis_as_rendered_and_only_over_tls_with_its_password() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (_server, port) = start(folder.path());
    let url =
        |scheme: &str, user: &str, password: &str| format!("{scheme}://{user}:{password}@localhost:{port}");
    let encoded = PASSWORD.replace('+', "%2B").replace('/', "%2F");
    assert!(queue_works(&url("rediss", "outbound-transfer", &encoded), folder.path(), true));
    assert!(
        !queue_works(&url("rediss", "outbound-transfer", &encoded), folder.path(), false),
        "anybody's certificate"
    );
    assert!(!queue_works(&url("redis", "outbound-transfer", &encoded), folder.path(), true), "without TLS");
    assert!(
        !queue_works(&url("rediss", "outbound-transfer", "guess"), folder.path(), true),
        "without its password"
    );
    assert!(!queue_works(&url("rediss", "default", ""), folder.path(), true), "as nobody");
}

#[tokio::test]
#[ignore = "run by the test above, with the environment of a pod"]
async fn a_job_goes_through_the_queue() {
    mtls::install_crypto_provider();
    let url = std::env::var(URL).expect("the test above sets it");
    let work = async {
        let queue = Queue::connect(&url, "tx", "transfer", "test").await.expect("the address is good");
        queue.ping().await.expect("the server answers");
        queue.add("zz", "1").await.expect("an id is taken");
        let mut consumer = queue.consumer("zz").expect("the lane's name is good");
        let soon = Duration::from_secs(1);
        let mut deliveries = consumer.next(1, soon).await.expect("it is read");
        let delivery = deliveries.pop().expect("the id comes");
        delivery.retry_in(Duration::ZERO).await.expect("it may be put off");
        assert_eq!(queue.promote_due("zz", 10).await.expect("it is due"), 1);
        let mut deliveries = consumer.next(1, soon).await.expect("it is read again");
        deliveries.pop().expect("the id comes again").ack().await.expect("it is done");
        queue.depth("zz").await.expect("depths are told");
    };
    tokio::time::timeout(Duration::from_secs(10), work).await.expect("in time");
}
