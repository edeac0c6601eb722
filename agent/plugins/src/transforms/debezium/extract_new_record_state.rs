//! `ExtractNewRecordState`: the row of a change event in the place of its envelope.
//!
//! Keys of both generations: `delete.tombstone.handling.mode`, and `drop.tombstones` with
//! `delete.handling.mode`, which Debezium 3.0 dropped and passes over in silence, while most configurations
//! in use have them. Here they keep their meaning; where both are set the new one counts.
//!
//! Other than Debezium: fields that are structs can be added (its class fails on them), and `__deleted`
//! stands in front of what `add.fields` adds with the old keys too.

use std::sync::Arc;

use bytestring::ByteString;
use sluice_api::config::validators::one_of_ignoring_case;
use sluice_api::config::{ConfigKey, ConfigType, ConfigValue, Importance, ParsedConfig, Validator};
use sluice_api::error::ErrorKind;
use sluice_api::plugin::TransformationPlugin;
use sluice_api::{
    ConfigDef, ConnectError, ConnectRecord, Props, RecordOrigin, Result, Schema, SchemaBuilder,
    SchemaType, Struct, Transformation, Value, schemas,
};

use super::super::keys::{REPLACE_NULL_WITH_DEFAULT, replace_null_with_default};
use super::super::schema_cache::SchemaCache;
use super::super::side::Side;
use super::field_reference::{FieldReference, Found};

pub(in super::super) fn plugin() -> TransformationPlugin {
    TransformationPlugin::of(
        "io.debezium.transforms.ExtractNewRecordState",
        env!("CARGO_PKG_VERSION"),
        config_def,
        || Box::<ExtractNewRecordState>::default(),
    )
}

/// The name that the class had before Debezium 0.10.
pub(in super::super) fn old_name_plugin() -> TransformationPlugin {
    TransformationPlugin {
        class: "io.debezium.transforms.UnwrapFromEnvelope".into(),
        ..plugin()
    }
}

const HANDLING: &str = "delete.tombstone.handling.mode";
const OLD_TOMBSTONES: &str = "drop.tombstones";
const OLD_DELETES: &str = "delete.handling.mode";
const DELETED: ByteString = ByteString::from_static("__deleted");

fn config_def() -> ConfigDef {
    let key = |name: &str, kind, doc: &str| {
        ConfigKey::new(name, kind)
            .importance(Importance::Low)
            .doc(doc)
    };
    ConfigDef::new()
        .define(
            key(
                HANDLING,
                ConfigType::String,
                "What becomes of a delete event and of the tombstone behind it. tombstone (the default): the \
                 event becomes one, the one behind it is dropped; drop: both are dropped; rewrite: the event \
                 becomes the row before it with the field __deleted, the tombstone is dropped; \
                 rewrite-with-tombstone: the same, and the tombstone is kept; delete-to-tombstone: as \
                 tombstone, without the schema of the row.",
            )
            .optional()
            .validator(absent_or(one_of_ignoring_case(&[
                "tombstone",
                "drop",
                "rewrite",
                "rewrite-with-tombstone",
                "delete-to-tombstone",
            ]))),
        )
        .define(
            key(OLD_TOMBSTONES, ConfigType::Boolean, "Of Debezium before 3.0: whether tombstones are dropped \
                                                      (default true).")
                .optional(),
        )
        .define(
            key(OLD_DELETES, ConfigType::String, "Of Debezium before 3.0: drop (default), rewrite or none, \
                                                  for delete events.")
                .optional()
                .validator(absent_or(one_of_ignoring_case(&["drop", "rewrite", "none"]))),
        )
        .define(key("route.by.field", ConfigType::String, "The field of the row whose value becomes the \
                                                           topic.").default(""))
        .define(key("add.fields.prefix", ConfigType::String, "In front of the names of added \
                                                              fields.").default("__"))
        .define(
            key(
                "add.fields",
                ConfigType::List,
                "Fields of the envelope to add to the row: FIELD, STRUCT.FIELD, or either with :NAME. \
                 Example: op,source.ts_ms:at",
            )
            .default(""),
        )
        .define(key("add.headers.prefix", ConfigType::String, "In front of the names of added \
                                                               headers.").default("__"))
        .define(key("add.headers", ConfigType::List, "Fields of the envelope to add as headers, written as \
                                                      add.fields.").default(""))
        .define(
            key("drop.fields.header.name", ConfigType::String, "A header that lists fields to leave out of \
                                                                the row.").optional(),
        )
        .define(key("drop.fields.from.key", ConfigType::Boolean, "Whether they are left out of the key \
                                                                  too.").default("false"))
        .define(
            key(
                "drop.fields.keep.schema.compatible",
                ConfigType::Boolean,
                "Whether only optional fields are left out, so that the schema stays compatible.",
            )
            .default("true"),
        )
        .define(replace_null_with_default())
}

