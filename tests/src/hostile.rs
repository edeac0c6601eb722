//! Peers that mean harm: brokers whose answers claim what they do not hold, and clients that say nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};

/// A "broker" that answers every request with the same body.
///
/// Its threads end with the connections of its clients.
#[derive(Debug)]
pub struct HostileBroker {
    address: String,
    requests: Arc<AtomicUsize>,
}

impl HostileBroker {
    /// Listens on loopback; each answer is the correlation id of its request and `body`.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start(body: &'static [u8]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || answer_all(client, body, &seen));
            }
        });
        Ok(Self { address, requests })
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Requests that were answered so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

fn answer_all(mut client: TcpStream, body: &[u8], seen: &AtomicUsize) -> Option<()> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length).ok()?;
        let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?];
        client.read_exact(&mut request).ok()?;
        let mut answer = u32::try_from(body.len() + 4).ok()?.to_be_bytes().to_vec();
        answer.extend_from_slice(request.get(4..8)?);
        answer.extend_from_slice(body);
        client.write_all(&answer).ok()?;
        seen.fetch_add(1, Ordering::Relaxed);
    }
}

/// Connects to `address` as often as asked, and sends the same bytes on each connection, which may be none.
///
/// # Errors
/// When a connection cannot be made.
pub fn silent_clients(address: &str, count: usize, bytes: &[u8]) -> Result<Vec<TcpStream>> {
    (0..count)
        .map(|number| {
            let mut client = TcpStream::connect(address)
                .with_context(|| format!("connection {number} to {address}"))?;
            client.write_all(bytes)?;
            Ok(client)
        })
        .collect()
}

/// The most memory that a process has held so far, in megabytes (`VmHWM`).
///
/// # Errors
/// When it has ended.
pub fn peak_memory(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 = line
        .and_then(|rest| rest.split_whitespace().next())
        .context("VmHWM")?
        .parse()?;
    ensure!(kilobytes > 0, "a process without memory");
    Ok(kilobytes / 1024)
}
