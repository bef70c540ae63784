//! Whoever did not complete, or left the source open, needs a reason that was there; and most have none.

use super::{Entries, Sent, Verdict};
use crate::mix::Mix;
use crate::scenario::Wanted;
use crate::world::World;
use domain::TransferId;

/// Judges how all transfers ended, each and together.
pub fn judge(verdict: &mut Verdict, world: &World, ledgers: &[Entries]) {
    let mut completed = 0_u32;
    for (id, wanted) in &world.accepted {
        let Some(sent) = ledgers[wanted.from].sent.get(&id.uuid()) else { continue }; // lost, and counted so
        completed += u32::from(sent.state == "completed");
        if !has_reason(world, *id, wanted, sent) {
            let code = &world.provinces[wanted.from].code;
            let words = format!(
                "{id} of {code} is {}, source {:?}, problem {:?}: no reason",
                sent.state, sent.source, sent.problem
            );
            verdict.find(|v| &mut v.unexplained, words);
        }
    }
    let accepted = u32::try_from(world.accepted.len()).unwrap_or(u32::MAX);
    let least = least_completed(world.shared.mix(), accepted);
    if f64::from(completed) < least {
        let words = format!("{completed} of {accepted} transfers completed, at least {least:.0} should have");
        verdict.find(|v| &mut v.too_few, words);
    }
}

/// Tells whether something in the world explains how a transfer ended.
fn has_reason(world: &World, id: TransferId, wanted: &Wanted, sent: &Sent) -> bool {
    let (person, from) = (wanted.person, wanted.from);
    let others =
        || world.accepted.iter().filter(|(other, another)| **other != id && another.person == person);
    let came_here = || others().any(|(_, another)| another.to == from);
    let left_here = || others().any(|(_, another)| another.from == from);
    match (sent.state.as_str(), sent.source.as_deref()) {
        ("completed", Some("closed")) => true,
        ("completed", Some("changed_since_seal")) => {
            world.causes.edited.contains(&(person, from)) || came_here()
        }
        ("completed", Some("returned")) => came_here(),
        ("cancelled", _) => world.causes.cancelled.contains(&id),
        ("rejected", _) => world.causes.impossible.contains(&(person, from)) || left_here(),
        ("dead", _) => world.shared.strikes(id) > 0,
        _ => false,
    }
}

/// Returns how many of so many transfers complete at least under a mix: what that mix makes of them on average, less
/// three standard deviations of chance.
fn least_completed(mix: Mix, accepted: u32) -> f64 {
    let share = match mix {
        Mix::AsMeasured | Mix::Away => 0.90,
        Mix::TenFold => 0.85,
    };
    let mean = f64::from(accepted) * share;
    (mean - 3.0 * (mean * (1.0 - share)).sqrt()).floor()
}
