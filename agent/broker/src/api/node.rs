//! The one node, as clients see it.

use crate::config::BrokerConfig;

/// The id of the one node.
pub(super) const NODE: i32 = 1;

/// What the broker says of itself.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: BrokerConfig,
    pub(crate) cluster_id: String,
    /// Host that clients are to connect to; an IPv6 address has no brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}