/// The check, for keys that need not be there.
fn absent_or(check: Validator) -> Validator {
    Arc::new(move |name, value| match value {
        ConfigValue::Null => Ok(()),
        value => check(name, value),
    })
}

/// What becomes of a delete event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Deletes {
    /// A null value, with the schema of the row.
    #[default]
    Tombstone,
    /// A null value without schema.
    BareTombstone,
    Drop,
    /// The row before it, marked by `__deleted`, which all other rows have as well.
    Rewrite,
}

#[derive(Debug, Default)]
struct ExtractNewRecordState {
    deletes: Deletes,
    keep_tombstones: bool,
    fields: Vec<FieldReference>,
    headers: Vec<FieldReference>,
    route_by: Option<String>,
    drop_by: Option<String>,
    drop_from_key: bool,
    drop_compatibly: bool,
    defaults: bool,
    /// By the schema of the value; `None` if it is not that of an envelope.
    plans: SchemaCache<Option<Plan>>,
}

/// What is known of the envelopes of one schema.
#[derive(Debug)]
struct Plan {
    before: Row,
    after: Row,
    fields: Vec<Found>,
    headers: Vec<Found>,
}

/// A row of an envelope.
#[derive(Debug)]
struct Row {
    index: usize,
    /// Schema of the row inside the envelope.
    schema: Arc<Schema>,
    /// With all that is added to it.
    extended: Arc<Schema>,
}

impl ExtractNewRecordState {
    /// The two halves of how deletions are handled, from either generation of keys.
    fn handling(config: &ParsedConfig) -> (Deletes, bool) {
        let old_tombstones = match config.value(OLD_TOMBSTONES) {
            ConfigValue::Boolean(drop) => Some(*drop),
            _ => None,
        };
        let old_deletes = config.optional_string(OLD_DELETES);
        if let Some(mode) = config.optional_string(HANDLING) {
            return match mode.to_ascii_lowercase().as_str() {
                "drop" => (Deletes::Drop, false),
                "rewrite" => (Deletes::Rewrite, false),
                "rewrite-with-tombstone" => (Deletes::Rewrite, true),
                "delete-to-tombstone" => (Deletes::BareTombstone, false),
                _ => (Deletes::Tombstone, false),
            };
        }
        if old_tombstones.is_none() && old_deletes.is_none() {
            return (Deletes::Tombstone, false);
        }
        tracing::info!(
            "{OLD_TOMBSTONES} and {OLD_DELETES} are keys of Debezium before 3.0: they keep their meaning \
             here, {HANDLING} is their successor"
        );
        let keep = old_tombstones == Some(false);
        let deletes = match old_deletes.map(str::to_ascii_lowercase).as_deref() {
            Some("rewrite") => Deletes::Rewrite,
            Some("none") => Deletes::Tombstone,
            _ => Deletes::Drop,
        };
        (deletes, keep)
    }

