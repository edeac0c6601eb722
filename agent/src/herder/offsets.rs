//! Reading, altering and resetting the offsets of connectors (KIP-875).
//!
//! Offsets of sinks are those of their consumer group, offsets of sources stand in the offset
//! store. Whether the connector is stopped is for the herder to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use sluice_api::config::Props;
use sluice_api::error::{ConnectError, ErrorKind};
use sluice_api::record::{OffsetAndMetadata, SourceOffset, SourcePartition, TopicPartition};
use sluice_kafka::admin::{Admin, AdminError, Offsets};
use sluice_protocol::rest::{ConnectorOffset, ConnectorOffsets, Message};
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, JsonObject};

use super::{HerderError, HerderResult};
use crate::plugins::{ConnectorPlugin, Plugins};
use crate::settings::{ConnectorSettings, DistributedSettings, ExactlyOnceSupport, WorkerSettings};
use crate::storage::offset_record;
use crate::stored_config::StoredConnector;
use crate::worker::client_configs;
use crate::worker::connector_offsets::OffsetStores;
use crate::worker::lifecycle::transactional_id;
use crate::worker::offset_writer::{source_offset, source_partition};
use crate::worker::transactional_producer::TransactionalProducer;

/// What a connector's offsets are reached through.
pub(crate) struct OffsetAccess<'a> {
    /// The plugins of the worker.
    pub plugins: &'a Plugins,
    pub config: &'a WorkerSettings,
    /// Where source connectors store their offsets.
    pub offsets: &'a Arc<OffsetStores>,
    /// The groups whose committed offsets are those of sink connectors.
    pub groups: &'a Admin,
}

/// A change that was made.
pub(crate) struct Changed {
    pub message: Message,
    /// Reset rather than altered.
    pub reset: bool,
    /// Partitions that were changed.
    pub partitions: u64,
}

/// The error for a connector that is not stopped.
pub(super) fn not_stopped(name: &str) -> HerderError {
    HerderError::Invalid(format!(
        "Connectors must be in the STOPPED state before their offsets can be modified. This can be \
         done for the specified connector by issuing a 'PUT' request to the \
         '/connectors/{name}/stop' endpoint"
    ))
}

type SinkChange = BTreeMap<TopicPartition, Option<i64>>;

