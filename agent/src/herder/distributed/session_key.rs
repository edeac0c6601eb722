//! The session key, which the leader of a sessioned group writes to the config topic and renews (KIP-507).

use std::time::Duration;

use sluice_protocol::config_topic::SessionKey;
use sluice_protocol::group::Subprotocol;
use tokio::time::Instant;

use super::actor::Actor;
use crate::clock::now;
use crate::session::HMAC_SHA256;

/// What may fail again and again, as `/health` shows it.
const WRITE_KEY: &str = "cannot write a session key to the config topic";

impl Actor {
    /// When the session key has to be renewed; `None` if that is not this worker's duty.
    pub(super) fn session_key_due(&self) -> Option<Instant> {
        if !self.group.is_leader() || self.group.protocol() != Some(Subprotocol::Sessioned) {
            return None;
        }
        let configs = self.shared.configs.snapshot();
        let earliest = self.key_retry.unwrap_or_else(Instant::now);
        let Some(key) = configs.session_key() else {
            return Some(earliest);
        };
        if key.algorithm != HMAC_SHA256 || key.key.len() != self.shared.cluster.session_key_bytes {
            return Some(earliest);
        }
        let ttl = self.shared.cluster.session_key_ttl;
        if ttl.is_zero() {
            return None;
        }
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let left = ttl - now().since(key.creation_timestamp);
        let due = Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(0));
        Some(due.max(earliest))
    }

    pub(super) async fn renew_session_key(&mut self) {
        self.shared
            .enter("writing a session key to the config topic");
        let mut key = vec![0; self.shared.cluster.session_key_bytes];
        rand::RngCore::fill_bytes(&mut rand::rng(), &mut key);
        let key = SessionKey {
            key,
            algorithm: HMAC_SHA256.to_owned(),
            creation_timestamp: now(),
        };
        match self.shared.configs.put_session_key(key).await {
            Ok(()) => {
                self.shared.leave();
                self.key_retry = None;
                self.shared.passed(WRITE_KEY);
            }
            Err(error) => {
                let pause = self.shared.failed(WRITE_KEY, &error.to_string());
                self.key_retry = Some(Instant::now() + pause);
                self.config.is_readable = false;
            }
        }
    }
}
