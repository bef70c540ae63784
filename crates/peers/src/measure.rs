//! What has been loaded, for the admin port.

use std::collections::BTreeSet;

use crate::entry::{JurisdictionEntry, JurisdictionState};
use crate::merge::Entries;

/// Says how each peer stands: 1 for the state that holds, 0 for what held before.
pub(crate) fn measure(entries: &Entries, last: &Entries) {
    let standing = |entry: &JurisdictionEntry| {
        let state = match entry.state {
            JurisdictionState::Active => "active",
            JurisdictionState::Suspended => "suspended",
        };
        (entry.code.to_string(), state)
    };
    let now: BTreeSet<_> = entries.values().map(|entry| standing(entry)).collect();
    let before: BTreeSet<_> = last.values().map(|entry| standing(entry)).collect();
    for (peer, state) in before.difference(&now) {
        metrics::gauge!("peer_directory_entry", "peer" => peer.clone(), "state" => *state).set(0);
    }
    for (peer, state) in &now {
        metrics::gauge!("peer_directory_entry", "peer" => peer.clone(), "state" => *state).set(1);
    }
}
