//! Free ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};
use rand::Rng;

/// Below the range from which the kernel takes the ports of outgoing connections, so that a port which is only
/// remembered is not taken by a client in the meantime.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// Returns a port on 127.0.0.1 on which nobody listens now.
///
/// # Errors
/// When no free port is found.
pub fn free_port() -> Result<u16> {
    free_port_except(&|_| false)
}

/// Whether a listener could be opened on this port now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Like [`free_port`], leaving out the ports that are promised to somebody else.
pub(crate) fn free_port_except(taken: &dyn Fn(u16) -> bool) -> Result<u16> {
    let mut random = rand::rng();
    for _ in 0..1_000 {
        let port = random.random_range(RANGE);
        if !taken(port) && is_free(port) {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end)
}
