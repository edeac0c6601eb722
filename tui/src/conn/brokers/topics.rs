//! Finds the internal topics of a Connect cluster. The REST API does not name them, so they are recognised
//! by what is in them: a status topic of ours has records about our connectors or from our workers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use sluice_kafka::backoff::Backoff;

use super::tail::About;
use super::{Shared, TIMEOUT, lock, source_offsets, spawn, tail, telemetry};
use crate::conn::rest::Known;

/// Distance between tries: a second at first, then doubled up to this.
const RETRY: Duration = Duration::from_secs(15);

/// What the status topic is called in notes and guesses.
const STATUS: &str = "status topic";
/// The same for the config topic.
const CONFIG: &str = "config topic";

/// Finds the topics and starts to follow each one found, until all are or the cluster is left.
pub(super) fn follow(shared: &Arc<Shared>) {
    let mut status: Option<String> = None;
    let mut config: Option<String> = None;
    let mut telemetry_topic: Option<String> = None;
    let mut offsets: Option<String> = None;
    let mut retry = Backoff::new(Duration::from_secs(1), RETRY);
    let mut seen = BTreeSet::new();
    while !shared.is_over() {
        let known = shared.known.borrow().clone();
        if known.listed
            && let Some(names) = names(shared)
        {
            if status.is_none() {
                status = find(
                    shared,
                    STATUS,
                    &shared.wanted.status,
                    &names,
                    "status",
                    &known,
                    About::Status,
                );
                keep_following(shared, "sluice-status", status.clone(), tail::follow_status);
            }
            if config.is_none() {
                config = find(
                    shared,
                    CONFIG,
                    &shared.wanted.config,
                    &names,
                    "config",
                    &known,
                    About::Config,
                );
                keep_following(shared, "sluice-config", config.clone(), tail::follow_config);
            }
            if telemetry_topic.is_none() {
                telemetry_topic = find_telemetry(shared, &names, status.as_deref());
                keep_following(
                    shared,
                    "sluice-telemetry",
                    telemetry_topic.clone(),
                    telemetry::follow,
                );
            }
            if offsets.is_none() {
                let known_topics = [&status, &config].into_iter().flatten();
                offsets = find_offsets(shared, &names, known_topics.map(String::as_str));
                keep_following(
                    shared,
                    "sluice-offsets",
                    offsets.clone(),
                    source_offsets::follow,
                );
            }
            // What was taken for ours while there was nothing to recognise it by is looked at again once
            // there is.
            let about = [
                (&status, STATUS, About::Status),
                (&config, CONFIG, About::Config),
            ];
            let guessed = about.iter().any(|(_, what, _)| shared.is_guess(what));
            if guessed && known.connectors != seen {
                for (topic, what, about) in about {
                    verify(shared, what, about, topic.as_deref(), &names, &known);
                }
            }
            seen.clone_from(&known.connectors);
            let found = [&status, &config, &telemetry_topic, &offsets];
            if found.iter().all(|topic| topic.is_some()) && !guessed {
                return;
            }
        }
        // Before the first list there is nothing to recognise topics by; it comes in a moment.
        if known.listed {
            shared.pause(retry.next_pause());
        } else {
            shared.pause(Duration::from_millis(300));
        }
    }
}

/// Follows a topic that was found, on a thread of its own, until the cluster is left.
fn keep_following(
    shared: &Arc<Shared>,
    thread: &'static str,
    topic: Option<String>,
    follow: fn(&Shared, &str),
) {
    let Some(topic) = topic else { return };
    let shared = Arc::clone(shared);
    spawn(thread, move || {
        while !shared.is_over() {
            follow(&shared, &topic);
        }
    });
}

/// Names of all topics with their partitions; `None` while the brokers do not answer.
fn names(shared: &Shared) -> Option<Topics> {
    let consumer = shared.consumer(super::CLIENT_ID).ok()?;
    let metadata = consumer.fetch_metadata(None, TIMEOUT).ok()?;
    let topics = metadata.topics().iter().map(|topic| {
        let partitions = topic.partitions().iter().map(|p| p.id()).collect();
        (topic.name().to_owned(), partitions)
    });
    Some(topics.collect())
}

/// Topics by name, each with its partitions.
pub(super) type Topics = BTreeMap<String, Vec<i32>>;

/// What a candidate's records are about: connectors and workers.
pub(super) type Subjects = (BTreeSet<String>, BTreeSet<String>);

