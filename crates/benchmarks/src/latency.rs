//! Requests at a fixed rate, whatever the answers take, and how long they took.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reqwest::RequestBuilder;
use tokio::task::JoinSet;

/// What a load of requests saw.
#[derive(Debug)]
pub struct Latencies {
    sorted: Vec<Duration>,
    /// The bytes of an answer, as they came.
    pub bytes: usize,
}

impl Latencies {
    /// Puts durations in order.
    pub fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        Self { sorted: took, bytes: 0 }
    }

    /// Returns what so many of a hundred answers did not exceed.
    pub fn percent(&self, percent: usize) -> Duration {
        let at = (self.sorted.len() * percent).div_ceil(100);
        self.sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Returns 50 %, 99 % and all of them, to be printed.
    pub fn cells(&self) -> [String; 3] {
        [50, 99, 100].map(|percent| format!("{:.1} ms", self.percent(percent).as_secs_f64() * 1000.0))
    }
}

/// Sends `request` so many times a second for some seconds; each answer must have this status. Times count from when a
/// request was due, so that one slow answer does not hide those behind it.
pub async fn load(request: RequestBuilder, a_second: u32, seconds: u32, status: u16) -> Result<Latencies> {
    let mut answers = JoinSet::new();
    let begun = Instant::now();
    for n in 0..a_second * seconds {
        let due = begun + Duration::from_secs(1) * n / a_second;
        tokio::time::sleep_until(due.into()).await;
        let request = request.try_clone().expect("a request without a stream");
        answers.spawn(async move {
            let answer = request.send().await?;
            let got = answer.status().as_u16();
            let bytes = answer.bytes().await?.len();
            Ok::<_, reqwest::Error>((due.elapsed(), got, bytes))
        });
    }
    let (mut sorted, mut size) = (Vec::new(), 0);
    while let Some(answer) = answers.join_next().await {
        let (took, got, bytes) = answer??;
        ensure!(got == status, "an answer had status {got}");
        sorted.push(took);
        size = bytes;
    }
    sorted.sort_unstable();
    Ok(Latencies { sorted, bytes: size })
}
