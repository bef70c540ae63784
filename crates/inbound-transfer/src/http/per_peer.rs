//! What is kept for each peer as its entry in the directory allows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Jurisdiction;

/// One thing a peer, with the limit that it was made for. Cheap to clone.
pub struct PerPeer<T> {
    by_peer: Arc<Mutex<Kept<T>>>,
}

type Kept<T> = HashMap<Jurisdiction, (u32, Arc<T>)>;

impl<T> PerPeer<T> {
    /// Returns a peer's own; a changed limit gets a new one.
    pub fn of(&self, peer: &Jurisdiction, limit: u32, make: impl Fn() -> T) -> Arc<T> {
        let mut all = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        let anew = || (limit, Arc::new(make()));
        let own = all.entry(peer.clone()).or_insert_with(anew);
        if own.0 != limit {
            *own = anew();
        }
        own.1.clone()
    }
}

impl<T> Clone for PerPeer<T> {
    fn clone(&self) -> Self {
        Self { by_peer: self.by_peer.clone() }
    }
}

impl<T> Default for PerPeer<T> {
    fn default() -> Self {
        Self { by_peer: Arc::default() }
    }
}
