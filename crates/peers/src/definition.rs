//! The definition of the custom resource, from the type that reads it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::Value;

use crate::entry::JurisdictionObject;

/// Returns the definition as the YAML that `kustomize/registry/crd` holds.
///
/// # Panics
/// Never: a definition is JSON.
pub fn definition() -> String {
    let definition: CustomResourceDefinition = JurisdictionObject::crd();
    let mut definition = serde_json::to_value(definition).expect("a definition is JSON");
    leave_defaults_to_the_reader(&mut definition);
    // By way of text: the numbers of this JSON library are digits, which YAML would show as such.
    let value: serde_norway::Value = serde_norway::from_str(&definition.to_string()).expect("JSON is YAML");
    let text = serde_norway::to_string(&value).expect("a definition holds only what YAML can say");
    format!(
        "# Written from the Rust type (crates/peers/src/entry.rs); `make test` tells when it is not.\n{text}"
    )
}

/// What an object leaves away stays away, as in a file: the one place with defaults is the type.
fn leave_defaults_to_the_reader(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("default");
            fields.values_mut().for_each(leave_defaults_to_the_reader);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_defaults_to_the_reader),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `IIDI_WRITE=1 cargo test -p peers definition` writes the file anew.
    #[test]
    fn the_file_that_clusters_get_is_the_type_s_definition() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kustomize/registry/crd/jurisdictions.yaml");
        if std::env::var_os("IIDI_WRITE").is_some() {
            std::fs::write(&path, definition()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), definition());
    }
}
