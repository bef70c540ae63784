use crate::error::QueueError;
use crate::queue::Queue;

impl Queue {
    /// Moves at most `limit` due ids of a lane from the delayed set to its stream and returns how many. Any
    /// number of processes may do so at the same time: an id is moved once.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn promote_due(&self, lane: &str, limit: usize) -> Result<usize, QueueError> {
        let keys = self.keys(lane)?;
        let mut call = self.scripts().promote.prepare_invoke();
        call.key(keys.stream).key(keys.delayed).arg(limit);
        call.invoke_async(&mut self.manager()).await.map_err(QueueError::of)
    }
}
