use redis::RedisError;

use crate::consumer::Consumer;
use crate::delivery::Delivery;
use crate::error::{QueueError, is_no_group};
use crate::scripts::Batch;

/// Where a walk through the pending entries begins and has ended.
const START: &str = "0-0";

/// What a walk through the pending entries has brought.
#[derive(Debug)]
pub(crate) struct Reclaimed {
    pub(crate) deliveries: Vec<Delivery>,
    /// Whether all pending entries were looked at.
    pub(crate) is_complete: bool,
}

impl Consumer {
    /// Takes over up to `max` entries that were handed out, never settled and idle for
    /// [`min_idle`](crate::QueueOptions::min_idle), whoever had them.
    ///
    /// # Errors
    /// [`QueueError`]; entries that were taken already come again when they have been idle for as long.
    pub async fn reclaim(&mut self, max: usize) -> Result<Vec<Delivery>, QueueError> {
        Ok(self.reclaim_up_to(max).await?.deliveries)
    }

    pub(crate) async fn reclaim_up_to(&mut self, max: usize) -> Result<Reclaimed, QueueError> {
        self.make_group().await?;
        let mut deliveries = Vec::new();
        let mut cursor = START.to_owned();
        while deliveries.len() < max {
            let batch = match self.take_idle(max - deliveries.len(), &cursor).await {
                Ok(batch) => batch,
                Err(error) if is_no_group(&error) => {
                    self.group_is_gone();
                    return Ok(Reclaimed { deliveries, is_complete: true });
                }
                Err(error) => return Err(QueueError::of(error)),
            };
            self.alarm_gone(batch.gone);
            deliveries.extend(self.deliveries(batch.entries));
            if batch.cursor == START {
                return Ok(Reclaimed { deliveries, is_complete: true });
            }
            cursor = batch.cursor;
        }
        Ok(Reclaimed { deliveries, is_complete: false })
    }

    async fn take_idle(&self, count: usize, cursor: &str) -> Result<Batch, RedisError> {
        let min_idle = u64::try_from(self.queue.options().min_idle.as_millis()).unwrap_or(u64::MAX);
        let mut call = self.queue.scripts().reclaim.prepare_invoke();
        call.key(&self.keys.stream);
        call.arg(self.queue.group()).arg(self.queue.consumer_name()).arg(min_idle).arg(cursor).arg(count);
        call.invoke_async(&mut self.queue.manager()).await
    }
}
