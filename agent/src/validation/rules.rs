//! Rules that concern more than one key, or the worker (`SinkConnectorConfig.validate`, `DistributedHerder`).

use indexmap::IndexMap;
use sluice_api::Result;
use sluice_api::config::{ConfigValue, Props, ValidatedKey};
use sluice_api::connector::{Connector, ExactlyOnceSupport};
use sluice_jvm_text::regex::JavaRegex;

use super::add_fault;
use crate::settings::{self, WorkerSettings};

fn text<'a>(values: &'a IndexMap<String, ValidatedKey>, key: &str) -> &'a str {
    match values.get(key).map(|value| &value.value) {
        Some(ConfigValue::String(text) | ConfigValue::Class(text)) => text,
        _ => "",
    }
}

pub(super) fn sink_rules(
    values: &mut IndexMap<String, ValidatedKey>,
    worker: &WorkerSettings,
    props: &Props,
) {
    let topics = match values.get("topics").map(|value| &value.value) {
        Some(ConfigValue::List(topics)) => topics.clone(),
        _ => Vec::new(),
    };
    let regex = text(values, "topics.regex").to_owned();
    let dlq = text(values, "errors.deadletterqueue.topic.name")
        .trim()
        .to_owned();
    let has_topics = props
        .get("topics")
        .is_some_and(|text| !text.trim().is_empty());
    match (has_topics, !regex.is_empty()) {
        (true, true) => {
            let fault = "topics and topics.regex are mutually exclusive options, but both are set.";
            add_fault(values, "topics", fault.to_owned());
            add_fault(values, "topics.regex", fault.to_owned());
        }
        (false, false) => {
            let fault = "Must configure one of topics or topics.regex";
            add_fault(values, "topics", fault.to_owned());
            add_fault(values, "topics.regex", fault.to_owned());
        }
        _ => {}
    }
    if !dlq.is_empty() {
        if topics.contains(&dlq) {
            add_fault(
                values,
                "topics",
                format!(
                    "The DLQ topic '{dlq}' may not be included in the list of topics ('topics=[{}]') \
                     consumed by the connector",
                    topics.join(", ")
                ),
            );
        }
        let matches = !regex.is_empty()
            && JavaRegex::new(&regex).is_ok_and(|regex| regex.matches(&dlq).unwrap_or(false));
        if matches {
            add_fault(
                values,
                "topics.regex",
                format!(
                    "The DLQ topic '{dlq}' may not be matched by the regex for the topics \
                     ('topics.regex={regex}') consumed by the connector"
                ),
            );
        }
    }
    if let Some(cluster) = worker.distributed() {
        let name = text(values, "name").to_owned();
        let own_group = props.get("consumer.override.group.id");
        let group = own_group
            .cloned()
            .unwrap_or_else(|| format!("connect-{name}"));
        if group == cluster.group_id {
            match own_group {
                Some(_) => add_fault(
                    values,
                    "consumer.override.group.id",
                    format!(
                        "Consumer group {group} conflicts with Connect worker group {}",
                        cluster.group_id
                    ),
                ),
                None => add_fault(
                    values,
                    "name",
                    format!(
                        "Consumer group for sink connector named {name} conflicts with Connect \
                         worker group {}",
                        cluster.group_id
                    ),
                ),
            }
        }
    }
}

pub(super) async fn source_rules(
    values: &mut IndexMap<String, ValidatedKey>,
    worker: &WorkerSettings,
    connector: &dyn Connector,
    props: &Props,
) -> Result<()> {
    let without_fault = |values: &IndexMap<String, ValidatedKey>, key: &str| {
        values.get(key).is_some_and(|value| value.errors.is_empty())
    };
    if without_fault(values, "exactly.once.support")
        && text(values, "exactly.once.support").eq_ignore_ascii_case("required")
    {
        let fault = if worker.exactly_once() != settings::ExactlyOnceSupport::Enabled {
            Some("This worker does not have exactly-once source support enabled.".to_owned())
        } else {
            match connector.exactly_once_support(props).await? {
                Some(ExactlyOnceSupport::Supported) => None,
                Some(ExactlyOnceSupport::Unsupported) => Some(
                    "The connector does not support exactly-once semantics with the provided \
                     configuration.".to_owned(),
                ),
                None => Some(
                    "The connector does not implement the API required for preflight validation of \
                     exactly-once source support. Please consult the documentation for the connector \
                     to determine whether it supports exactly-once semantics, and then consider \
                     reconfiguring the connector to use the value \"requested\" for this property \
                     (which will disable this preflight check).".to_owned(),
                ),
            }
        };
        if let Some(fault) = fault {
            add_fault(values, "exactly.once.support", fault);
        }
    }
    if without_fault(values, "transaction.boundary")
        && text(values, "transaction.boundary").eq_ignore_ascii_case("connector")
        && !connector.can_define_transaction_boundaries(props).await?
    {
        add_fault(
            values,
            "transaction.boundary",
            "The connector does not support connector-defined transaction boundaries with the given \
             configuration. Please reconfigure it to use a different transaction boundary \
             definition.".to_owned(),
        );
    }
    Ok(())
}
