//! A proxy on loopback before a server, which can fall silent: connections stay, and nothing passes any more.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

/// How often a connection without traffic looks whether the proxy has ended.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Passing,
    Silent,
    Ended,
}

#[derive(Debug)]
struct Switch {
    state: Mutex<State>,
    changed: Condvar,
}

impl Switch {
    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }

    /// Waits while nothing may pass; answers whether the proxy still runs.
    fn pass(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self
            .changed
            .wait_while(state, |state| *state == State::Silent)
            .unwrap_or_else(PoisonError::into_inner);
        *state == State::Passing
    }
}

/// A proxy between a client and a server, which can hold and cut.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    switch: Arc<Switch>,
}

impl Proxy {
    /// Starts a proxy before the server at `host:port`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(server: &str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("the port of a proxy")?;
        let port = listener.local_addr()?.port();
        let switch = Arc::new(Switch {
            state: Mutex::new(State::Passing),
            changed: Condvar::new(),
        });
        let (server, shared) = (server.to_owned(), Arc::clone(&switch));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !shared.pass() {
                    return;
                }
                // A client whose server is gone is told by the end of its connection.
                let _ = connect(client, &server, &shared);
            }
        });
        Ok(Self { port, switch })
    }

    /// Where clients connect to, `host:port`.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Lets nothing pass any more, not even the end of a connection.
    pub fn silence(&self) {
        self.switch.set(State::Silent);
    }

    /// Lets everything pass again.
    pub fn speak(&self) {
        self.switch.set(State::Passing);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.switch.set(State::Ended);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Carries bytes both ways until one side ends.
fn connect(client: TcpStream, server: &str, switch: &Arc<Switch>) -> Result<()> {
    let server = TcpStream::connect(server)?;
    for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        let switch = Arc::clone(switch);
        std::thread::spawn(move || {
            let _ = carry(&from, &to, &switch);
            for side in [from, to] {
                let _ = side.shutdown(Shutdown::Both);
            }
        });
    }
    Ok(())
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, switch: &Switch) -> std::io::Result<()> {
    from.set_read_timeout(Some(LOOK))?;
    to.set_nodelay(true)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer);
        if !switch.pass() {
            return Ok(());
        }
        match read {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
}
