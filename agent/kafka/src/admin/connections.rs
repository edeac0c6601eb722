//! The connections of an admin client, kept between calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::wire::connection::BrokerConnection;

/// Open connections by the address that they were made with.
#[derive(Default)]
pub(super) struct Connections(Mutex<HashMap<String, Kept>>);

struct Kept {
    connection: Arc<BrokerConnection>,
    used: Instant,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.lock().keys()).finish()
    }
}

impl Connections {
    /// The open connection to an address, or to any broker.
    ///
    /// One that was not used for `max_idle` is closed instead: something between us and the broker may have
    /// forgotten it, and would let a request wait for its whole timeout.
    pub(super) fn get(
        &self,
        address: Option<&str>,
        max_idle: Duration,
    ) -> Option<Arc<BrokerConnection>> {
        let mut open = self.0.lock();
        open.retain(|_, kept| !kept.connection.is_closed() && kept.used.elapsed() < max_idle);
        let kept = match address {
            Some(address) => open.get_mut(address),
            None => open.values_mut().next(),
        }?;
        kept.used = Instant::now();
        Some(Arc::clone(&kept.connection))
    }

    /// Keeps a new connection; gives back the one to use.
    pub(super) fn keep(&self, connection: BrokerConnection) -> Arc<BrokerConnection> {
        let connection = Arc::new(connection);
        let kept = Kept {
            connection: Arc::clone(&connection),
            used: Instant::now(),
        };
        let address = connection.address().to_owned();
        self.0.lock().insert(address, kept);
        connection
    }

    /// Lets a request be sent; the connection is forgotten unless [`InUse::answered`] is called.
    pub(super) fn using<'a>(&'a self, connection: &'a Arc<BrokerConnection>) -> InUse<'a> {
        InUse {
            connections: self,
            connection,
            answered: false,
        }
    }
}

/// A connection with a request under way. Dropped without an answer it is not kept: the request failed, or
/// whoever waited for it had no more time, and the broker may never answer on it again.
pub(super) struct InUse<'a> {
    connections: &'a Connections,
    connection: &'a Arc<BrokerConnection>,
    answered: bool,
}

impl InUse<'_> {
    /// Notes that the broker answers on this connection.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let mut open = self.connections.0.lock();
        let address = self.connection.address();
        if open
            .get(address)
            .is_some_and(|kept| Arc::ptr_eq(&kept.connection, self.connection))
        {
            open.remove(address);
        }
    }
}
