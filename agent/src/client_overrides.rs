//! Which client settings connectors may override (`connector.client.config.override.policy`, KIP-458).

/// A policy for `producer.override.*`, `consumer.override.*` and `admin.override.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OverridePolicy {
    All,
    None,
    /// Who the client is, and how it says so.
    Principal,
    /// The keys of the list, and no others.
    Allowlist(Vec<String>),
}

/// Names of the policies.
const POLICIES: [&str; 4] = ["All", "None", "Principal", "Allowlist"];

/// The policy of a value, which is its name, or Kafka's class with or without the package.
pub(crate) fn policy_name(given: &str) -> Option<&'static str> {
    let class = given
        .strip_prefix("org.apache.kafka.connect.connector.policy.")
        .unwrap_or(given);
    let name = class
        .strip_suffix("ConnectorClientConfigOverridePolicy")
        .unwrap_or(class);
    POLICIES
        .into_iter()
        .find(|policy| policy.eq_ignore_ascii_case(name))
}

impl OverridePolicy {
    /// The policy that a worker's file gives, with its allowlist; one that validation does not know
    /// counts as All.
    pub(crate) fn new(given: &str, allowlist: &[String]) -> Self {
        match policy_name(given).unwrap_or("All") {
            "None" => Self::None,
            "Principal" => Self::Principal,
            "Allowlist" => Self::Allowlist(allowlist.to_vec()),
            _ => Self::All,
        }
    }

    /// Kafka's text if `key`, without its prefix, may not be overridden.
    pub(crate) fn refuse(&self, key: &str) -> Option<String> {
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
    fn policies_are_named_as_kafka_names_them() {
        for (given, policy) in [
            ("all", Some("All")),
            (
                "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy",
                Some("Principal"),
            ),
            ("NoneConnectorClientConfigOverridePolicy", Some("None")),
            ("Allowlist", Some("Allowlist")),
            ("com.example.AllConnectorClientConfigOverridePolicy", None),
            ("Some", None),
            ("", None),
        ] {
            assert_eq!(policy_name(given), policy, "{given}");
        }
    }

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
