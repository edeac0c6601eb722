//! Admin calls librdkafka's Rust binding lacks or makes for one thing at a time: topics, their configs and
//! who may use them; groups and their offsets; ends of partitions; fencing of producers.
//!
//! Every call is tried until `default.api.timeout.ms` is over, as Java's admin client does; errors that can't
//! get better end it at once. Connections are kept and used again ([`call`]). Calls on many things answer for
//! each of them: what a broker refuses for one does not stop the others.

mod acls;
mod call;
mod cluster;
mod connections;
mod error;
mod groups;
mod offsets;
mod producers;
mod streams;
mod topics;

use std::sync::Arc;

use sluice_api::config::Props;

pub use acls::TopicAcl;
pub use error::{AdminError, Refusal};
pub use groups::{DescribedGroup, DescribedMember, GroupType, ListedGroup};
pub use offsets::Offsets;
pub use topics::{ByTopic, ConfigChange, ConfigEntry, ConfigSource, NewTopic};

use crate::wire::settings::{ClientSettings, ClientSettingsError};
use connections::Connections;

/// A client for admin calls. Clones are the same client and share its connections.
#[derive(Clone, Debug)]
pub struct Admin {
    settings: Arc<ClientSettings>,
    connections: Arc<Connections>,
}

impl Admin {
    /// An admin client from client properties; a whole worker file will do. It connects with its first call.
    ///
    /// # Errors
    /// The first key that is missing or does not parse.
    pub fn new(props: &Props) -> Result<Self, ClientSettingsError> {
        ClientSettings::from_props(props, "sluice-admin").map(Self::with)
    }

    /// An admin client with these settings.
    #[must_use]
    pub fn with(settings: ClientSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            connections: Arc::default(),
        }
    }
}
