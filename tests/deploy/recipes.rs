//! What the README tells operators to type on a cluster: ports that are there, arguments and settings that are known.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::objects::{FEDERAL, Object, list, overlay, render, repository};
use crate::province::binaries;
use crate::wiring;

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).expect("it is there")
}

/// The lines of a document that are typed.
fn typed_in(document: &str) -> Vec<String> {
    let blocks = document.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// Those of the README's section on Kubernetes.
fn typed() -> Vec<String> {
    let readme = read("README.md");
    let (_, section) = readme.split_once("\n## On Kubernetes\n").expect("its section");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    typed_in(section)
}

fn after<'a>(line: &'a str, start: &str) -> Option<Vec<&'a str>> {
    Some(line.split(" # ").next()?.strip_prefix(start)?.trim_end_matches(" &").split(' ').collect())
}

/// The ports of what a command forwards from.
fn ports(objects: &[Object], kind: &str, name: &str) -> BTreeSet<u64> {
    let (kind, pointer, key) = match kind {
        "deploy" => ("Deployment", "", "containerPort"),
        "svc" => ("Service", "/spec/ports", "port"),
        other => panic!("{other} is not forwarded from"),
    };
    let object = objects.iter().find(|object| object.kind() == kind && object.name() == name);
    let object = object.unwrap_or_else(|| panic!("no {kind} {name}"));
    let ports = object.containers().flat_map(|container| list(&container["ports"]));
    ports.chain(object.list(pointer)).filter_map(|port| port[key].as_u64()).collect()
}

/// What is forwarded, by whom; each port once.
fn forwarded() -> (BTreeSet<u64>, BTreeSet<String>) {
    let (mut local, mut names) = (BTreeSet::new(), BTreeSet::new());
    for line in typed() {
        let Some(words) = after(&line, "kubectl -n ") else { continue };
        let ["on" | "phac", "port-forward", from, wanted @ ..] = &words[..] else { panic!("{line}") };
        let folder = if words[0] == "phac" { FEDERAL.to_owned() } else { overlay(words[0]) };
        let (kind, name) = from.split_once('/').expect("kind and name");
        let there = ports(&render(&folder), kind, name);
        for pair in wanted {
            let (here, port) = pair.split_once(':').unwrap_or((pair, pair));
            let number = |text: &str| text.parse::<u64>().expect("a port");
            assert!(there.contains(&number(port)), "{line}: there are {there:?}");
            assert!(local.insert(number(here)), "{line}: {here} is taken");
        }
        names.insert(name.to_owned());
    }
    (local, names)
}

#[test]
fn every_service_is_reached_by_a_port_that_it_has() {
    let (local, names) = forwarded();
    let mut wanted = wiring::programs();
    wanted.insert("dashboard".to_owned());
    assert_eq!(names, wanted);
    for line in typed() {
        for rest in line.split("http://127.0.0.1:").skip(1) {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let port = port.parse().expect("a port");
            assert!(local.contains(&port), "{line}: nobody forwards {port}");
        }
    }
}

#[test]
fn iidictl_takes_what_it_is_told() {
    let lines = typed();
    let from = lines.iter().position(|line| line.starts_with("cat > iidi-on.toml")).expect("a configuration");
    let to = lines.iter().position(|line| line == "TOML").expect("its end");
    let folder = tempfile::tempdir().expect("a folder can be made");
    // Ports at which nobody is: what is asked is whether it gets as far as calling.
    let settings = lines[from + 1..to].join("\n").replace("127.0.0.1:8", "127.0.0.1:1");
    fs::write(folder.path().join("iidi-on.toml"), settings).expect("it can be written");
    fs::write(folder.path().join("token"), "x").expect("it can be written");
    let mut tried = 0;
    for line in &lines {
        let Some(words) = after(line, "iidictl ") else { continue };
        let output = Command::new(binaries().join("iidictl"))
            .args(&words)
            .current_dir(folder.path())
            .env_clear()
            .output()
            .expect("iidictl runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("the service does not answer"), "{line}: {said}");
        tried += 1;
    }
    assert!(tried > 1, "the outbound API and the aggregator are asked");
}

#[test]
fn a_script_is_typed_so_that_it_runs() {
    let mut seen = 0;
    for line in ["README.md", "kustomize/README.md"].iter().flat_map(|path| typed_in(&read(path))) {
        for command in line.split("&&") {
            let words: Vec<&str> = command.split_whitespace().collect();
            let Some(script) = words.iter().find(|word| word.starts_with("deploy/local/")) else { continue };
            let mode = fs::metadata(repository().join(script)).expect(script).permissions().mode();
            assert!(words[0] == "bash" || mode & 0o111 != 0, "{line}: {script} cannot be run");
            seen += 1;
        }
    }
    assert!(seen > 0, "the tools are built by a script");
}
