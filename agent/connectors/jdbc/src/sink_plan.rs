//! From records to rows: which columns a record's fields go to, and the statement for them.
//!
//! A plan is made once for records of one topic with one pair of schemas; it creates or extends the table if
//! it may.

use std::sync::Arc;

use sluice_api::schema::same_schemas;
use sluice_api::{ConnectError, ConnectRecord, Result, Schema, SchemaType, SinkRecord, Value};

use crate::cell::Cell;
use crate::config::{InsertMode, PkMode, SinkSettings};
use crate::dialect::{NewColumn, Operation, Session, Write};
use crate::error::{DatabaseError, Fault};
use crate::table::{Column, Table, TableId};
use crate::table_facts::{Strategy, TableFacts};

const KAFKA_FIELDS: [&str; 3] = ["__connect_topic", "__connect_partition", "__connect_offset"];

/// Looks at a table that changes meanwhile.
const MAX_LOOKS: usize = 5;

/// Where a cell comes from.
#[derive(Debug, Clone)]
enum Origin {
    Topic,
    Partition,
    Offset,
    /// The key, of a primitive type.
    Key,
    KeyField(usize),
    ValueField(usize),
}

/// One column to be, before the table is looked at.
#[derive(Debug, Clone)]
struct Wanted {
    name: String,
    origin: Origin,
    schema: Arc<Schema>,
    primary_key: bool,
}

/// How records of one kind are written.
#[derive(Debug)]
pub(crate) struct SinkPlan {
    topic: String,
    key_schema: Option<Arc<Schema>>,
    value_schema: Option<Arc<Schema>>,
    origins: Vec<(Origin, Arc<Schema>)>,
    pub(crate) write: Write,
    /// Of the table as it was when the plan was made.
    pub(crate) facts: TableFacts,
    pub(crate) strategy: Strategy,
}

fn data(message: impl Into<String>) -> ConnectError {
    ConnectError::data(message)
}

fn schema_of(kind: &Arc<Schema>) -> Arc<Schema> {
    Arc::clone(kind)
}

/// Columns of the primary key, in order.
fn key_columns(settings: &SinkSettings, record: &ConnectRecord) -> Result<Vec<Wanted>> {
    use sluice_api::schemas::{INT32, INT64, STRING};
    let wanted = |name: &str, origin, schema: Arc<Schema>| Wanted {
        name: name.to_owned(),
        origin,
        schema,
        primary_key: true,
    };
    match settings.pk_mode {
        PkMode::None => Ok(Vec::new()),
        PkMode::Kafka => {
            let origins = [Origin::Topic, Origin::Partition, Origin::Offset];
            let schemas = [schema_of(&STRING), schema_of(&INT32), schema_of(&INT64)];
            let given = settings.pk_fields.iter().map(String::as_str);
            let names: Vec<&str> = if settings.pk_fields.is_empty() {
                KAFKA_FIELDS.to_vec()
            } else {
                given.collect()
            };
            Ok(names
                .into_iter()
                .zip(origins)
                .zip(schemas)
                .map(|((name, origin), schema)| wanted(name, origin, schema))
                .collect())
        }
        PkMode::RecordKey => {
            let schema = record.key_schema.as_ref().ok_or_else(|| {
                data("pk.mode=record_key needs a key with a schema, but the record's key has none")
            })?;
            match schema.schema_type() {
                SchemaType::Struct => fields_of_key(settings, schema, "key", Origin::KeyField),
                kind if kind.is_primitive() => match &settings.pk_fields[..] {
                    [name] => Ok(vec![wanted(name, Origin::Key, schema_of(schema))]),
                    _ => Err(ConnectError::connect(format!(
                        "the key is a {kind}, so pk.fields must name exactly one column; it names {}",
                        settings.pk_fields.len()
                    ))),
                },
                kind => Err(data(format!("a key of type {kind} can't be a primary key"))),
            }
        }
        PkMode::RecordValue => {
            let schema = value_struct(record)?;
            fields_of_key(settings, schema, "value", Origin::ValueField)
        }
    }
}

/// The fields named by `pk.fields`, or all.
fn fields_of_key(
    settings: &SinkSettings,
    schema: &Arc<Schema>,
    part: &str,
    origin: fn(usize) -> Origin,
) -> Result<Vec<Wanted>> {
    let names: Vec<&str> = if settings.pk_fields.is_empty() {
        schema
            .fields()
            .iter()
            .map(|field| &**field.name())
            .collect()
    } else {
        settings.pk_fields.iter().map(String::as_str).collect()
    };
    names
        .into_iter()
        .map(|name| {
            let field = schema.field(name).ok_or_else(|| {
                data(format!(
                    "the record's {part} has no field {name:?}, which pk.fields names"
                ))
            })?;
            Ok(Wanted {
                name: name.to_owned(),
                origin: origin(field.index()),
                schema: schema_of(field.schema()),
                primary_key: true,
            })
        })
        .collect()
}

