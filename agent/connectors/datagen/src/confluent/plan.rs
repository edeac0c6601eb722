//! What to make for each type of an Avro schema, by its property `arg.properties`.
//!
//! Faults of the properties are found here, when the connector is configured. Options become Avro's bytes at
//! once.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use sluice_plugins::avro::schema::{AvroSchema, Field, Kind, NodeId};
use sluice_plugins::avro::{write_bytes, write_long};

use super::iteration::{Fraction, Iteration, Whole};
use super::pattern::Pattern;

/// The longest text, array or map that a schema may ask for.
const MOST_ITEMS: i64 = 1 << 20;

/// How to make the values of a type.
#[derive(Debug)]
pub(crate) enum Plan {
    Null,
    /// How likely true is; `None` is even.
    Boolean(Option<f64>),
    /// Any 32 bits.
    Int,
    /// Any 64 bits.
    Long,
    /// Whole numbers from the first to the second, exclusive.
    WholeRange(i64, i64),
    Float(Option<(f64, f64)>),
    Double(Option<(f64, f64)>),
    Bytes(Length),
    Fixed(usize),
    Decimal(Decimal),
    Text(Text),
    /// How many symbols there are.
    Enum(usize),
    Array(Length, Arc<Plan>),
    Map(Length, Box<Plan>, Arc<Plan>),
    Record(Vec<Arc<Plan>>),
    Union(Vec<Arc<Plan>>),
    /// Avro's bytes of each.
    Options(Vec<Vec<u8>>),
    /// The number of the state, and how it is written.
    Iteration(usize, Written),
}

/// How a counted value is written.
#[derive(Debug)]
pub(crate) enum Written {
    Varint,
    Float,
    Double,
    Boolean,
    /// With prefix and suffix.
    Text(String, String),
}

/// A number of items: from the first to the second, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) min: i32,
    pub(crate) max: i32,
}

/// Random text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) prefix: String,
    pub(crate) suffix: String,
    pub(crate) length: Length,
    /// `None` is any ASCII.
    pub(crate) pattern: Option<Pattern>,
}

/// The logical type `decimal`.
#[derive(Debug)]
pub(crate) struct Decimal {
    pub(crate) precision: u32,
    pub(crate) scale: u32,
    pub(crate) range: Option<(f64, f64)>,
    /// Bytes of a `fixed`.
    pub(crate) size: Option<usize>,
}

/// A plan with the states of its iterations before the first record.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) root: Arc<Plan>,
    pub(crate) iterations: Vec<Iteration>,
    /// Names of the record's fields.
    pub(crate) fields: Vec<String>,
}

/// # Errors
/// What is wrong with the schema, and where.
pub(crate) fn compile(schema: &AvroSchema, root: NodeId) -> Result<Program, String> {
    let kind = &schema.node(root).kind;
    let Kind::Record { fields, .. } = kind else {
        return Err(format!(
            "the schema has to be a record, not {}",
            kind.type_name()
        ));
    };
    let fields = fields.iter().map(|field| field.name.clone()).collect();
    let mut compiler = Compiler {
        schema,
        plans: HashMap::new(),
        iterations: Vec::new(),
    };
    let root = compiler.plan(root)?;
    Ok(Program {
        root,
        iterations: compiler.iterations,
        fields,
    })
}

struct Compiler<'a> {
    schema: &'a AvroSchema,
    /// Types that are named several times have one plan, and count together.
    plans: HashMap<NodeId, Arc<Plan>>,
    iterations: Vec<Iteration>,
}

