//! The connectors: they check the configuration against the database, watch for new and removed tables, and
//! split tables over tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_api::{
    ConfigDef, ConnectError, Connector, ConnectorContext, ExactlyOnceSupport, KeyFault, Props,
    Result, SourceOffset, SourcePartition, TopicPartition, async_trait,
};
use sluice_toolkit::sink_connector::System;
use tokio_util::sync::CancellationToken;

use crate::config::{
    AUTO_CREATE, CONNECTION_PASSWORD, CONNECTION_URL, CONNECTION_USER, ConnectionSettings, MODE,
    QUERY, SinkSettings, SourceSettings, TABLE_NAME_FORMAT, TASK_TABLES, TOPIC_PREFIX, WHITELIST,
    encode_tables, sink_def, source_def,
};
use crate::dialect::{self, Privilege, Session};
use crate::error::{DatabaseError, DatabaseResult, Fault};
use crate::exactly_once;
use crate::sink_plan::no_transactions;
use crate::source_offset::check_altered;
use crate::source_query::Subject;
use crate::source_task::{check_query, plan_of};
use crate::table::TableId;
use crate::url_parameters::without_effect;

/// Tables whose columns and privileges are checked when a configuration is validated.
const CHECKED_TABLES: usize = 50;

fn key_fault(key: &str, message: String) -> KeyFault {
    KeyFault {
        key: key.to_owned(),
        message,
    }
}

/// Why a configuration could not be parsed; nothing where its definition shows the faults at their keys
/// already.
fn unparsed(def: &ConfigDef, props: &Props, error: &ConnectError) -> Vec<KeyFault> {
    let shown = def.validate(props).iter().any(|key| !key.errors.is_empty());
    match shown {
        true => Vec::new(),
        false => vec![key_fault(CONNECTION_URL, error.message().to_owned())],
    }
}

/// Says once per start which parameters of the URL have no effect.
fn warn_of_parameters(settings: &ConnectionSettings) {
    let names = without_effect(&settings.url);
    if !names.is_empty() {
        tracing::warn!(
            "parameters of {CONNECTION_URL} that have no effect here: {}",
            names.join(", ")
        );
    }
}

/// Tries the connection once, for validation.
async fn try_connection(
    settings: &ConnectionSettings,
) -> std::result::Result<Box<dyn Session>, Vec<KeyFault>> {
    dialect::connect_once(settings).await.map_err(|error| {
        let message = error.explain("connecting", &settings.url);
        let keys: &[&str] = match error.fault {
            Fault::Authentication => &[CONNECTION_USER, CONNECTION_PASSWORD],
            _ => &[CONNECTION_URL],
        };
        keys.iter()
            .map(|key| key_fault(key, message.clone()))
            .collect()
    })
}

/// Fails if rows of the table may not be read.
async fn check_readable(
    settings: &ConnectionSettings,
    session: &mut dyn Session,
    table: &TableId,
) -> DatabaseResult<()> {
    let quoted = dialect::Dialect {
        quote: true,
        ..settings.dialect()
    };
    session
        .execute(&format!(
            "SELECT 1 FROM {} WHERE 1 = 0",
            quoted.table(table)
        ))
        .await
}

/// All tables that a source reads, in order of name.
async fn wanted_tables(
    settings: &SourceSettings,
    session: &mut dyn Session,
) -> DatabaseResult<Vec<TableId>> {
    let mut tables = session.tables(&settings.filter.kinds).await?;
    tables.retain(|table| settings.filter.accepts(table));
    tables.sort();
    Ok(tables)
}

/// Tables of one name have one topic, in which their rows would be mixed; the text says which, and what to
/// do.
fn same_topic(tables: &[TableId]) -> Option<String> {
    let mut by_name: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for table in tables {
        by_name
            .entry(&table.name)
            .or_default()
            .push(table.to_string());
    }
    let twice: Vec<String> = by_name
        .into_values()
        .filter(|tables| tables.len() > 1)
        .map(|tables| tables.join(" and "))
        .collect();
    (!twice.is_empty()).then(|| {
        format!(
            "the topic of a table is topic.prefix and its name without schema, so these would share one \
             topic: {}; list one of each in table.whitelist with its schema, or set schema.pattern, and read \
             the others by connectors of their own",
            twice.join("; ")
        )
    })
}

/// Splits into at most `count` runs whose sizes differ by one (`ConnectorUtils.groupPartitions`).
fn grouped(tables: &[TableId], count: usize) -> Vec<&[TableId]> {
    let groups = count.min(tables.len());
    let mut rest = tables;
    (0..groups)
        .map(|index| {
            let size = rest.len().div_ceil(groups - index);
            let (group, others) = rest.split_at(size);
            rest = others;
            group
        })
        .collect()
}

/// `JdbcSourceConnector`.
#[derive(Default)]
pub(crate) struct JdbcSourceConnector {
    context: Option<Arc<dyn ConnectorContext>>,
    settings: Option<SourceSettings>,
    props: Props,
    /// Ends the watch over tables.
    watch: CancellationToken,
}

