//! What a connector wants done about records that fail (KIP-298).

use std::time::Duration;

use sluice_api::config::ConfigError;
use sluice_protocol::ConnectorType;

use super::Values;

/// Error settings of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorSettings {
    /// `errors.retry.timeout`; `None` is forever.
    pub retry_timeout: Option<Duration>,
    /// Longest pause between repetitions (`errors.retry.delay.max.ms`).
    pub retry_delay_max: Duration,
    /// Whether records with errors are skipped (`errors.tolerance=all`).
    pub tolerate_all: bool,
    /// Whether each error is logged (`errors.log.enable`).
    pub log: bool,
    /// Whether logged errors name the record (`errors.log.include.messages`).
    pub log_messages: bool,
    /// `errors.deadletterqueue.topic.name` of a sink, if it is not empty.
    pub dead_letter_topic: Option<String>,
    /// Copies of that topic if it is created; -1 for the broker's default.
    pub dead_letter_replication: i32,
    /// Whether records there carry headers with what went wrong.
    pub dead_letter_headers: bool,
}

impl Default for ErrorSettings {
    fn default() -> Self {
        Self {
            retry_timeout: Some(Duration::ZERO),
            retry_delay_max: Duration::from_secs(60),
            tolerate_all: false,
            log: false,
            log_messages: false,
            dead_letter_topic: None,
            dead_letter_replication: 3,
            dead_letter_headers: false,
        }
    }
}

impl ErrorSettings {
    /// Takes the keys that connectors of this kind have; only sinks have a dead letter queue.
    pub(super) fn take(values: &mut Values, kind: ConnectorType) -> Result<Self, ConfigError> {
        let millis = |millis: i64| u64::try_from(millis).ok().map(Duration::from_millis);
        let default = Self::default();
        let tolerance: String = values.take("errors.tolerance")?;
        let delay = millis(values.take("errors.retry.delay.max.ms")?);
        let common = Self {
            retry_timeout: millis(values.take("errors.retry.timeout")?),
            retry_delay_max: delay.unwrap_or(default.retry_delay_max),
            tolerate_all: tolerance == "all",
            log: values.take("errors.log.enable")?,
            log_messages: values.take("errors.log.include.messages")?,
            ..default
        };
        if kind != ConnectorType::Sink {
            return Ok(common);
        }
        let topic: String = values.take("errors.deadletterqueue.topic.name")?;
        let replication: i16 = values.take("errors.deadletterqueue.topic.replication.factor")?;
        Ok(Self {
            dead_letter_topic: Some(topic).filter(|topic| !topic.is_empty()),
            dead_letter_replication: replication.into(),
            dead_letter_headers: values.take("errors.deadletterqueue.context.headers.enable")?,
            ..common
        })
    }
}