    fn plan(&self, schema: &Arc<Schema>) -> Result<Option<Plan>> {
        let is_envelope = schema.schema_type() == SchemaType::Struct
            && schema
                .name()
                .is_some_and(|name| name.ends_with(".Envelope"));
        if !is_envelope {
            return Ok(None);
        }
        let find = |references: &[FieldReference]| -> Result<Vec<Found>> {
            let found = references.iter().map(|reference| reference.find(schema));
            found.filter_map(Result::transpose).collect()
        };
        let fields = find(&self.fields)?;
        let after = self.row(schema, "after", &fields)?;
        Ok(Some(Plan {
            before: self.row(schema, "before", &fields)?,
            after,
            headers: find(&self.headers)?,
            fields,
        }))
    }

    fn row(&self, envelope: &Schema, name: &str, added: &[Found]) -> Result<Row> {
        let field = envelope.field(name).ok_or_else(|| {
            ConnectError::new(ErrorKind::IllegalArgument, format!("Unknown field: {name}"))
        })?;
        let schema = Arc::clone(field.schema());
        let own = schema.fields().iter().fold(
            SchemaBuilder::structure().basics_of(&schema),
            |builder, field| builder.field(field.name().clone(), Arc::clone(field.schema())),
        );
        let marked = if self.deletes == Deletes::Rewrite {
            own.field(DELETED, Arc::clone(&schemas::OPTIONAL_STRING))
        } else {
            own
        };
        let extended = added.iter().fold(marked, |builder, found| {
            builder.field(found.name.clone(), Arc::clone(&found.schema))
        });
        Ok(Row {
            index: field.index(),
            extended: extended.build()?,
            schema,
        })
    }

    /// The row of an envelope as the value of the record.
    fn set_row(
        &self,
        record: &mut ConnectRecord,
        envelope: &Struct,
        plan: &Plan,
        row: &Row,
        own: &Struct,
    ) -> Result<()> {
        let mut values = own.values().to_vec();
        if self.deletes == Deletes::Rewrite {
            if self.defaults {
                with_defaults(own.schema(), &mut values);
            }
            let deleted = if row.index == plan.before.index {
                "true"
            } else {
                "false"
            };
            values.push(Value::from_static(deleted));
        }
        for found in &plan.fields {
            values.push(found.value(envelope)?);
        }
        record.value = Struct::from_values(Arc::clone(&row.extended), values)?.into();
        record.value_schema = Some(Arc::clone(&row.extended));
        Ok(())
    }

    /// The topic by a field of the row; as it is where that is null.
    fn route(&self, record: &mut ConnectRecord, row: &Struct) -> Result<()> {
        let Some(field) = &self.route_by else {
            return Ok(());
        };
        if let Value::String(topic) = row.get_checked(field, SchemaType::String)? {
            record.topic = topic.clone();
        }
        Ok(())
    }

    /// Leaves out of value and key what the header lists.
    fn drop_fields(&self, record: &mut ConnectRecord) -> Result<()> {
        let Some(header) = self
            .drop_by
            .as_deref()
            .and_then(|name| record.headers.last_with_name(name))
        else {
            return Ok(());
        };
        let Value::Array(names) = &header.value else {
            let class = header.value.java_class();
            return Err(ConnectError::data(format!(
                "the header {} lists the fields to drop, it must be an array and is a {class}",
                header.key
            )));
        };
        let names: Vec<String> = names
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        self.drop_from(record, Side::Value, &names)?;
        if self.drop_from_key {
            self.drop_from(record, Side::Key, &names)?;
        }
        Ok(())
    }

    fn drop_from(&self, record: &mut ConnectRecord, side: Side, names: &[String]) -> Result<()> {
        let of = match side {
            Side::Key => &record.key,
            Side::Value => &record.value,
        };
        let Value::Struct(own) = of else {
            return Ok(());
        };
        let is_dropped = |field: &sluice_api::schema::Field| {
            names.iter().any(|name| *name == **field.name())
                && (!self.drop_compatibly || field.schema().is_optional())
        };
        let schema = own.schema();
        if !schema.fields().iter().any(is_dropped) {
            return Ok(());
        }
        let kept = || schema.fields().iter().filter(|field| !is_dropped(field));
        let builder = kept().fold(
            SchemaBuilder::structure().basics_of(schema),
            |builder, field| builder.field(field.name().clone(), Arc::clone(field.schema())),
        );
        let values = kept().map(|field| own.get_field(field).clone()).collect();
        let schema = builder.build()?;
        let value = Struct::from_values(Arc::clone(&schema), values)?;
        side.set(record, Some(schema), value.into());
        Ok(())
    }