impl Compiler<'_> {
    fn plan(&mut self, id: NodeId) -> Result<Arc<Plan>, String> {
        if let Some(plan) = self.plans.get(&id) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(self.new_plan(id)?);
        self.plans.insert(id, Arc::clone(&plan));
        Ok(plan)
    }

    fn new_plan(&mut self, id: NodeId) -> Result<Plan, String> {
        let schema = self.schema;
        let node = schema.node(id);
        let empty = Map::new();
        let props = match node.prop("arg.properties") {
            None => &empty,
            Some(Json::Object(props)) => props,
            Some(other) => return Err(format!("arg.properties has to be an object, not {other}")),
        };
        if let Some(options) = props.get("options") {
            exclusive(props, "options", &["length", "regex", "iteration", "range"])?;
            return self.options(id, options);
        }
        if let Some(iteration) = props.get("iteration") {
            exclusive(props, "iteration", &["length", "regex", "range"])?;
            return self.iteration(&node.kind, iteration, props);
        }
        let is_decimal = node.prop("logicalType").and_then(Json::as_str) == Some("decimal");
        let decimal = |size| {
            let digits = |name: &str| node.prop(name).and_then(Json::as_u64).unwrap_or(0);
            let digits = |name| u32::try_from(digits(name)).unwrap_or(u32::MAX);
            decimal(
                digits("precision"),
                digits("scale"),
                float_range(props)?,
                size,
            )
        };
        Ok(match &node.kind {
            Kind::Null => Plan::Null,
            Kind::Boolean => Plan::Boolean(odds(props)?),
            Kind::Int => whole_range(props, i32::MIN.into(), i32::MAX.into())?
                .map_or(Plan::Int, |(min, max)| Plan::WholeRange(min, max)),
            Kind::Long => whole_range(props, i64::MIN, i64::MAX)?
                .map_or(Plan::Long, |(min, max)| Plan::WholeRange(min, max)),
            Kind::Float => Plan::Float(float_range_to(props, f32::MAX.into())?),
            Kind::Double => Plan::Double(float_range(props)?),
            Kind::Bytes if is_decimal => decimal(None)?,
            Kind::Fixed { size, .. } if is_decimal => decimal(Some(*size))?,
            Kind::Bytes => Plan::Bytes(length(props)?),
            Kind::Fixed { size, .. } => Plan::Fixed(*size),
            Kind::String => Plan::Text(text(props, length(props)?)?),
            Kind::Enum { symbols, .. } if symbols.is_empty() => {
                return Err("an enum has to have symbols".to_owned());
            }
            Kind::Enum { symbols, .. } => Plan::Enum(symbols.len()),
            Kind::Array(items) => Plan::Array(length(props)?, self.plan(*items)?),
            Kind::Map(values) => {
                let keys = self.map_keys(props)?;
                Plan::Map(length(props)?, Box::new(keys), self.plan(*values)?)
            }
            Kind::Union(members) if members.is_empty() => {
                return Err("a union has to have members".to_owned());
            }
            Kind::Union(members) => {
                let plans = members.iter().map(|member| self.plan(*member));
                Plan::Union(plans.collect::<Result<_, _>>()?)
            }
            Kind::Record { fields, .. } => {
                let plans = fields.iter().map(|field| {
                    let plan = self.plan(field.node);
                    plan.map_err(|why| format!("field {}: {why}", field.name))
                });
                Plan::Record(plans.collect::<Result<_, _>>()?)
            }
        })
    }

    /// Keys are texts of one character unless `keys` says otherwise.
    fn map_keys(&self, props: &Map<String, Json>) -> Result<Plan, String> {
        let keys = match props.get("keys") {
            None => {
                let length = Length { min: 1, max: 2 };
                return Ok(Plan::Text(text(&Map::new(), length)?));
            }
            Some(Json::Object(keys)) => keys,
            Some(other) => return Err(format!("keys has to be an object, not {other}")),
        };
        let Some(options) = keys.get("options") else {
            return Ok(Plan::Text(text(keys, length(keys)?)?));
        };
        let mut all = Vec::new();
        for option in list(options)? {
            let key = option.as_str();
            let key =
                key.ok_or_else(|| format!("an option of keys has to be text, not {option}"))?;
            let mut bytes = Vec::new();
            write_bytes(&mut bytes, key.as_bytes());
            all.push(bytes);
        }
        Ok(Plan::Options(all))
    }

    fn options(&self, id: NodeId, options: &Json) -> Result<Plan, String> {
        let encoded = list(options)?.iter().map(|option| {
            let mut bytes = Vec::new();
            self.encode(id, option, &mut bytes)?;
            Ok(bytes)
        });
        Ok(Plan::Options(encoded.collect::<Result<_, String>>()?))
    }

    fn iteration(
        &mut self,
        kind: &Kind,
        iteration: &Json,
        props: &Map<String, Json>,
    ) -> Result<Plan, String> {
        let Json::Object(fields) = iteration else {
            return Err(format!("iteration has to be an object, not {iteration}"));
        };
        let int = || Whole::parse(fields, i32::MIN.into(), i32::MAX.into()).map(Iteration::Whole);
        let fraction = |highest| Fraction::parse(fields, highest).map(Iteration::Fraction);
        let (state, written) = match kind {
            Kind::Int => (int()?, Written::Varint),
            Kind::Long => {
                let long = Whole::parse(fields, i64::MIN, i64::MAX)?;
                (Iteration::Whole(long), Written::Varint)
            }
            Kind::Float => (fraction(f32::MAX.into())?, Written::Float),
            Kind::Double => (fraction(f64::MAX)?, Written::Double),
            Kind::String => {
                let (prefix, suffix) = (around(props, "prefix")?, around(props, "suffix")?);
                (int()?, Written::Text(prefix, suffix))
            }
            Kind::Boolean => match (fields.get("start"), fields.len()) {
                (Some(Json::Bool(start)), 1) => (Iteration::Boolean(*start), Written::Boolean),
                _ => {
                    return Err(
                        "iteration of a boolean has the field start alone, true or false"
                            .to_owned(),
                    );
                }
            },
            other => {
                return Err(format!(
                    "iteration is for numbers, booleans and text, not for {}",
                    other.type_name()
                ));
            }
        };
        self.iterations.push(state);
        Ok(Plan::Iteration(self.iterations.len() - 1, written))
    }

    /// Appends an option in Avro's bytes.
    fn encode(&self, id: NodeId, value: &Json, out: &mut Vec<u8>) -> Result<(), String> {
        let schema = self.schema;
        let kind = &schema.node(id).kind;
        let misfit = || format!("the option {value} is not of type {}", kind.type_name());
        match (kind, value) {
            (Kind::Null, Json::Null) => {}
            (Kind::Boolean, Json::Bool(value)) => out.push(u8::from(*value)),
            (Kind::Int, _) => {
                let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
                write_long(out, number.ok_or_else(misfit)?.into());
            }
            (Kind::Long, _) => write_long(out, value.as_i64().ok_or_else(misfit)?),
            (Kind::Float, _) => {
                let number = value.as_f64().ok_or_else(misfit)? as f32;
                out.extend(number.to_le_bytes());
            }
            (Kind::Double, _) => out.extend(value.as_f64().ok_or_else(misfit)?.to_le_bytes()),
            (Kind::Bytes | Kind::String, Json::String(text)) => write_bytes(out, text.as_bytes()),
            (Kind::Fixed { size, .. }, Json::String(text)) if text.len() == *size => {
                out.extend_from_slice(text.as_bytes());
            }
            (Kind::Enum { symbols, .. }, Json::String(text)) => {
                let index = symbols.iter().position(|symbol| symbol == text);
                write_count(out, index.ok_or_else(misfit)?);
            }
            (Kind::Array(items), Json::Array(values)) => {
                write_count(out, values.len());
                for value in values {
                    self.encode(*items, value, out)?;
                }
                end_of_blocks(values.len(), out);
            }
            (Kind::Map(of), Json::Object(values)) => {
                write_count(out, values.len());
                for (key, value) in values {
                    write_bytes(out, key.as_bytes());
                    self.encode(*of, value, out)?;
                }
                end_of_blocks(values.len(), out);
            }
            (Kind::Record { fields, .. }, Json::Object(values)) => {
                for field in fields {
                    self.encode_field(field, values, out)?;
                }
            }
            (Kind::Union(members), _) => {
                let fitting = members.iter().enumerate().find_map(|(index, member)| {
                    let mut bytes = Vec::new();
                    write_count(&mut bytes, index);
                    self.encode(*member, value, &mut bytes).ok()?;
                    Some(bytes)
                });
                out.extend(fitting.ok_or_else(misfit)?);
            }
            _ => return Err(misfit()),
        }
        Ok(())
    }

    fn encode_field(
        &self,
        field: &Field,
        values: &Map<String, Json>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let value = values.get(&field.name).or(field.default.as_ref());
        let value = value.ok_or_else(|| format!("an option without the field {}", field.name))?;
        self.encode(field.node, value, out)
            .map_err(|why| format!("field {}: {why}", field.name))
    }
}

