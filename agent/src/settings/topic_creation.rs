//! The rules of `topic.creation.*`, by which topics of source connectors are created (KIP-158).

use std::collections::HashSet;

use sluice_api::config::{ConfigError, Props};
use sluice_jvm_text::regex::JavaRegex;

const PREFIX: &str = "topic.creation.";
const GROUPS: &str = "topic.creation.groups";
const DEFAULT_GROUP: &str = "default";
/// How topics of a group are created.
#[derive(Debug, Clone)]
pub struct TopicCreationGroup {
    /// Its name in `topic.creation.groups`, or `default`.
    pub name: String,
    include: Vec<JavaRegex>,
    exclude: Vec<JavaRegex>,
    /// Partitions of a new topic; -1 for the broker's default.
    pub partitions: i32,
    /// Copies of a new topic; -1 for the broker's default.
    pub replication: i32,
    /// Settings of a new topic: all other keys of the group.
    pub configs: Vec<(String, String)>,
}

impl TopicCreationGroup {
    fn matches(&self, topic: &str) -> bool {
        let any = |patterns: &[JavaRegex]| {
            patterns
                .iter()
                .any(|pattern| pattern.matches(topic).unwrap_or(false))
        };
        !any(&self.exclude) && any(&self.include)
    }
}

/// Rules of a connector: groups in order, then the default.
#[derive(Debug, Clone)]
pub struct TopicCreationRules {
    groups: Vec<TopicCreationGroup>,
    default: TopicCreationGroup,
}

/// The elements of a list among the keys of a group, of which the table of keys has none.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

impl TopicCreationRules {
    /// Rules of a configuration with these `topic.creation.groups`; `None` without any
    /// `topic.creation.` key.
    ///
    /// # Errors
    /// A required key is missing, or a value is not valid.
    pub(super) fn of(names: &[String], props: &Props) -> Result<Option<Self>, ConfigError> {
        if !props.keys().any(|key| key.starts_with(PREFIX)) {
            return Ok(None);
        }
        let mut default = group(props, DEFAULT_GROUP, None)?;
        default.include.clear();
        default.exclude.clear();
        let mut groups = Vec::new();
        let mut seen = HashSet::new();
        for name in names.iter().filter(|name| !name.is_empty()) {
            if name == DEFAULT_GROUP {
                tracing::warn!(
                    "Topic creation group 'default' is always there and need not be listed in {GROUPS}"
                );
                continue;
            }
            if !seen.insert(name) {
                return Err(ConfigError::invalid(
                    GROUPS,
                    name,
                    "groups must not be repeated",
                ));
            }
            groups.push(group(props, name, Some(&default))?);
        }
        Ok(Some(Self { groups, default }))
    }

    /// Rules that create every topic alike, for topics of the framework.
    #[must_use]
    pub(crate) fn fixed(partitions: i32, replication: i32) -> Self {
        Self {
            groups: Vec::new(),
            default: TopicCreationGroup {
                name: DEFAULT_GROUP.to_owned(),
                include: Vec::new(),
                exclude: Vec::new(),
                partitions,
                replication,
                configs: Vec::new(),
            },
        }
    }

    /// The group that creates a topic: the first that matches, else the default.
    #[must_use]
    pub(crate) fn group_of(&self, topic: &str) -> &TopicCreationGroup {
        self.groups
            .iter()
            .find(|group| group.matches(topic))
            .unwrap_or(&self.default)
    }
}

fn group(
    props: &Props,
    name: &str,
    default: Option<&TopicCreationGroup>,
) -> Result<TopicCreationGroup, ConfigError> {
    let prefix = format!("{PREFIX}{name}.");
    let number = |suffix: &str, inherited: Option<i32>| {
        let key = format!("{prefix}{suffix}");
        match (props.get(&key), inherited) {
            (Some(text), _) => match text.trim().parse::<i32>() {
                Ok(value) if value == -1 || value > 0 => Ok(value),
                Ok(_) => Err(ConfigError::invalid(
                    &key,
                    text,
                    "must be positive, or -1 to use the broker's default",
                )),
                Err(_) => Err(ConfigError::invalid(&key, text, "Not a number of type INT")),
            },
            (None, Some(value)) => Ok(value),
            (None, None) => Err(ConfigError::missing(&key)),
        }
    };
    let patterns = |suffix: &str| {
        let key = format!("{prefix}{suffix}");
        list(props.get(&key).map_or("", String::as_str))
            .map(|pattern| {
                JavaRegex::new(pattern).map_err(|_| {
                    ConfigError::invalid(&key, pattern, "not a valid regular expression")
                })
            })
            .collect::<Result<Vec<_>, _>>()
    };
    let replication = number("replication.factor", default.map(|group| group.replication))?;
    let partitions = number("partitions", default.map(|group| group.partitions))?;
    Ok(TopicCreationGroup {
        name: name.to_owned(),
        include: patterns("include")?,
        exclude: patterns("exclude")?,
        partitions,
        replication,
        configs: props
            .iter()
            .filter_map(|(key, value)| {
                let suffix = key.strip_prefix(&prefix)?;
                let own = ["include", "exclude", "partitions", "replication.factor"];
                (!own.contains(&suffix)).then(|| (suffix.to_owned(), value.clone()))
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(pairs: &[(&str, &str)]) -> Result<Option<TopicCreationRules>, ConfigError> {
        let props: Props = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let groups = list(props.get(GROUPS).map_or("", String::as_str));
        let groups: Vec<String> = groups.map(str::to_owned).collect();
        TopicCreationRules::of(&groups, &props)
    }

    #[test]
    fn without_any_key_there_are_no_rules() {
        assert!(rules(&[("topic", "t")]).unwrap().is_none());
    }

    #[test]
    fn the_default_group_needs_both_numbers() {
        let error = rules(&[("topic.creation.default.partitions", "1")]).unwrap_err();
        assert!(
            error
                .0
                .contains("topic.creation.default.replication.factor")
        );
        for bad in ["0", "-2", "x"] {
            assert!(
                rules(&[
                    ("topic.creation.default.partitions", bad),
                    ("topic.creation.default.replication.factor", "1"),
                ])
                .is_err()
            );
        }
    }

    #[test]
    fn the_first_group_that_matches_wins_and_exclude_beats_include() {
        let rules = rules(&[
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.default.replication.factor", "-1"),
            ("topic.creation.groups", "a, b"),
            ("topic.creation.a.include", "x.*, y"),
            ("topic.creation.a.exclude", "xx"),
            ("topic.creation.a.partitions", "3"),
            ("topic.creation.a.cleanup.policy", "compact"),
            ("topic.creation.b.include", ".*"),
            ("topic.creation.b.exclude", "z"),
        ])
        .unwrap()
        .unwrap();
        let group = rules.group_of("x1");
        assert_eq!(
            (group.name.as_str(), group.partitions, group.replication),
            ("a", 3, -1)
        );
        assert_eq!(
            group.configs,
            [("cleanup.policy".to_owned(), "compact".to_owned())]
        );
        assert_eq!(rules.group_of("xx").name, "b");
        assert_eq!(rules.group_of("yy").name, "b");
        assert_eq!(rules.group_of("z").name, "default");
    }
}
