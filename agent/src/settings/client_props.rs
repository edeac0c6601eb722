//! Keys of Kafka clients that a configuration has behind prefixes, one for each kind of client.

use sluice_api::config::Props;

use crate::properties::with_prefix;

/// Client keys without their prefixes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientProps {
    /// Behind `producer.` of a worker, `producer.override.` of a connector.
    pub producer: Props,
    /// Behind `consumer.` and `consumer.override.`.
    pub consumer: Props,
    /// Behind `admin.` and `admin.override.`.
    pub admin: Props,
}

impl std::fmt::Debug for ClientProps {
    /// Names the keys only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clients = [&self.producer, &self.consumer, &self.admin];
        f.debug_list()
            .entries(clients.map(|props| props.keys().collect::<Vec<_>>()))
            .finish()
    }
}

impl ClientProps {
    /// Those of a worker's properties.
    #[must_use]
    pub fn of_worker(props: &Props) -> Self {
        Self::behind(props, "")
    }

    /// Those that a connector overrides (KIP-458).
    #[must_use]
    pub fn of_connector(props: &Props) -> Self {
        Self::behind(props, "override.")
    }

    fn behind(props: &Props, more: &str) -> Self {
        let of = |client: &str| with_prefix(props, &format!("{client}.{more}"));
        Self {
            producer: of("producer"),
            consumer: of("consumer"),
            admin: of("admin"),
        }
    }
}
