//! How topics are named on the other cluster (`DefaultReplicationPolicy`, `IdentityReplicationPolicy`).

use sluice_api::Props;

use crate::keys::{IDENTITY_POLICY, INTERNAL_SEPARATOR, POLICY_CLASS, SEPARATOR, SOURCE_ALIAS};

const HEARTBEATS: &str = "heartbeats";

/// How topics of the source are named on the target.
#[derive(Debug, Clone)]
pub(crate) struct ReplicationPolicy {
    separator: String,
    internal_separator: String,
    /// With the identity policy, the alias that every topic seems to come from.
    identity: Option<Identity>,
}

#[derive(Debug, Clone)]
struct Identity {
    source_alias: Option<String>,
}

impl ReplicationPolicy {
    /// The policy of a configuration whose single keys are right.
    pub(crate) fn new(props: &Props) -> Self {
        let mut separator = ".".to_owned();
        let mut internal_separator = ".".to_owned();
        // Kafka looks at the second key only if there is the first.
        if let Some(given) = props.get(SEPARATOR) {
            separator.clone_from(given);
            let same = props
                .get(INTERNAL_SEPARATOR)
                .is_none_or(|flag| flag.trim().eq_ignore_ascii_case("true"));
            if same {
                internal_separator.clone_from(given);
            }
        }
        let identity = props
            .get(POLICY_CLASS)
            .is_some_and(|class| class.trim() == IDENTITY_POLICY);
        Self {
            separator,
            internal_separator,
            identity: identity.then(|| Identity {
                source_alias: props.get(SOURCE_ALIAS).cloned(),
            }),
        }
    }

    fn identity_of(&self, topic: &str) -> Option<&Identity> {
        self.identity
            .as_ref()
            .filter(|_| !topic.ends_with(HEARTBEATS))
    }

    /// The name on the target of a topic of the source.
    pub(crate) fn remote_topic(&self, source_alias: &str, topic: &str) -> String {
        match self.identity_of(topic) {
            Some(_) => topic.to_owned(),
            None => format!("{source_alias}{}{topic}", self.separator),
        }
    }

    /// The alias of the cluster a topic came from; `None` if it is no copy.
    pub(crate) fn source<'a>(&'a self, topic: &'a str) -> Option<&'a str> {
        if let Some(identity) = self.identity_of(topic) {
            return identity.source_alias.as_deref();
        }
        // Java's `split` drops empty parts at the end, and two must be left.
        let (source, rest) = topic.split_once(&*self.separator)?;
        let more = rest.split(&*self.separator).any(|part| !part.is_empty());
        more.then_some(source)
    }

    /// The name on the cluster it came from; `None` if it is no copy.
    pub(crate) fn upstream_topic<'a>(&self, topic: &'a str) -> Option<&'a str> {
        if self.identity_of(topic).is_some() {
            return Some(topic);
        }
        let source = self.source(topic)?;
        topic.get(source.len() + self.separator.len()..)
    }

    /// The name on the cluster where it was written first.
    pub(crate) fn original_topic<'a>(&self, topic: &'a str) -> &'a str {
        let mut topic = topic;
        while let Some(upstream) = self.upstream_topic(topic).filter(|name| *name != topic) {
            topic = upstream;
        }
        topic
    }

    /// The topic of heartbeats.
    pub(crate) fn heartbeats_topic(&self) -> &'static str {
        HEARTBEATS
    }

    /// The topic of offset syncs with the cluster of this alias.
    pub(crate) fn offset_syncs_topic(&self, alias: &str) -> String {
        let separator = &self.internal_separator;
        format!("mm2-offset-syncs{separator}{alias}{separator}internal")
    }

    /// The topic of checkpoints of the cluster of this alias.
    pub(crate) fn checkpoints_topic(&self, alias: &str) -> String {
        let separator = &self.internal_separator;
        format!("{alias}{separator}checkpoints{separator}internal")
    }

    /// Whether it is a topic of heartbeats, here or copied.
    pub(crate) fn is_heartbeats_topic(&self, topic: &str) -> bool {
        self.original_topic(topic) == HEARTBEATS
    }

    /// Whether it is a topic of Kafka's or MirrorMaker's own, which is never copied.
    pub(crate) fn is_internal_topic(&self, topic: &str) -> bool {
        let separator = &self.internal_separator;
        let internal = format!("{separator}internal");
        topic.starts_with("mm2") && topic.ends_with(&internal)
            || topic.ends_with(&format!("{separator}checkpoints{internal}"))
            || topic.starts_with("__")
            || topic.starts_with('.')
    }

    /// Whether a topic of the source came from the target, over however many clusters.
    pub(crate) fn is_cycle(&self, topic: &str, target_alias: &str) -> bool {
        let mut topic = topic;
        loop {
            match self.source(topic) {
                None => return false,
                Some(source) if source == target_alias => return true,
                Some(_) => match self.upstream_topic(topic).filter(|name| *name != topic) {
                    Some(upstream) => topic = upstream,
                    None => return false,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(keys: &[(&str, &str)]) -> ReplicationPolicy {
        let props = keys
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        ReplicationPolicy::new(&props)
    }

    #[test]
    fn what_came_from_the_target_does_not_go_back() {
        let default = policy(&[]);
        assert!(default.is_cycle("b.orders", "b"));
        assert!(default.is_cycle("c.b.orders", "b"));
        assert!(!default.is_cycle("c.orders", "b"));
        assert!(!default.is_cycle("orders", "b"));
        let identity = policy(&[(POLICY_CLASS, IDENTITY_POLICY), (SOURCE_ALIAS, "a")]);
        assert!(!identity.is_cycle("orders", "b"), "it cannot know");
        assert!(identity.is_cycle("b.heartbeats", "b"));
    }
}