/// The topic named by the context, or the one candidate whose records are about our cluster.
fn find(
    shared: &Shared,
    what: &'static str,
    wanted: &Option<String>,
    names: &Topics,
    word: &str,
    known: &Known,
    about: About,
) -> Option<String> {
    if let Some(name) = wanted {
        let note = if names.contains_key(name) {
            name.clone()
        } else {
            format!("{name} does not exist")
        };
        shared.note(what, note);
        return names.contains_key(name).then(|| name.clone());
    }
    let like_it = |name: &&String| {
        name.to_lowercase().contains(word)
            && !name.starts_with("__")
            && !name.ends_with(sluice_protocol::telemetry::TOPIC_SUFFIX)
    };
    let like_ours = names.iter().filter(|(name, _)| like_it(name));
    let like_ours: Topics = like_ours.map(|(n, p)| (n.clone(), p.clone())).collect();
    let candidates = candidates(shared, &like_ours, about);
    let ours = own_workers(shared, known);
    match choose(&candidates, &ours, &known.connectors) {
        Choice::Proven(name) => {
            shared.note(what, name.clone());
            shared.guess(what, None);
            Some(name)
        }
        Choice::Guess(name) => {
            shared.note(what, format!("{name} (guessed: name it in the context)"));
            shared.guess(what, Some(&name));
            Some(name)
        }
        Choice::Several(names) => {
            let names = names.join(", ");
            let text = format!("{names} fit alike: name the right one in the context");
            shared.note(what, text);
            None
        }
        Choice::Nothing => {
            let count = candidates.len();
            let text = format!("not found among {count} candidates; name it in the context");
            shared.note(what, text);
            None
        }
    }
}

/// Whether a topic that was a guess is proven now. Of one that turns out to be another cluster's nothing but
/// the guess is said, as before.
fn verify(
    shared: &Shared,
    what: &'static str,
    about: About,
    topic: Option<&str>,
    names: &Topics,
    known: &Known,
) {
    let Some((name, partitions)) = topic.and_then(|topic| names.get_key_value(topic)) else {
        return;
    };
    let one = Topics::from([(name.clone(), partitions.clone())]);
    let candidates = candidates(shared, &one, about);
    let ours = own_workers(shared, known);
    if matches!(
        choose(&candidates, &ours, &known.connectors),
        Choice::Proven(_)
    ) {
        shared.note(what, name.clone());
        shared.guess(what, None);
    }
}

/// Workers that are certainly ours.
fn own_workers(shared: &Shared, known: &Known) -> BTreeSet<String> {
    let mut ours: BTreeSet<String> = known.workers.union(&known.urls).cloned().collect();
    ours.extend(lock(&shared.members).iter().cloned());
    ours
}

fn candidates(shared: &Shared, topics: &Topics, about: About) -> Vec<Candidate> {
    let found = tail::subjects(shared, topics, about).into_iter();
    let candidate = |(name, (connectors, workers))| Candidate {
        name,
        connectors,
        workers,
    };
    found.map(candidate).collect()
}

/// A topic that may be ours, and what its records are about.
struct Candidate {
    name: String,
    connectors: BTreeSet<String>,
    workers: BTreeSet<String>,
}

/// Which topic is ours.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// This one, by its workers or by having exactly our connectors.
    Proven(String),
    /// This one fits best.
    Guess(String),
    /// These fit alike, so none is taken: a wrong one would show another cluster.
    Several(Vec<String>),
    /// No topic has such records.
    Nothing,
}

/// Chooses by worker ids first, which no two clusters share, then by the names of all connectors. Several
/// Connect clusters on the same brokers often have connectors of the same names: blue and green, a test
/// beside production.
fn choose(
    candidates: &[Candidate],
    workers: &BTreeSet<String>,
    listed: &BTreeSet<String>,
) -> Choice {
    let of_us = |c: &&Candidate| !c.workers.is_disjoint(workers);
    let by_worker: Vec<&Candidate> = candidates.iter().filter(of_us).collect();
    if let [only] = by_worker[..] {
        return Choice::Proven(only.name.clone());
    }
    // Where records name workers, those of others are not ours.
    let foreign =
        |c: &&Candidate| by_worker.is_empty() && !workers.is_empty() && !c.workers.is_empty();
    let pool: Vec<&Candidate> = if by_worker.is_empty() {
        candidates.iter().filter(|c| !foreign(c)).collect()
    } else {
        by_worker
    };
    if listed.is_empty() {
        // A cluster without connectors has nothing to recognise its topic by but that it is empty, as ours
        // must be.
        let empty = |c: &&&Candidate| c.connectors.is_empty();
        let empty: Vec<&&Candidate> = pool.iter().filter(empty).collect();
        return match empty[..] {
            [only] => Choice::Guess(only.name.clone()),
            _ => Choice::Nothing,
        };
    }
    let names = |all: Vec<&Candidate>| all.into_iter().map(|c| c.name.clone()).collect();
    let exact: Vec<&Candidate> = pool
        .iter()
        .copied()
        .filter(|c| c.connectors == *listed)
        .collect();
    match exact[..] {
        [only] => return Choice::Proven(only.name.clone()),
        [] => {}
        _ => return Choice::Several(names(exact)),
    }
    let all: Vec<&Candidate> = pool
        .iter()
        .copied()
        .filter(|c| listed.is_subset(&c.connectors))
        .collect();
    match all[..] {
        [only] => Choice::Guess(only.name.clone()),
        [] => Choice::Nothing,
        _ => Choice::Several(names(all)),
    }
}

