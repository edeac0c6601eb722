//! Finds the internal topics of a Connect cluster. The REST API does not name them, so they are recognised by what is
//! in them: a status topic of ours has records about our connectors or from our workers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;

use super::{Shared, TIMEOUT, spawn, tail, telemetry};
use crate::conn::rest::Known;

/// Distance between tries.
const RETRY: Duration = Duration::from_secs(15);

/// Finds the topics and starts to follow each one found, until all are or the cluster is left.
pub(super) fn follow(shared: &Arc<Shared>) {
    let mut status: Option<String> = None;
    let mut config: Option<String> = None;
    let mut telemetry_topic: Option<String> = None;
    while !shared.is_over() {
        let known = shared.known.borrow().clone();
        if known.listed
            && let Some(names) = names(shared)
        {
            if status.is_none() {
                status = find(
                    shared,
                    "status topic",
                    &shared.wanted.status,
                    &names,
                    "status",
                    &known,
                    tail::status_subjects,
                );
                if let Some(topic) = status.clone() {
                    let shared = Arc::clone(shared);
                    spawn("sluice-status", move || {
                        tail::follow_status(&shared, &topic);
                    });
                }
            }
            if config.is_none() {
                config = find(
                    shared,
                    "config topic",
                    &shared.wanted.config,
                    &names,
                    "config",
                    &known,
                    tail::config_subjects,
                );
                if let Some(topic) = config.clone() {
                    let shared = Arc::clone(shared);
                    spawn("sluice-config", move || {
                        tail::follow_config(&shared, &topic);
                    });
                }
            }
            if telemetry_topic.is_none() {
                telemetry_topic = find_telemetry(shared, &names, status.as_deref());
                if let Some(topic) = telemetry_topic.clone() {
                    let shared = Arc::clone(shared);
                    spawn("sluice-telemetry", move || {
                        telemetry::follow(&shared, &topic);
                    });
                }
            }
            if status.is_some() && config.is_some() && telemetry_topic.is_some() {
                return;
            }
        }
        // Before the first list there is nothing to recognise topics by; it comes in a moment.
        shared.pause(if known.listed {
            RETRY
        } else {
            Duration::from_millis(300)
        });
    }
}

/// Names of all topics; `None` while the brokers do not answer.
fn names(shared: &Shared) -> Option<BTreeSet<String>> {
    let consumer = shared.consumer("sluice-terminal").ok()?;
    let metadata = consumer.fetch_metadata(None, TIMEOUT).ok()?;
    Some(
        metadata
            .topics()
            .iter()
            .map(|topic| topic.name().to_owned())
            .collect(),
    )
}

/// What a candidate's records are about: connectors and workers.
pub(super) type Subjects = (BTreeSet<String>, BTreeSet<String>);

/// The topic named by the context, or the one candidate whose records are about our cluster.
fn find(
    shared: &Shared,
    what: &'static str,
    wanted: &Option<String>,
    names: &BTreeSet<String>,
    word: &str,
    known: &Known,
    subjects: fn(&Shared, &str) -> Option<Subjects>,
) -> Option<String> {
    if let Some(name) = wanted {
        let note = if names.contains(name) {
            name.clone()
        } else {
            format!("{name} does not exist")
        };
        shared.note(what, note);
        return names.contains(name).then(|| name.clone());
    }
    let candidates: Vec<&String> = names
        .iter()
        .filter(|name| {
            name.to_lowercase().contains(word)
                && !name.starts_with("__")
                && !name.ends_with(sluice_protocol::telemetry::TOPIC_SUFFIX)
        })
        .collect();
    let mut empty = Vec::new();
    for name in &candidates {
        let Some((connectors, workers)) = subjects(shared, name) else {
            continue;
        };
        let ours = connectors
            .iter()
            .any(|name| known.connectors.contains(name))
            || workers.iter().any(|worker| known.workers.contains(worker));
        if ours {
            shared.note(what, (*name).clone());
            return Some((*name).clone());
        }
        if connectors.is_empty() && workers.is_empty() {
            empty.push((*name).clone());
        }
    }
    // A cluster without connectors has nothing to recognise its topic by but that it is empty, as ours must be.
    if let ([only], true) = (&empty[..], known.connectors.is_empty()) {
        shared.note(what, only.clone());
        return Some(only.clone());
    }
    shared.note(
        what,
        format!(
            "not found among {} candidates; name it in the context",
            candidates.len()
        ),
    );
    None
}

fn find_telemetry(
    shared: &Shared,
    names: &BTreeSet<String>,
    status: Option<&str>,
) -> Option<String> {
    let suffix = sluice_protocol::telemetry::TOPIC_SUFFIX;
    let name = shared
        .wanted
        .telemetry
        .clone()
        .or_else(|| status.map(|status| format!("{status}{suffix}")))?;
    if names.contains(&name) {
        shared.note("telemetry topic", name.clone());
        return Some(name);
    }
    shared.note(
        "telemetry topic",
        format!("{name} does not exist (JVM workers write none)"),
    );
    None
}
