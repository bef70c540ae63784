//! A service that stops for ever at one place of its code, to be killed there.

use std::path::PathBuf;

use local_stack::ProvinceService;

use crate::wait::eventually;
use crate::world::World;

/// A service that was started to be held.
pub struct Held {
    place: String,
    file: PathBuf,
}

/// Starts a service that will be held at a place (see `service_kit::hold`), for the first transfer that comes there.
///
/// # Panics
/// When it does not start.
pub async fn start_held(world: &World, province: &str, service: ProvinceService, place: &str) -> Held {
    let name = format!("{}-{}-{place}.held", world.name(), province.to_lowercase());
    let file = world.stack().layout().root().join("worlds").join(name);
    let _ = std::fs::remove_file(&file); // of an earlier start
    let at = format!("{place}={}", file.display());
    world.start(province, service, "", &|_| {}, &[("IIDI_HOLD_AT", &at)]).await;
    Held { place: place.to_owned(), file }
}

impl Held {
    /// Waits until the service has come to the place.
    ///
    /// # Panics
    /// When it does not come there.
    pub async fn reached(self) {
        eventually(&format!("a service to be held {}", self.place), async || {
            std::fs::read_to_string(&self.file).ok().filter(|pid| !pid.is_empty())
        })
        .await;
    }
}
