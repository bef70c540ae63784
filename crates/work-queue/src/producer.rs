use crate::error::QueueError;
use crate::queue::Queue;

/// How many ids travel in one pipeline.
const PIPELINE: usize = 500;

impl Queue {
    /// Puts an id on a lane. Only after what it stands for is committed: a worker may have it at once.
    ///
    /// # Errors
    /// [`QueueError`]; after [`QueueError::Unavailable`] the id may have been added all the same.
    pub async fn add(&self, lane: &str, id: &str) -> Result<(), QueueError> {
        self.add_many(lane, &[id]).await
    }

    /// Puts many ids on a lane, in a few round trips.
    ///
    /// # Errors
    /// [`QueueError`]; some of the ids may have been added all the same, so that all are to be added again.
    pub async fn add_many(&self, lane: &str, ids: &[impl AsRef<str>]) -> Result<(), QueueError> {
        let keys = self.keys(lane)?;
        for ids in ids.chunks(PIPELINE) {
            let mut pipeline = redis::pipe();
            for id in ids {
                pipeline.cmd("XADD").arg(&keys.stream).arg("*").arg("id").arg(id.as_ref()).ignore();
            }
            pipeline.query_async::<()>(&mut self.manager()).await.map_err(QueueError::of)?;
        }
        Ok(())
    }
}