impl OffsetAccess<'_> {
    /// The connector that a config describes.
    fn connector(&self, name: &str, config: &ConfigMap) -> HerderResult<StoredConnector> {
        StoredConnector::new(self.plugins, self.config, config).map_err(|error| {
            HerderError::Failed(format!(
                "Failed to resolve the configuration of connector {name}: {error}"
            ))
        })
    }

    /// The group of a sink's consumers: the last of these that is given wins.
    fn group(&self, name: &str, settings: &ConnectorSettings) -> String {
        let given = |consumer: &Props| consumer.get("group.id").cloned();
        given(&settings.overrides.consumer)
            .or_else(|| given(&self.config.clients.consumer))
            .unwrap_or_else(|| format!("connect-{name}"))
    }

    /// The offsets of a connector.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) async fn read(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
    ) -> HerderResult<ConnectorOffsets> {
        let StoredConnector {
            plugin, settings, ..
        } = self.connector(name, config)?;
        match plugin {
            ConnectorPlugin::Source(_) => {
                let failed = |error: &dyn std::fmt::Display| {
                    tracing::warn!(connector = %name, %error, "cannot read offsets");
                    HerderError::Failed(format!(
                        "Failed to retrieve offsets for source connector {name}"
                    ))
                };
                let store = self.offsets.lazily(name, &settings);
                let partitions = store
                    .connector_partitions(name)
                    .await
                    .map_err(|error| failed(&error))?;
                let values = store
                    .offsets(name, &partitions)
                    .await
                    .map_err(|error| failed(&error))?;
                let offsets = partitions
                    .into_iter()
                    .zip(values)
                    .map(|(partition, offset)| ConnectorOffset {
                        partition: Some(partition),
                        offset,
                    })
                    .collect();
                Ok(ConnectorOffsets { offsets })
            }
            ConnectorPlugin::Sink(_) => {
                let group = self.group(name, &settings);
                let committed = self.groups.offsets(&group, true).await.map_err(|error| {
                    tracing::warn!(connector = %name, group, %error, "cannot read group offsets");
                    HerderError::Failed(format!(
                        "Failed to retrieve consumer group offsets for sink connector {name}"
                    ))
                })?;
                let offsets = committed
                    .into_iter()
                    .map(|(of, committed)| sink_entry(&of.topic, of.partition, committed.offset))
                    .collect();
                Ok(ConnectorOffsets { offsets })
            }
        }
    }

    /// Alters the given offsets, or resets all for `None`.
    ///
    /// # Errors
    /// The texts are those of the JVM worker.
    pub(crate) async fn modify(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        offsets: Option<ConnectorOffsets>,
    ) -> HerderResult<Changed> {
        let connector = self.connector(name, config)?;
        let reset = offsets.is_none();
        let (handled, partitions) = match connector.plugin {
            ConnectorPlugin::Source(_) => self.modify_source(name, &connector, offsets).await?,
            ConnectorPlugin::Sink(_) => self.modify_sink(name, &connector, offsets).await?,
        };
        let verb = if reset { "reset" } else { "altered" };
        let message = if handled {
            format!("The offsets for this connector have been {verb} successfully")
        } else {
            format!(
                "The Connect framework-managed offsets for this connector have been {verb} \
                 successfully. However, if this connector manages offsets externally, they will need \
                 to be manually {verb} in the system that the connector uses."
            )
        };
        tracing::info!(connector = %name, partitions, "offsets {verb}");
        Ok(Changed {
            message: Message { message },
            reset,
            partitions,
        })
    }

    async fn modify_source(
        &self,
        name: &ConnectorName,
        connector: &StoredConnector,
        offsets: Option<ConnectorOffsets>,
    ) -> HerderResult<(bool, u64)> {
        let failed = |error: &dyn std::fmt::Display| {
            HerderError::Failed(format!(
                "Failed to modify offsets for source connector {name}: {error}"
            ))
        };
        let StoredConnector {
            plugin, settings, ..
        } = connector;
        let store = self.offsets.lazily(name, settings);
        let change: Vec<(JsonObject, Option<JsonObject>)> = match offsets {
            Some(given) => last_of_each(given)?,
            None => store
                .connector_partitions(name)
                .await
                .map_err(|error| failed(&error))?
                .into_iter()
                .map(|partition| (partition, None))
                .collect(),
        };
        let typed = change
            .iter()
            .map(|(partition, offset)| {
                let offset = offset.clone().map(source_offset).transpose()?;
                Ok((source_partition(partition.clone())?, offset))
            })
            .collect::<Result<Vec<(SourcePartition, Option<SourceOffset>)>, ConnectError>>()
            .map_err(HerderError::failed)?;
        let handled = plugin
            .new_connector()
            .alter_source_offsets(&settings.props, &typed)
            .await
            .map_err(|error| hook_failed(name, &error))?;
        if !change.is_empty() {
            match self.config.distributed() {
                Some(cluster) if cluster.exactly_once == ExactlyOnceSupport::Enabled => self
                    .write_in_transaction(cluster, name, settings, &change)
                    .await
                    .map_err(|error| failed(&error))?,
                _ => store
                    .set_offsets(name, &change)
                    .await
                    .map_err(|error| failed(&error))?,
            }
        }
        Ok((handled, u64::try_from(change.len()).unwrap_or(u64::MAX)))
    }

    /// Writes offsets as task 0 would, which also fences one that is left over.
    async fn write_in_transaction(
        &self,
        cluster: &DistributedSettings,
        name: &ConnectorName,
        settings: &ConnectorSettings,
        change: &[(JsonObject, Option<JsonObject>)],
    ) -> Result<(), ConnectError> {
        let task = ConnectorTaskId::new(name.clone(), 0);
        let client = client_configs::transactional_producer_config(
            self.config,
            settings,
            &task,
            &transactional_id(&cluster.group_id, &task),
        )?;
        let offsets = self
            .offsets
            .of_connector(name, settings)
            .await
            .map_err(|error| ConnectError::connect(error.to_string()))?;
        let records = change
            .iter()
            .map(|(partition, offset)| offset_record(name, partition, offset.as_ref()))
            .collect();
        offsets
            .write_in_transaction(TransactionalProducer::new(&client, &task)?, records)
            .await
    }

    async fn modify_sink(
        &self,
        name: &ConnectorName,
        connector: &StoredConnector,
        offsets: Option<ConnectorOffsets>,
    ) -> HerderResult<(bool, u64)> {
        let StoredConnector {
            plugin, settings, ..
        } = connector;
        let group = self.group(name, settings);
        let change: SinkChange = match &offsets {
            Some(given) => sink_change(given)?,
            None => self
                .groups
                .offsets(&group, true)
                .await
                .map_err(|_| {
                    HerderError::Failed(format!(
                        "Failed to list offsets prior to resetting offsets for sink connector {name}"
                    ))
                })?
                .into_keys()
                .map(|of| (TopicPartition::from(&of), None))
                .collect(),
        };
        let handled = plugin
            .new_connector()
            .alter_sink_offsets(&settings.props, &change)
            .await
            .map_err(|error| hook_failed(name, &error))?;
        if change.values().flatten().any(|offset| *offset < 0) {
            return Err(HerderError::Failed(format!(
                "Failed to modify offsets for sink connector {name}"
            )));
        }
        let changed = match offsets {
            None => self.groups.delete_group(&group).await,
            Some(_) => self.alter_group(&group, &change).await,
        };
        let verb = if offsets.is_some() { "alter" } else { "reset" };
        match changed {
            Ok(()) => Ok((handled, u64::try_from(change.len()).unwrap_or(u64::MAX))),
            Err(error) if error.group_has_members() => Err(HerderError::Failed(format!(
                "Failed to {verb} consumer group offsets for connector {name} either because its \
                 tasks haven't stopped completely yet or the connector was resumed before the \
                 request to {verb} its offsets could be successfully completed. If the connector is \
                 in a stopped state, this operation can be safely retried. If it doesn't eventually \
                 succeed, the Connect cluster may need to be restarted to get rid of the zombie sink \
                 tasks."
            ))),
            Err(error) => {
                tracing::warn!(connector = %name, group, %error, "cannot change group offsets");
                Err(HerderError::Failed(if verb == "alter" {
                    format!("Failed to alter consumer group offsets for connector {name}")
                } else {
                    format!("Failed to reset consumer group offsets for sink connector {name}")
                }))
            }
        }
    }

    async fn alter_group(&self, group: &str, change: &SinkChange) -> Result<(), AdminError> {
        let mut set = Offsets::new();
        let mut delete = Vec::new();
        for (partition, offset) in change {
            let key = partition.into();
            match offset {
                Some(offset) => {
                    set.insert(key, OffsetAndMetadata::new(*offset));
                }
                None => delete.push(key),
            }
        }
        if !set.is_empty() {
            self.groups.alter_offsets(group, &set).await?;
        }
        if !delete.is_empty() {
            self.groups.delete_offsets(group, &delete).await?;
        }
        Ok(())
    }
}