pub(crate) fn write_count(out: &mut Vec<u8>, count: usize) {
    write_long(out, i64::try_from(count).unwrap_or(i64::MAX));
}

/// The empty block behind one that has items; without items the first is it.
fn end_of_blocks(items: usize, out: &mut Vec<u8>) {
    if items > 0 {
        out.push(0);
    }
}

fn list(options: &Json) -> Result<&[Json], String> {
    match options {
        Json::Array(options) if options.is_empty() => Err("options cannot be empty".to_owned()),
        Json::Array(options) => Ok(options),
        Json::Object(_) => Err(
            "options in a file are not supported: give them as an array in the schema".to_owned(),
        ),
        other => Err(format!("options has to be an array, not {other}")),
    }
}

fn exclusive(props: &Map<String, Json>, given: &str, others: &[&str]) -> Result<(), String> {
    match others.iter().find(|other| props.contains_key(**other)) {
        Some(other) => Err(format!("{other} cannot be given together with {given}")),
        None => Ok(()),
    }
}

/// A whole number of an object, within the limits of its type.
pub(crate) fn whole(
    property: &str,
    field: &str,
    props: &Map<String, Json>,
    lowest: i64,
    highest: i64,
) -> Result<Option<i64>, String> {
    let Some(value) = props.get(field).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    match value.as_i64() {
        Some(number) if (lowest..=highest).contains(&number) => Ok(Some(number)),
        _ => Err(format!(
            "{field} of {property} has to be a whole number of the type, not {value}"
        )),
    }
}

