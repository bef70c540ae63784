/// Runs `work` with `heartbeat` beside it; whichever ends first ends both.
///
/// Both are polled all the time: a heartbeat that waits for a row which `work` has locked does not keep `work`
/// from going on and letting go of it.
pub async fn with_heartbeat<T, E>(
    work: impl Future<Output = Result<T, E>>,
    heartbeat: impl Future<Output = E>,
) -> Result<T, E> {
    tokio::select! {
        biased;
        ended = work => ended,
        error = heartbeat => Err(error),
    }
}