fn hook_failed(name: &str, error: &ConnectError) -> HerderError {
    if error.kind() == ErrorKind::Unsupported {
        return HerderError::Failed(format!(
            "Failed to modify offsets for connector {name} because it doesn't support external \
             modification of offsets"
        ));
    }
    HerderError::failed(error)
}

fn sink_entry(topic: &str, partition: i32, offset: i64) -> ConnectorOffset {
    let partition = JsonObject::from_iter([
        ("kafka_topic".to_owned(), Json::from(topic)),
        ("kafka_partition".to_owned(), Json::from(partition)),
    ]);
    let offset = JsonObject::from_iter([("kafka_offset".to_owned(), Json::from(offset))]);
    ConnectorOffset {
        partition: Some(partition),
        offset: Some(offset),
    }
}

/// Source offsets by partition, the last entry for each; values are primitive.
fn last_of_each(given: ConnectorOffsets) -> HerderResult<Vec<(JsonObject, Option<JsonObject>)>> {
    let mut change: Vec<(JsonObject, Option<JsonObject>)> = Vec::new();
    for entry in given.offsets {
        let partition = entry.partition.unwrap_or_default();
        for fields in [Some(&partition), entry.offset.as_ref()]
            .into_iter()
            .flatten()
        {
            sluice_protocol::offset_topic::check_primitive(fields).map_err(|(field, kind)| {
                HerderError::Failed(format!(
                    "Offsets may only contain primitive types as values, but field {field} contains {kind}"
                ))
            })?;
        }
        change.retain(|(known, _)| *known != partition);
        change.push((partition, entry.offset));
    }
    Ok(change)
}