/// A number of an object.
pub(crate) fn number(
    property: &str,
    field: &str,
    props: &Map<String, Json>,
) -> Result<Option<f64>, String> {
    match props.get(field) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Number(number)) => Ok(number.as_f64()),
        Some(other) => Err(format!(
            "{field} of {property} has to be a number, not {other}"
        )),
    }
}

fn range(props: &Map<String, Json>) -> Result<Option<&Map<String, Json>>, String> {
    match props.get("range") {
        None => Ok(None),
        Some(Json::Object(range)) => Ok(Some(range)),
        Some(other) => Err(format!("range has to be an object, not {other}")),
    }
}

fn in_order<T: PartialOrd>(min: T, max: T) -> Result<Option<(T, T)>, String> {
    if min < max {
        return Ok(Some((min, max)));
    }
    Err("min of range has to be less than max".to_owned())
}

fn whole_range(
    props: &Map<String, Json>,
    lowest: i64,
    highest: i64,
) -> Result<Option<(i64, i64)>, String> {
    let Some(range) = range(props)? else {
        return Ok(None);
    };
    let end = |name| whole("range", name, range, lowest, highest);
    in_order(
        end("min")?.unwrap_or(lowest),
        end("max")?.unwrap_or(highest),
    )
}

fn float_range(props: &Map<String, Json>) -> Result<Option<(f64, f64)>, String> {
    float_range_to(props, f64::MAX)
}