fn value_struct(record: &ConnectRecord) -> Result<&Arc<Schema>> {
    match &record.value_schema {
        Some(schema) if schema.schema_type() == SchemaType::Struct => Ok(schema),
        Some(schema) => Err(data(format!(
            "a row needs a struct as value, but the record's value is a {}",
            schema.schema_type()
        ))),
        None => Err(data(
            "a row needs a struct with a schema as value, but the record's value has no schema; use a \
             converter with schemas",
        )),
    }
}

fn wanted_columns(
    settings: &SinkSettings,
    record: &ConnectRecord,
    delete: bool,
) -> Result<Vec<Wanted>> {
    let mut columns = key_columns(settings, record)?;
    if delete {
        return Ok(columns);
    }
    let schema = value_struct(record)?;
    let whitelist = &settings.fields_whitelist;
    for field in schema.fields() {
        let name: &str = field.name();
        if columns.iter().any(|column| column.name == name)
            || !(whitelist.is_empty() || whitelist.iter().any(|listed| listed == name))
        {
            continue;
        }
        columns.push(Wanted {
            name: name.to_owned(),
            origin: Origin::ValueField(field.index()),
            schema: schema_of(field.schema()),
            primary_key: false,
        });
    }
    if columns.is_empty() {
        return Err(data("the record has no field that would be a column"));
    }
    Ok(columns)
}

fn found<'a>(table: &'a Table, name: &str) -> Option<&'a Column> {
    table.column(name).or_else(|| {
        table
            .columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
    })
}

/// Why a plan could not be made.
#[derive(Debug)]
pub(crate) enum PlanError {
    /// The record, or the configuration.
    Connect(ConnectError),
    /// The database; with what was tried.
    Database(DatabaseError, String),
}

impl From<ConnectError> for PlanError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl SinkPlan {
    /// Whether it is for records such as this one.
    pub(crate) fn fits(&self, record: &ConnectRecord) -> bool {
        // A tombstone may have the schema of a value.
        (self.write.operation == Operation::Delete) == record.value.is_null()
            && self.topic == *record.topic
            && same_schemas(self.key_schema.as_ref(), record.key_schema.as_ref())
            && same_schemas(self.value_schema.as_ref(), record.value_schema.as_ref())
    }

    /// Makes the plan for records such as this one.
    pub(crate) async fn make(
        settings: &SinkSettings,
        session: &mut dyn Session,
        record: &ConnectRecord,
        delete: bool,
    ) -> Result<Self, PlanError> {
        let wanted = wanted_columns(settings, record, delete)?;
        let (table, facts) = settled_table(settings, session, record, &wanted).await?;
        let mut columns = Vec::with_capacity(wanted.len());
        for column in &wanted {
            let existing = found(&table, &column.name).ok_or_else(|| {
                ConnectError::connect(format!(
                    "table {} has no column {:?}; add it, leave the field out by fields.whitelist, or set \
                     auto.evolve=true",
                    table.id.short(),
                    column.name
                ))
            })?;
            columns.push(existing.clone());
        }
        let operation = match (delete, settings.insert_mode) {
            (true, _) => Operation::Delete,
            (false, InsertMode::Insert) => Operation::Insert,
            (false, InsertMode::Upsert) => Operation::Upsert,
            (false, InsertMode::Update) => Operation::Update,
        };
        if operation == Operation::Update && wanted.iter().all(|column| column.primary_key) {
            return Err(data("insert.mode=update needs fields beside the primary key").into());
        }
        let write = Write {
            operation,
            table: table.id,
            key_columns: wanted.iter().filter(|column| column.primary_key).count(),
            columns,
        };
        Ok(Self {
            topic: record.topic.to_string(),
            key_schema: record.key_schema.clone(),
            value_schema: record.value_schema.clone(),
            strategy: Strategy::of(&write, &facts),
            facts,
            write,
            origins: wanted
                .into_iter()
                .map(|column| (column.origin, column.schema))
                .collect(),
        })
    }

    /// The row of a record.
    pub(crate) fn row(&self, record: &SinkRecord, defaults: bool) -> Result<Vec<Cell>> {
        let data_of = |value: &Value, index: usize| match value.as_struct() {
            Some(fields) => Ok(fields.value_at(index).clone()),
            None => Err(data("a row needs a struct, but the record holds none")),
        };
        let mut row = Vec::with_capacity(self.origins.len());
        for (index, (origin, schema)) in self.origins.iter().enumerate() {
            let inner = &record.record;
            let value = match origin {
                Origin::Topic => Value::String(inner.topic.clone()),
                Origin::Partition => Value::Int32(inner.kafka_partition.unwrap_or_default()),
                Origin::Offset => Value::Int64(record.kafka_offset),
                Origin::Key => inner.key.clone(),
                Origin::KeyField(field) => data_of(&inner.key, *field)?,
                Origin::ValueField(field) => data_of(&inner.value, *field)?,
            };
            let value = match (&value, schema.default_value()) {
                (Value::Null, Some(default)) if defaults => default.clone(),
                _ => value,
            };
            let name = || {
                self.write
                    .columns
                    .get(index)
                    .map_or("", |column| &*column.name)
            };
            if value.is_null() && index < self.write.key_columns {
                return Err(data(format!(
                    "column {:?} of the primary key is null",
                    name()
                )));
            }
            row.push(
                Cell::of(&value, Some(schema))
                    .map_err(|why| data(format!("column {:?}: {why}", name())))?,
            );
        }
        Ok(row)
    }
}

