//! The config topic when it cannot be read or written, and the leader's right to write to it.

use std::time::Duration;

use sluice_protocol::group::Subprotocol;

use super::actor::Actor;

/// What may fail again and again, as `/health` shows it.
const READ_CONFIGS: &str = "cannot read the config topic";
const CLAIM_WRITES: &str = "cannot claim the right to write to the config topic";

impl Actor {
    /// Reads the config topic again after that failed; false if it failed once more.
    pub(super) async fn catch_up(&mut self) -> bool {
        let limit = self.shared.cluster.sync_timeout;
        self.shared.enter("reading to the end of the config topic");
        match self.shared.configs.refresh(limit).await {
            Ok(()) => {
                self.shared.leave();
                self.take_snapshot();
                self.config.is_readable = true;
                self.config.reset_backoff();
                self.shared.passed(READ_CONFIGS);
                true
            }
            Err(error) => {
                self.shared.failed(READ_CONFIGS, &error.to_string());
                self.back_off().await;
                false
            }
        }
    }

    /// A leader that writes in transactions fences earlier leaders before it writes, and again
    /// after a write failed; false if that did not work.
    pub(super) async fn claim_write_privileges(&mut self) -> bool {
        if !self.group.is_leader() || !self.shared.configs.lacks_write_privileges() {
            return true;
        }
        self.shared
            .enter("reclaiming write privileges to the config topic");
        match self.shared.configs.claim_write_privileges().await {
            Ok(()) => {
                self.shared.leave();
                self.config.reset_backoff();
                self.shared.passed(CLAIM_WRITES);
                true
            }
            Err(error) => {
                self.shared.failed(CLAIM_WRITES, &error.to_string());
                self.back_off().await;
                false
            }
        }
    }

    async fn back_off(&mut self) {
        if self.group.protocol() == Some(Subprotocol::Default) {
            tokio::time::sleep(self.shared.cluster.unsync_backoff).await;
        } else if self.config.backoff_steps_left == 0 {
            tracing::warn!("the config topic cannot be read for long, all own work is stopped");
            let work = self.group.forget_assignment();
            self.placed.stop(&work).await;
            self.config.reset_backoff();
        } else {
            let pause = self.shared.cluster.max_delay / (10 * self.config.backoff_steps_left);
            self.config.backoff_steps_left -= 1;
            // With delays disabled there would be no pause at all.
            tokio::time::sleep(pause.max(Duration::from_millis(100))).await;
        }
    }
}