fn float_range_to(props: &Map<String, Json>, highest: f64) -> Result<Option<(f64, f64)>, String> {
    let Some(range) = range(props)? else {
        return Ok(None);
    };
    let end = |name| number("range", name, range);
    let (min, max) = (
        end("min")?.unwrap_or(-highest),
        end("max")?.unwrap_or(highest),
    );
    if min < -highest || max > highest {
        return Err("range goes beyond what the type holds".to_owned());
    }
    in_order(min, max)
}

fn odds(props: &Map<String, Json>) -> Result<Option<f64>, String> {
    match number("arg.properties", "odds", props)? {
        Some(odds) if !(0.0..=1.0).contains(&odds) => {
            Err(format!("odds has to be from 0 to 1, not {odds}"))
        }
        odds => Ok(odds),
    }
}

fn length(props: &Map<String, Json>) -> Result<Length, String> {
    let (min, max) = match props.get("length") {
        None => return Ok(Length { min: 8, max: 16 }),
        Some(Json::Object(ends)) => {
            let end = |name| whole("length", name, ends, 0, MOST_ITEMS);
            let Some(max) = end("max")? else {
                return Err(format!(
                    "length has to have the field max, up to {MOST_ITEMS}"
                ));
            };
            (end("min")?.unwrap_or(0), max)
        }
        Some(exact) => match exact.as_i64() {
            Some(length) if (0..=MOST_ITEMS).contains(&length) => (length, length + 1),
            _ => {
                return Err(format!(
                    "length has to be an object, or a whole number from 0 to {MOST_ITEMS}, not {exact}"
                ));
            }
        },
    };
    if min >= max {
        return Err("min of length has to be less than max".to_owned());
    }
    let end = |number| i32::try_from(number).unwrap_or(i32::MAX);
    Ok(Length {
        min: end(min),
        max: end(max),
    })
}

/// A prefix or suffix; empty if there is none.
fn around(props: &Map<String, Json>, name: &str) -> Result<String, String> {
    match props.get(name) {
        None => Ok(String::new()),
        Some(Json::String(text)) => Ok(text.clone()),
        Some(other) => Err(format!("{name} has to be text, not {other}")),
    }
}

fn text(props: &Map<String, Json>, length: Length) -> Result<Text, String> {
    let pattern = match props.get("regex") {
        None => None,
        Some(Json::String(regex)) => {
            let parsed = Pattern::parse(regex);
            Some(parsed.map_err(|why| format!("regex {regex} cannot be used: {why}"))?)
        }
        Some(other) => return Err(format!("regex has to be text, not {other}")),
    };
    Ok(Text {
        prefix: around(props, "prefix")?,
        suffix: around(props, "suffix")?,
        length,
        pattern,
    })
}

/// More digits than any decimal needs.
const MOST_DIGITS: u32 = 1000;

fn decimal(
    precision: u32,
    scale: u32,
    range: Option<(f64, f64)>,
    size: Option<usize>,
) -> Result<Plan, String> {
    if precision == 0 || precision > MOST_DIGITS || scale > precision {
        return Err(format!(
            "a decimal has to have a precision from 1 to {MOST_DIGITS}, and a scale that is not larger"
        ));
    }
    let bits = f64::from(precision) * std::f64::consts::LOG2_10;
    if size.is_some_and(|size| (size as f64) * 8.0 < bits + 1.0) {
        return Err(format!("a fixed that is too small for {precision} digits"));
    }
    let most = 10_f64.powi(precision.cast_signed() - scale.cast_signed());
    if range.is_some_and(|(min, max)| min < -most || max > most) {
        return Err(format!(
            "range goes beyond {precision} digits, {scale} of them decimal"
        ));
    }
    Ok(Plan::Decimal(Decimal {
        precision,
        scale,
        range,
        size,
    }))
}