/// Sink offsets as given to the API.
fn sink_change(given: &ConnectorOffsets) -> HerderResult<SinkChange> {
    let bad = |text: &str| HerderError::Invalid(text.to_owned());
    let mut change = SinkChange::new();
    for entry in &given.offsets {
        let partition = entry.partition.as_ref().ok_or_else(|| {
            bad("The partition for a sink connector offset cannot be null or missing")
        })?;
        let (Some(topic), Some(number)) = (
            partition.get("kafka_topic"),
            partition.get("kafka_partition"),
        ) else {
            return Err(bad(
                "The partition for a sink connector offset must contain the keys 'kafka_topic' and \
                 'kafka_partition'",
            ));
        };
        let topic = plain(topic)
            .ok_or_else(|| bad("Kafka topic names must be valid strings and may not be null"))?;
        let number = plain(number)
            .ok_or_else(|| bad("Kafka partitions must be valid numbers and may not be null"))?;
        let number = number.parse().map_err(|_| {
            HerderError::Invalid(format!(
                "Failed to parse the following Kafka partition value in the provided offsets: \
                 '{number}'. Partition values for sink connectors need to be integers."
            ))
        })?;
        let offset =
            match &entry.offset {
                None => None,
                Some(offset) => {
                    let value = offset.get("kafka_offset").ok_or_else(|| {
                    bad("The offset for a sink connector should either be null or contain the key \
                         'kafka_offset'")
                })?;
                    let value = plain(value).unwrap_or_else(|| "null".to_owned());
                    Some(value.parse().map_err(|_| {
                    HerderError::Invalid(format!(
                        "Failed to parse the following Kafka offset value in the provided offsets: \
                         '{value}'. Offset values for sink connectors need to be integers."
                    ))
                })?)
                }
            };
        change.insert(TopicPartition::new(topic, number), offset);
    }
    Ok(change)
}

/// The text of a JSON value, `None` for null.
fn plain(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> HerderResult<SinkChange> {
        sink_change(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn numbers_may_be_given_as_text_and_null_deletes() {
        let change = parsed(
            r#"{"offsets":[{"partition":{"kafka_topic":"t","kafka_partition":"1"},"offset":{"kafka_offset":"7"}},
                {"partition":{"kafka_topic":"t","kafka_partition":2},"offset":null}]}"#,
        )
        .unwrap();
        assert_eq!(change[&TopicPartition::new("t", 1)], Some(7));
        assert_eq!(change[&TopicPartition::new("t", 2)], None);
    }

    #[test]
    fn every_fault_of_a_sink_offset_has_its_text() {
        for (partition, offset, text) in [
            ("null", "null", "cannot be null or missing"),
            ("{}", "null", "must contain the keys"),
            (
                r#"{"kafka_topic":null,"kafka_partition":0}"#,
                "null",
                "topic names must be valid",
            ),
            (
                r#"{"kafka_topic":"t","kafka_partition":null}"#,
                "null",
                "partitions must be valid numbers",
            ),
            (
                r#"{"kafka_topic":"t","kafka_partition":"x"}"#,
                "null",
                "partition value in the provided offsets: 'x'",
            ),
            (
                r#"{"kafka_topic":"t","kafka_partition":0}"#,
                "{}",
                "contain the key 'kafka_offset'",
            ),
            (
                r#"{"kafka_topic":"t","kafka_partition":0}"#,
                r#"{"kafka_offset":"x"}"#,
                "offset value in the provided offsets: 'x'",
            ),
        ] {
            let json = format!(r#"{{"offsets":[{{"partition":{partition},"offset":{offset}}}]}}"#);
            let error = parsed(&json).unwrap_err();
            assert!(matches!(error, HerderError::Invalid(_)), "{error:?}");
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn the_last_entry_of_a_source_partition_wins_and_nested_values_are_refused() {
        let given = serde_json::from_str(
            r#"{"offsets":[{"partition":{"a":1},"offset":{"p":1}},{"partition":{"a":1},"offset":{"p":2}}]}"#,
        )
        .unwrap();
        let change = last_of_each(given).unwrap();
        assert_eq!(change.len(), 1);
        assert_eq!(change[0].1.as_ref().unwrap()["p"], 2);
        let nested =
            serde_json::from_str(r#"{"offsets":[{"partition":{"a":{}},"offset":null}]}"#).unwrap();
        let error = last_of_each(nested).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Offsets may only contain primitive types as values, but field a contains MAP"
        );
    }
}
