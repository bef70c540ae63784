//! Rendering, and looking into what was rendered.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};

use serde::Deserialize as _;
use serde_json::Value;

/// What is applied to a production cluster, beside the provinces.
pub const FEDERAL: &str = "kustomize/overlays/phac";
pub const PLATFORM: &str = "kustomize/platform/config";
pub const REGISTRY: &str = "kustomize/registry";
pub const DEVELOPMENT: &str = "kustomize/overlays/dev";

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the repository")
}

/// A tool of `deploy/local/tools.sh`.
pub fn tool(name: &str) -> PathBuf {
    let folder =
        std::env::var_os("IIDI_TOOLS").map_or_else(|| repository().join(".local/tools/bin"), PathBuf::from);
    let tool = folder.join(name);
    assert!(tool.is_file(), "{} is missing: run deploy/local/tools.sh", tool.display());
    tool
}

/// One object as a cluster would get it.
#[derive(Clone, PartialEq)]
pub struct Object(pub Value);

impl Object {
    pub fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub fn group(&self) -> &str {
        self.text("/apiVersion").split_once('/').map_or("", |(group, _)| group)
    }

    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub fn list(&self, pointer: &str) -> &[Value] {
        list(self.at(pointer))
    }

    pub fn annotation(&self, name: &str) -> &str {
        self.at("/metadata/annotations").get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The specification of the pods that it makes, if it makes some.
    pub fn pods(&self) -> Option<&Value> {
        self.0
            .pointer("/spec/template")
            .filter(|_| matches!(self.kind(), "Deployment" | "StatefulSet" | "Job"))
    }

    /// All its containers, those that come first included.
    pub fn containers(&self) -> impl Iterator<Item = &Value> {
        let spec = self.pods().and_then(|pods| pods.get("spec"));
        ["initContainers", "containers"]
            .into_iter()
            .flat_map(move |kind| spec.and_then(|spec| spec.get(kind)).map(list).unwrap_or_default())
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.namespace(), self.kind(), self.name())
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Reads documents of a YAML text.
pub fn documents(text: &str) -> Vec<Object> {
    let documents = serde_norway::Deserializer::from_str(text).map(|document| {
        let value: serde_norway::Value = serde_norway::Value::deserialize(document).expect("it is YAML");
        Object(serde_json::to_value(value).expect("YAML of Kubernetes is JSON"))
    });
    documents.filter(|object| !object.0.is_null()).collect()
}

/// Renders a folder of a tree, with or without leave to read outside of it.
pub fn render_text(tree: &Path, folder: &str, is_restricted: bool) -> Result<String, String> {
    let restrictor = if is_restricted { "LoadRestrictionsRootOnly" } else { "LoadRestrictionsNone" };
    let output = Command::new(tool("kustomize"))
        .args(["build", "--load-restrictor", restrictor])
        .arg(tree.join(folder))
        .output()
        .expect("kustomize runs");
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).expect("YAML is text"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Renders a folder of the repository, once.
pub fn render(folder: &str) -> Arc<Vec<Object>> {
    render_of(repository(), folder)
}

/// Renders a folder of a tree, once.
pub fn render_of(tree: &Path, folder: &str) -> Arc<Vec<Object>> {
    static RENDERED: LazyLock<Mutex<BTreeMap<PathBuf, Arc<Vec<Object>>>>> = LazyLock::new(Mutex::default);
    let mut rendered = RENDERED.lock().expect("nobody panics while rendering");
    if let Some(objects) = rendered.get(&tree.join(folder)) {
        return objects.clone();
    }
    let text = render_text(tree, folder, true).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let objects = Arc::new(documents(&text));
    rendered.insert(tree.join(folder), objects.clone());
    objects
}

/// The provinces' folders, in order.
pub fn provinces() -> Vec<String> {
    provinces_of(repository())
}

pub fn provinces_of(tree: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(tree.join("kustomize/overlays/pt")).expect("there are provinces");
    let mut names: Vec<String> =
        folders.flatten().map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub fn overlay(province: &str) -> String {
    format!("kustomize/overlays/pt/{province}")
}

/// Everything that a production cluster holds of ours.
pub fn production() -> Vec<Object> {
    production_of(repository())
}

pub fn production_of(tree: &Path) -> Vec<Object> {
    let provinces = provinces_of(tree);
    let overlays = provinces.iter().map(|province| overlay(province));
    let others = [FEDERAL, PLATFORM, REGISTRY].map(str::to_owned);
    overlays.chain(others).flat_map(|folder| render_of(tree, &folder).to_vec()).collect()
}

/// The folders that namespaces are made from: each province, the federal side, and those of development.
pub fn namespaces() -> Vec<(String, Arc<Vec<Object>>)> {
    let mut folders: Vec<String> = provinces().iter().map(|province| overlay(province)).collect();
    folders.push(FEDERAL.to_owned());
    folders.extend(["on", "bc", "phac"].map(|name| format!("{DEVELOPMENT}/{name}")));
    folders.into_iter().map(|folder| (folder.clone(), render(&folder))).collect()
}
