//! Free ports for servers that have to keep theirs over a restart.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// The first port handed out; those from 32768 on belong to outgoing connections on Linux.
///
/// A port the system chooses itself would come from there: while its server is down for a fault test, any
/// reconnecting client (even to that very port) could be given it as its own, and the server could not come
/// back.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// Finds a port on the loopback interface nobody listens on, below the range of outgoing connections.
///
/// # Errors
/// When no port of the range is free.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test runs at the same time begin in different places.
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start.wrapping_mul(37).wrapping_add(step)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT)
}
