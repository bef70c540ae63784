//! How often a call between provinces goes wrong, and how: the mix that a national immunization gateway measured.

use clap::ValueEnum;
use mtls::Fault as TransportFault;

/// How bad the world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Mix {
    /// As measured: 13,667 failures in a million calls.
    #[value(name = "1x")]
    AsMeasured,
    /// Ten times as many.
    #[value(name = "10x")]
    TenFold,
    /// As measured, and one of the four provinces rejects everything for half of the time.
    Away,
}

impl Mix {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AsMeasured, Self::TenFold, Self::Away];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsMeasured => "1x",
            Self::TenFold => "10x",
            Self::Away => "1x, 25 % away",
        }
    }

    /// Returns the word that an option takes.
    pub fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Returns by what every chance of a fault is multiplied.
    pub fn factor(self) -> f64 {
        if self == Self::TenFold { 10.0 } else { 1.0 }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CallFault {
    /// It does not get there.
    Before(TransportFault),
    /// It is done there, but the answer does not get back.
    After(TransportFault),
    /// The caller gives up; it is done there later.
    TimedOut,
    /// A status instead of an answer; nothing is done there.
    Status(u16),
    /// It is done there, but the answer is rubbish, or breaks off.
    Garbage,
}

/// Failures in a million calls (design data of a national immunization gateway, "typical week").
const FAILURES: f64 = 13_667.0 / 1_000_000.0;

/// Shares of the failures, in per mille. An end of file strikes before or after the work is done.
const SHARES: [(&str, f64, CallFault); 14] = [
    ("connection ended before", 219.0, CallFault::Before(TransportFault::Connect)),
    ("connection ended after", 219.0, CallFault::After(TransportFault::Connect)),
    ("connection refused", 212.0, CallFault::Before(TransportFault::Connect)),
    ("read timed out", 197.0, CallFault::TimedOut),
    ("answered 500", 26.0, CallFault::Status(500)),
    ("answered 429", 20.0, CallFault::Status(429)),
    ("no such place (404)", 32.0, CallFault::Status(404)),
    ("not let in (403)", 24.0, CallFault::Status(403)),
    ("TLS failed", 19.0, CallFault::Before(TransportFault::Tls)),
    ("answer was rubbish", 7.0, CallFault::Garbage),
    ("answer broke off", 7.0, CallFault::After(TransportFault::Body)),
    ("connect timed out", 8.0, CallFault::Before(TransportFault::Timeout)),
    ("answered 502", 6.0, CallFault::Status(502)),
    ("answered 503", 4.0, CallFault::Status(503)),
];

/// Draws what becomes of a call; `draw` is in 0..1.
pub fn fault_of_call(mix: Mix, draw: f64) -> Option<(&'static str, CallFault)> {
    let failures = FAILURES * mix.factor();
    if draw >= failures {
        return None;
    }
    let total: f64 = SHARES.iter().map(|share| share.1).sum();
    let mut left = draw / failures * total;
    for (name, share, fault) in SHARES {
        if left < share {
            return Some((name, fault));
        }
        left -= share;
    }
    None
}

/// Returns how long a peer takes, in seconds: 53 % at most 1.75 s, 90.9 % 5 s, 95.4 % 6.25 s, 99 % 8.75 s.
pub fn response_seconds(draw: f64) -> f64 {
    const QUANTILES: [(f64, f64); 6] =
        [(0.0, 0.05), (0.53, 1.75), (0.909, 5.0), (0.954, 6.25), (0.99, 8.75), (1.0, 60.0)];
    for pair in QUANTILES.windows(2) {
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        if draw < to {
            return low + (draw - from) / (to - from) * (high - low);
        }
    }
    60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_as_often_as_measured() {
        let draws = 1_000_000;
        let count = |mix| {
            let faults = (0..draws).filter_map(|n| fault_of_call(mix, f64::from(n) / f64::from(draws)));
            faults.map(|(name, _)| name).collect::<Vec<_>>()
        };
        let measured = count(Mix::AsMeasured);
        assert_eq!(measured.len(), 13_667);
        assert_eq!(count(Mix::TenFold).len(), 136_670);
        let timed_out = measured.iter().filter(|name| **name == "read timed out").count();
        assert!((2_650..2_750).contains(&timed_out), "19.7 % of 13,667 is 2,692, not {timed_out}");
    }

    #[test]
    fn half_of_the_peers_answer_within_two_seconds() {
        assert!(response_seconds(0.5) < 1.75 && response_seconds(0.9) < 5.0 && response_seconds(0.98) > 6.25);
    }
}
