//! Keys with which a province encrypts packages at rest.

use std::collections::BTreeMap;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::files::write_config;
use crate::layout::Layout;

#[derive(Serialize)]
struct KeyFile {
    /// Name of the key that encrypts new packages.
    current: &'static str,
    /// 32 random bytes each, base64.
    keys: BTreeMap<&'static str, String>,
}

/// Draws a key for each province that has none.
pub(crate) fn ensure(layout: &Layout, provinces: &[String]) -> Result<()> {
    for province in provinces {
        let path = layout.package_keys(province);
        if !path.exists() {
            let key: [u8; 32] = rand::random();
            write_config(
                &path,
                &KeyFile { current: "k1", keys: BTreeMap::from([("k1", STANDARD.encode(key))]) },
            )?;
        }
    }
    Ok(())
}