fn find_telemetry(shared: &Shared, names: &Topics, status: Option<&str>) -> Option<String> {
    let suffix = sluice_protocol::telemetry::TOPIC_SUFFIX;
    let name = shared
        .wanted
        .telemetry
        .clone()
        .or_else(|| status.map(|status| format!("{status}{suffix}")))?;
    if names.contains_key(&name) {
        shared.note("telemetry topic", name.clone());
        return Some(name);
    }
    shared.note(
        "telemetry topic",
        format!("{name} does not exist (JVM workers write none)"),
    );
    None
}

/// The offset topic: the context's, or the one named as the topics that are known to be ours.
fn find_offsets<'a>(
    shared: &Shared,
    names: &Topics,
    known: impl Iterator<Item = &'a str>,
) -> Option<String> {
    const WHAT: &str = "offset topic";
    let found = match &shared.wanted.offsets {
        Some(name) => Some(name.clone()).filter(|name| names.contains_key(name)),
        None => offsets_beside(names, known),
    };
    let note = found.clone().unwrap_or_else(|| {
        "not found; name it in the context (offset_topic) for the age of sources' offsets"
            .to_owned()
    });
    shared.note(WHAT, note);
    found
}

/// The only topic whose name is that of a status or config topic with the word for offsets in its place.
fn offsets_beside<'a>(names: &Topics, known: impl Iterator<Item = &'a str>) -> Option<String> {
    const WORDS: [&str; 6] = [
        "statuses",
        "status",
        "configs",
        "config",
        "configurations",
        "configuration",
    ];
    let mut found = BTreeSet::new();
    for topic in known {
        for word in WORDS.iter().filter(|word| topic.contains(**word)) {
            for offsets in ["offsets", "offset"] {
                let name = topic.replacen(word, offsets, 1);
                found.extend(names.contains_key(&name).then_some(name));
            }
        }
    }
    let mut found = found.into_iter();
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &str) -> BTreeSet<String> {
        names.split_whitespace().map(str::to_owned).collect()
    }

    fn topic(name: &str, connectors: &str, workers: &str) -> Candidate {
        Candidate {
            name: name.to_owned(),
            connectors: set(connectors),
            workers: set(workers),
        }
    }

    /// Cluster A has `shared` and others, cluster B `shared` alone: B's terminal used to show A.
    #[test]
    fn the_topic_of_our_workers_is_ours_whatever_names_another_shares() {
        let topics = [
            topic("ca-status", "a-one a-two shared", "a:1"),
            topic("cb-status", "shared", "b:1"),
        ];
        let b = choose(&topics, &set("b:1"), &set("shared"));
        assert_eq!(b, Choice::Proven("cb-status".into()));
        let a = choose(&topics, &set("a:1"), &set("a-one a-two shared"));
        assert_eq!(a, Choice::Proven("ca-status".into()));
        let c = choose(&topics, &set("c:1"), &set("shared"));
        assert_eq!(c, Choice::Nothing, "both are of other workers");
    }

    #[test]
    fn without_workers_all_names_decide_and_two_that_fit_are_none() {
        let configs = [
            topic("ca-configs", "a-one a-two shared", ""),
            topic("cb-configs", "shared", ""),
        ];
        let b = choose(&configs, &set("b:1"), &set("shared"));
        assert_eq!(b, Choice::Proven("cb-configs".into()));
        let twins = [topic("blue", "x y", ""), topic("green", "x y", "")];
        let twin = choose(&twins, &set("b:1"), &set("x y"));
        assert_eq!(twin, Choice::Several(vec!["blue".into(), "green".into()]));
        let more = [topic("one", "x y z", ""), topic("two", "z", "")];
        assert_eq!(
            choose(&more, &set(""), &set("x y")),
            Choice::Guess("one".into())
        );
        assert_eq!(choose(&more, &set(""), &set("x q")), Choice::Nothing);
    }

    #[test]
    fn a_cluster_without_connectors_takes_the_only_empty_topic() {
        let topics = [topic("full", "x", "a:1"), topic("fresh", "", "")];
        assert_eq!(
            choose(&topics, &set("b:1"), &set("")),
            Choice::Guess("fresh".into())
        );
        let two = [topic("fresh", "", ""), topic("other", "", "")];
        assert_eq!(choose(&two, &set("b:1"), &set("")), Choice::Nothing);
    }

    #[test]
    fn the_offset_topic_is_named_as_the_others_of_the_cluster() {
        let names = |all: &str| -> Topics {
            all.split_whitespace()
                .map(|n| (n.to_owned(), vec![0]))
                .collect()
        };
        let beside = |all: &str, known: &str| offsets_beside(&names(all), known.split_whitespace());
        let all = "a-status a-offsets a-configs b-offsets connect-offset";
        assert_eq!(
            beside(all, "a-status a-configs").as_deref(),
            Some("a-offsets")
        );
        assert_eq!(
            beside(all, "connect-config").as_deref(),
            Some("connect-offset")
        );
        assert_eq!(beside(all, "c-status"), None);
        assert_eq!(
            beside("x-offset x-offsets", "x-status"),
            None,
            "which of two is not known"
        );
    }
}
