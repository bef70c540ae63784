use crate::error::QueueError;
use crate::queue::Queue;

/// Delayed ids are counted up to here.
const MOST_DELAYED: usize = 100_000;

/// How full a lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Entries on the stream, those being worked on included.
    pub stream: u64,
    /// Entries that were handed out and not yet settled.
    pub pending: u64,
    /// Ids that wait until they are due; at most 100,000 are counted.
    pub delayed: u64,
    /// Entries that nobody has read yet. `None` while the server cannot tell: when the newest entry that was read is
    /// settled before an older one, until the next read.
    pub lag: Option<u64>,
}

impl Queue {
    /// Returns how full a lane is. A lane that was never used is empty.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn depth(&self, lane: &str) -> Result<Depth, QueueError> {
        let keys = self.keys(lane)?;
        let mut call = self.scripts().depth.prepare_invoke();
        call.key(keys.stream).key(keys.delayed).arg(self.group()).arg(MOST_DELAYED);
        let [stream, pending, delayed, lag]: [i64; 4] =
            call.invoke_async(&mut self.manager()).await.map_err(QueueError::of)?;
        Ok(Depth {
            stream: count(stream),
            pending: count(pending),
            delayed: count(delayed),
            lag: u64::try_from(lag).ok(),
        })
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