/// The table of a record with its facts, which are of the same moment.
async fn settled_table(
    settings: &SinkSettings,
    session: &mut dyn Session,
    record: &ConnectRecord,
    wanted: &[Wanted],
) -> Result<(Table, TableFacts), PlanError> {
    if let Some(message) = settings.misplaced(&record.topic) {
        return Err(ConnectError::connect(message).into());
    }
    let name = settings.table_of(&record.topic);
    let looking = |error| PlanError::Database(error, format!("looking at table {}", name.short()));
    let mut before = session.facts(&name).await.map_err(looking)?;
    for _ in 0..MAX_LOOKS {
        let table = table_for(settings, session, record, wanted).await?;
        let now = session.facts(&name).await.map_err(looking)?;
        if let (Some(facts), true) = (&now, before == now) {
            if settings.exactly_once && !facts.transactional {
                return Err(no_transactions(&name, facts).into());
            }
            return Ok((table, facts.clone()));
        }
        before = now;
    }
    Err(looking(DatabaseError::new(
        Fault::Transient,
        "it changes while it is looked at",
    )))
}

/// Exactly once needs transactions.
pub(crate) fn no_transactions(table: &TableId, facts: &TableFacts) -> ConnectError {
    ConnectError::config(format!(
        "table {} has the engine {}, which has no transactions, so sluice.exactly.once can't hold; convert \
         the table (ALTER TABLE ... ENGINE=InnoDB) or set sluice.exactly.once=false",
        table.short(),
        facts.engine.as_deref().unwrap_or("of another kind")
    ))
}

/// The table of a record, created or extended where that is allowed and needed.
async fn table_for(
    settings: &SinkSettings,
    session: &mut dyn Session,
    record: &ConnectRecord,
    wanted: &[Wanted],
) -> Result<Table, PlanError> {
    let name = settings.table_of(&record.topic);
    let dialect = settings.connection.dialect();
    let shown = name.short();
    let looking = |error| PlanError::Database(error, format!("looking at table {shown}"));
    let news = |columns: &[&Wanted]| -> Vec<NewColumn> {
        columns
            .iter()
            .map(|column| NewColumn {
                name: column.name.clone(),
                schema: schema_of(&column.schema),
                primary_key: column.primary_key,
            })
            .collect()
    };
    let Some(table) = session.table(&name).await.map_err(looking)? else {
        if !settings.auto_create {
            return Err(ConnectError::connect(format!(
                "there is no table {shown} for topic {} at {}; create it, correct table.name.format, or set \
                 auto.create=true",
                record.topic, settings.connection.url
            ))
            .into());
        }
        let all: Vec<&Wanted> = wanted.iter().collect();
        let sql = dialect.create_table(&name, &news(&all)).map_err(data)?;
        tracing::info!(table = shown, "creating the table: {sql}");
        if let Err(error) = session.execute(&sql).await
            && session.table(&name).await.map_err(looking)?.is_none()
        {
            return Err(PlanError::Database(
                error,
                format!("creating table {shown}"),
            ));
        }
        return session.table(&name).await.map_err(looking)?.ok_or_else(|| {
            looking(DatabaseError::new(
                Fault::MissingTable,
                "it was created and is gone",
            ))
        });
    };
    let missing: Vec<&Wanted> = wanted
        .iter()
        .filter(|column| found(&table, &column.name).is_none())
        .collect();
    if missing.is_empty() || !settings.auto_evolve {
        return Ok(table);
    }
    if let Some(column) = missing
        .iter()
        .find(|column| !column.schema.is_optional() && column.schema.default_value().is_none())
    {
        return Err(ConnectError::connect(format!(
            "column {:?} can't be added to table {shown}: the field is required and has no default, so \
             existing rows could not have it",
            column.name
        ))
        .into());
    }
    for sql in dialect
        .add_columns(&table.id, &news(&missing))
        .map_err(data)?
    {
        tracing::info!(table = shown, "adding a column: {sql}");
        if let Err(error) = session.execute(&sql).await {
            // Another task may have been quicker.
            let now = session.table(&name).await.map_err(looking)?;
            let there = |column: &&Wanted| {
                now.as_ref()
                    .is_some_and(|table| found(table, &column.name).is_some())
            };
            if !missing.iter().all(there) {
                return Err(PlanError::Database(
                    error,
                    format!("adding columns to table {shown}"),
                ));
            }
        }
    }
    session.table(&name).await.map_err(looking)?.ok_or_else(|| {
        looking(DatabaseError::new(
            Fault::MissingTable,
            "it was there and is gone",
        ))
    })
}
