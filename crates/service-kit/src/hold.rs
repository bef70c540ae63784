//! Places at which a test can hold a process, to kill it there.
//!
//! Debug builds only: where `IIDI_HOLD_AT` is `{place}={file}`, the process writes its pid to the file when it
//! comes to the place, and waits to be killed. Release builds have no such places.

/// Stops here for ever if a test asked for it.
pub async fn point(place: &'static str) {
    #[cfg(debug_assertions)]
    if let Ok(wanted) = std::env::var("IIDI_HOLD_AT")
        && let Some((name, file)) = wanted.split_once('=')
        && name == place
    {
        tracing::warn!(place, "held by a test");
        if std::fs::write(file, std::process::id().to_string()).is_ok() {
            std::future::pending::<()>().await;
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = place;
}
