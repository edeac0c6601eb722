//! Which client settings connectors may override (`connector.client.config.override.policy`, KIP-458).

use crate::worker_config::WorkerConfig;

/// A policy for `producer.override.*`, `consumer.override.*` and `admin.override.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverridePolicy {
    /// Everything.
    All,
    /// Nothing.
    None,
    /// Who the client is, and how it says so.
    Principal,
    /// The listed keys.
    Allowlist(Vec<String>),
}

impl OverridePolicy {
    /// The worker's policy.
    pub fn new(config: &WorkerConfig) -> Self {
        match config
            .string("connector.client.config.override.policy")
            .to_ascii_lowercase()
            .as_str()
        {
            "none" => Self::None,
            "principal" => Self::Principal,
            "allowlist" => Self::Allowlist(
                config
                    .list("connector.client.config.override.allowlist")
                    .to_vec(),
            ),
            _ => Self::All,
        }
    }

    /// Kafka's text if `key`, without its prefix, may not be overridden.
    pub fn refuse(&self, key: &str) -> Option<String> {
        let (name, allowed) = match self {
            Self::All => return None,
            Self::None => ("None", false),
            Self::Principal => (
                "Principal",
                matches!(
                    key,
                    "sasl.jaas.config" | "sasl.mechanism" | "security.protocol"
                ),
            ),
            Self::Allowlist(keys) => ("Allowlist", keys.iter().any(|one| one == key)),
        };
        (!allowed).then(|| {
            format!(
                "The '{name}' policy does not allow '{key}' to be overridden in the connector configuration."
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_name_the_key_they_refuse() {
        assert_eq!(OverridePolicy::All.refuse("acks"), None);
        assert_eq!(
            OverridePolicy::None.refuse("acks").unwrap(),
            "The 'None' policy does not allow 'acks' to be overridden in the connector configuration."
        );
        assert_eq!(OverridePolicy::Principal.refuse("sasl.mechanism"), None);
        assert_eq!(
            OverridePolicy::Allowlist(vec!["acks".into()]).refuse("acks"),
            None
        );
        assert!(
            OverridePolicy::Allowlist(vec!["acks".into()])
                .refuse("linger.ms")
                .is_some()
        );
    }
}