/// Looks for changes of the set of tables until cancelled.
async fn watch_tables(
    settings: SourceSettings,
    mut known: Vec<TableId>,
    context: Arc<dyn ConnectorContext>,
    ended: CancellationToken,
) {
    let mut session: Option<Box<dyn Session>> = None;
    let stopping = context.stopping();
    loop {
        tokio::select! {
            () = tokio::time::sleep(settings.table_poll_interval) => {}
            () = ended.cancelled() => return,
            () = stopping.cancelled() => return,
        }
        if session.is_none() {
            session = dialect::connect_once(&settings.connection).await.ok();
        }
        let Some(open) = &mut session else {
            continue;
        };
        match wanted_tables(&settings, open.as_mut()).await {
            Ok(tables) if tables != known => {
                tracing::info!(
                    before = known.len(),
                    now = tables.len(),
                    "the set of tables has changed; tasks are configured anew"
                );
                known = tables;
                context.request_task_reconfiguration();
            }
            Ok(_) => {}
            Err(error) => {
                // The tasks tell of an outage; the watch goes on after it.
                tracing::debug!(
                    "{}",
                    error.explain("listing tables", &settings.connection.url)
                );
                session = None;
            }
        }
    }
}

impl JdbcSourceConnector {
    async fn check_tables(
        settings: &SourceSettings,
        session: &mut dyn Session,
    ) -> std::result::Result<(), KeyFault> {
        let place = &settings.connection.url;
        let explained = |key: &str, what: &str, error: &DatabaseError| {
            key_fault(key, error.explain(what, place))
        };
        if let Some(query) = &settings.query {
            let subject = Subject::Query(query.clone());
            return match check_query(settings, session, &subject).await {
                Ok(()) => Ok(()),
                Err(error) => Err(explained(QUERY, "preparing the query", &error)),
            };
        }
        let all = session
            .tables(&settings.filter.kinds)
            .await
            .map_err(|error| explained(CONNECTION_URL, "listing tables", &error))?;
        let missing = settings.filter.missing(&all);
        if !missing.is_empty() {
            let names: Vec<String> = all.iter().take(20).map(TableId::short).collect();
            return Err(key_fault(
                WHITELIST,
                format!(
                    "there is no table {} at {place}; create it, grant the privilege to read it, or correct \
                     table.whitelist. Tables that {} sees: {}",
                    missing.join(", "),
                    settings.connection.user.as_deref().unwrap_or("the user"),
                    if names.is_empty() {
                        "none".to_owned()
                    } else {
                        names.join(", ")
                    }
                ),
            ));
        }
        let wanted: Vec<TableId> = all
            .into_iter()
            .filter(|table| settings.filter.accepts(table))
            .collect();
        if let Some(message) = same_topic(&wanted) {
            return Err(key_fault(WHITELIST, message));
        }
        for table in wanted.iter().take(CHECKED_TABLES) {
            let what = format!("reading table {}", table.short());
            check_readable(&settings.connection, session, table)
                .await
                .map_err(|error| explained(WHITELIST, &what, &error))?;
            if let Some(message) = settings.unnamable(table) {
                return Err(key_fault(TOPIC_PREFIX, message));
            }
            plan_of(settings, session, &Subject::Table(table.clone()))
                .await
                .map_err(|error| explained(MODE, &what, &error))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Connector for JdbcSourceConnector {
    async fn start(&mut self, context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()> {
        let settings = SourceSettings::parse(props)?;
        warn_of_parameters(&settings.connection);
        self.settings = Some(settings);
        self.props = props.clone();
        self.context = Some(context);
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        let (Some(settings), Some(context)) = (&self.settings, &self.context) else {
            return Err(ConnectError::connect("the connector was not started"));
        };
        if settings.query.is_some() {
            return Ok(vec![self.props.clone()]);
        }
        let place = &settings.connection.url;
        let mut session = dialect::connect(&settings.connection, &context.stopping())
            .await
            .map_err(|error| error.into_connect("connecting", place))?;
        let tables = wanted_tables(settings, session.as_mut())
            .await
            .map_err(|error| error.into_connect("listing tables", place))?;
        if let Some(message) = same_topic(&tables) {
            return Err(ConnectError::connect(message));
        }
        // One of them must not end the tasks of the others.
        let tables: Vec<TableId> = tables
            .into_iter()
            .filter(|table| match settings.unnamable(table) {
                Some(message) => {
                    tracing::warn!("left out: {message}");
                    false
                }
                None => true,
            })
            .collect();
        if tables.is_empty() {
            tracing::warn!("no table of {place} fits the configuration; looking again later");
        }
        self.watch.cancel();
        self.watch = CancellationToken::new();
        tokio::spawn(watch_tables(
            settings.clone(),
            tables.clone(),
            Arc::clone(context),
            self.watch.clone(),
        ));
        Ok(grouped(&tables, max_tasks)
            .into_iter()
            .map(|tables| {
                let mut props = self.props.clone();
                props.insert(TASK_TABLES.to_owned(), encode_tables(tables));
                props
            })
            .collect())
    }

    async fn stop(&mut self) -> Result<()> {
        self.watch.cancel();
        Ok(())
    }

    async fn validate(&self, props: &Props) -> Vec<KeyFault> {
        let settings = match SourceSettings::parse(props) {
            Ok(settings) => settings,
            Err(error) => return unparsed(&source_def(), props, &error),
        };
        let faults = settings.faults(props);
        if !faults.is_empty() {
            return faults;
        }
        match try_connection(&settings.connection).await {
            Err(faults) => faults,
            Ok(mut session) => match Self::check_tables(&settings, session.as_mut()).await {
                Ok(()) => Vec::new(),
                Err(fault) => vec![fault],
            },
        }
    }

    async fn exactly_once_support(&self, props: &Props) -> Result<Option<ExactlyOnceSupport>> {
        // Whole tables are read anew after a restart; rows of one timestamp have one offset.
        let exact = SourceSettings::parse(props).is_ok_and(|settings| settings.mode.incrementing);
        Ok(Some(exact.into()))
    }

    async fn alter_source_offsets(
        &self,
        _props: &Props,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool> {
        check_altered(offsets)?;
        Ok(true)
    }
}

/// The connector's side of a database that is written to.
pub(crate) struct SinkDatabase;

/// Topics that a configuration names one by one.
fn topics(props: &Props) -> Vec<&str> {
    let topics = props.get("topics").map(String::as_str).unwrap_or_default();
    topics
        .split(',')
        .map(str::trim)
        .filter(|topic| !topic.is_empty())
        .collect()
}

impl SinkDatabase {
    /// The table of a topic is there, or may be created, and may be written.
    async fn check_table(
        settings: &SinkSettings,
        session: &mut dyn Session,
        topic: &str,
    ) -> std::result::Result<(), KeyFault> {
        let place = &settings.connection.url;
        if let Some(message) = settings.misplaced(topic) {
            return Err(key_fault(TABLE_NAME_FORMAT, message));
        }
        let name = settings.table_of(topic);
        let found = session.table(&name).await.map_err(|error| {
            let what = format!("looking at table {}", name.short());
            key_fault(TABLE_NAME_FORMAT, error.explain(&what, place))
        })?;
        let (key, what, needed) = match found {
            Some(_) => (TABLE_NAME_FORMAT, "writing to", settings.privileges()),
            None if settings.auto_create => (AUTO_CREATE, "creating", vec![Privilege::Create]),
            None => {
                return Err(key_fault(
                    TABLE_NAME_FORMAT,
                    format!(
                        "there is no table {} for topic {topic} at {place}; create it, correct \
                         table.name.format, or set auto.create=true",
                        name.short()
                    ),
                ));
            }
        };
        if settings.exactly_once
            && let Ok(Some(facts)) = session.facts(&name).await
            && !facts.transactional
        {
            let message = no_transactions(&name, &facts).message().to_owned();
            return Err(key_fault(TABLE_NAME_FORMAT, message));
        }
        for privilege in needed {
            match session.check_privilege(privilege, &name).await {
                // What can't be tried beforehand shows when it is done.
                Ok(()) => {}
                Err(error) if error.fault == Fault::Other => {}
                Err(error) => {
                    let what = format!("{what} table {}", name.short());
                    return Err(key_fault(key, error.explain(&what, place)));
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl System for SinkDatabase {
    fn starting(props: &Props) -> Result<()> {
        warn_of_parameters(&SinkSettings::parse(props)?.connection);
        Ok(())
    }

    async fn validate(props: &Props) -> Vec<KeyFault> {
        let settings = match SinkSettings::parse(props) {
            Ok(settings) => settings,
            Err(error) => return unparsed(&sink_def(), props, &error),
        };
        let faults = settings.faults(props);
        if !faults.is_empty() {
            return faults;
        }
        let mut session = match try_connection(&settings.connection).await {
            Ok(session) => session,
            Err(faults) => return faults,
        };
        if props.keys().any(|key| key == "transforms") {
            // Transformations may change topics, so tables are known by then only.
            return Vec::new();
        }
        for topic in topics(props) {
            if let Err(fault) = Self::check_table(&settings, session.as_mut(), topic).await {
                return vec![fault];
            }
        }
        Vec::new()
    }

    async fn alter_offsets(
        props: &Props,
        offsets: &BTreeMap<TopicPartition, Option<i64>>,
    ) -> Result<()> {
        let settings = SinkSettings::parse(props)?;
        if !settings.exactly_once {
            return Ok(());
        }
        exactly_once::alter(&settings, offsets)
            .await
            .map_err(|error| {
                error.into_connect("changing stored offsets", &settings.connection.url)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_spread_evenly_and_never_over_more_tasks_than_there_are() {
        let tables: Vec<TableId> = ["a", "b", "c", "d", "e"].map(TableId::named).to_vec();
        let sizes = |count| {
            grouped(&tables, count)
                .iter()
                .map(|group| group.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(2), [3, 2]);
        assert_eq!(sizes(3), [2, 2, 1]);
        assert_eq!(sizes(9), [1, 1, 1, 1, 1]);
        assert!(grouped(&[], 3).is_empty());
    }
}