    /// A record without a value, from this connector or from anywhere.
    fn tombstone(&self, mut record: ConnectRecord) -> Result<Option<ConnectRecord>> {
        if !self.keep_tombstones {
            return Ok(None);
        }
        let operation = self
            .headers
            .iter()
            .find(|reference| reference.parent.is_none() && reference.field == "op");
        if let Some(reference) = operation {
            let schema = Some(Arc::clone(&schemas::STRING));
            record
                .headers
                .add(reference.new_name.clone(), schema, Value::from_static("d"))?;
        }
        Ok(Some(record))
    }
}

fn with_defaults(schema: &Schema, values: &mut [Value]) {
    for (field, value) in schema.fields().iter().zip(values) {
        if let (Value::Null, Some(default)) = (&value, field.schema().default_value()) {
            *value = default.clone();
        }
    }
}

impl Transformation for ExtractNewRecordState {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        (self.deletes, self.keep_tombstones) = Self::handling(&config);
        let references = |list: &str, prefix: &str| -> Result<Vec<FieldReference>> {
            let prefix = config.string(prefix);
            let texts = config
                .list(list)
                .iter()
                .filter(|text| !text.trim().is_empty());
            texts
                .map(|text| FieldReference::parse(text, prefix))
                .collect()
        };
        self.fields = references("add.fields", "add.fields.prefix")?;
        self.headers = references("add.headers", "add.headers.prefix")?;
        let text = |key: &str| config.optional_string(key).filter(|text| !text.is_empty());
        self.route_by = text("route.by.field").map(str::to_owned);
        self.drop_by = text("drop.fields.header.name").map(str::to_owned);
        self.drop_from_key = config.boolean("drop.fields.from.key");
        self.drop_compatibly = config.boolean("drop.fields.keep.schema.compatible");
        self.defaults = config.boolean(REPLACE_NULL_WITH_DEFAULT);
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        if record.value.is_null() {
            return self.tombstone(record);
        }
        let Some(schema) = record.value_schema.clone() else {
            return Ok(Some(record));
        };
        let plan = self.plans.get(&schema, |schema| self.plan(schema))?;
        let (Some(plan), Value::Struct(envelope)) = (&*plan, record.value.clone()) else {
            return Ok(Some(record));
        };
        for found in &plan.headers {
            let value = found.value(&envelope)?;
            record
                .headers
                .add(found.name.clone(), Some(Arc::clone(&found.schema)), value)?;
        }
        if let Value::Struct(after) = envelope.value_at(plan.after.index) {
            self.route(&mut record, after)?;
            self.set_row(&mut record, &envelope, plan, &plan.after, after)?;
            self.drop_fields(&mut record)?;
            return Ok(Some(record));
        }
        let Value::Struct(before) = envelope.value_at(plan.before.index) else {
            // A table was truncated, or the row that was deleted is not known.
            return Ok(None);
        };
        match self.deletes {
            Deletes::Drop => return Ok(None),
            Deletes::Rewrite => {
                self.route(&mut record, before)?;
                self.set_row(&mut record, &envelope, plan, &plan.before, before)?;
            }
            Deletes::Tombstone | Deletes::BareTombstone => {
                self.route(&mut record, before)?;
                record.value = Value::Null;
                record.value_schema =
                    (self.deletes == Deletes::Tombstone).then(|| Arc::clone(&plan.after.schema));
            }
        }
        self.drop_fields(&mut record)?;
        Ok(Some(record))
    }
}
