//! Encryption at rest of what holds a person's record: AES-256-GCM under named keys.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore;
use serde::Deserialize;

const NONCE_BYTES: usize = 12;

/// The keys, by id. Cheap to clone; prints nothing.
#[derive(Clone)]
pub struct PackageKeys {
    current: String,
    keys: Arc<BTreeMap<String, Aes256Gcm>>,
}

/// Bytes under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key's id.
    pub key_id: String,
    /// A fresh nonce (12 bytes), then the ciphertext with its tag.
    pub bytes: Vec<u8>,
}

/// The bytes cannot be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key file cannot be used.
    #[error("the package key file cannot be used: {0}")]
    File(String),
    /// The bytes name a key that the file no longer has.
    #[error("the package key {0} is not in the key file")]
    Unknown(String),
    /// The bytes are not what was stored, or belong to another row.
    #[error("stored bytes fail their authentication")]
    Broken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    current: String,
    keys: BTreeMap<String, String>,
}

impl PackageKeys {
    /// Reads a YAML key file: `current: <id>`, `keys: {<id>: <base64 of 32 bytes>}`.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|error| KeyError::File(error.to_string()))?;
        // The parser's own message could quote a key.
        let file: KeyFile = serde_norway::from_str(&text)
            .map_err(|_| KeyError::File("it must hold `current` and `keys`".to_owned()))?;
        let mut keys = BTreeMap::new();
        for (id, encoded) in file.keys {
            let key = STANDARD.decode(encoded.trim()).ok().filter(|key| key.len() == 32);
            let key = key.ok_or_else(|| KeyError::File(format!("key {id} is not the base64 of 32 bytes")))?;
            keys.insert(id, Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&key)));
        }
        if !keys.contains_key(&file.current) {
            return Err(KeyError::File(format!("the current key {} is not among the keys", file.current)));
        }
        Ok(Self { current: file.current, keys: Arc::new(keys) })
    }

    /// Encrypts under the current key; `bound_to` (the row's id) must be the same on decryption.
    pub fn seal(&self, plain: &[u8], bound_to: &[u8]) -> Result<Sealed, KeyError> {
        let cipher = self.keys.get(&self.current).ok_or_else(|| KeyError::Unknown(self.current.clone()))?;
        let mut bytes = vec![0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        let payload = Payload { msg: plain, aad: bound_to };
        let ciphertext = cipher.encrypt(Nonce::from_slice(&bytes), payload).map_err(|_| KeyError::Broken)?;
        bytes.extend(ciphertext);
        Ok(Sealed { key_id: self.current.clone(), bytes })
    }

    /// Decrypts under the key that the bytes name.
    pub fn open(&self, key_id: &str, bytes: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, KeyError> {
        let cipher = self.keys.get(key_id).ok_or_else(|| KeyError::Unknown(key_id.to_owned()))?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(KeyError::Broken)?;
        let payload = Payload { msg: ciphertext, aad: bound_to };
        cipher.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| KeyError::Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Result<PackageKeys, KeyError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        PackageKeys::load(file.path())
    }

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    #[test]
    fn an_old_key_still_opens_what_it_sealed() {
        let old = keys(&format!("current: a\nkeys: {{a: {}}}", key(1))).unwrap();
        let sealed = old.seal(b"record", b"row-1").unwrap();
        let rotated = keys(&format!("current: b\nkeys: {{a: {}, b: {}}}", key(1), key(2))).unwrap();
        assert_eq!(rotated.open(&sealed.key_id, &sealed.bytes, b"row-1").unwrap(), b"record");
        assert_eq!(rotated.seal(b"record", b"row-2").unwrap().key_id, "b");
    }

    #[test]
    fn altered_bytes_and_swapped_rows_are_noticed() {
        let keys = keys(&format!("current: a\nkeys: {{a: {}}}", key(1))).unwrap();
        let mut sealed = keys.seal(b"record", b"row-1").unwrap();
        assert!(matches!(keys.open("a", &sealed.bytes, b"row-2"), Err(KeyError::Broken)));
        sealed.bytes[20] ^= 1;
        assert!(matches!(keys.open("a", &sealed.bytes, b"row-1"), Err(KeyError::Broken)));
        assert!(matches!(keys.open("a", b"short", b"row-1"), Err(KeyError::Broken)));
        assert!(matches!(keys.open("z", &sealed.bytes, b"row-1"), Err(KeyError::Unknown(_))));
    }

    #[test]
    fn a_wrong_file_is_refused_without_quoting_a_key() {
        for text in
            ["", "current: a\nkeys: {}", "current: a\nkeys: {a: c2hvcnQ=}", "current: a\nkeys: {b: x}"]
        {
            let error = keys(text).map(|_| ()).unwrap_err().to_string();
            assert!(!error.contains("c2hvcnQ="), "{error}");
        }
    }
}
