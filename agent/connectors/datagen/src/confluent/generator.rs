//! Makes records by a plan: Avro's bytes, which the reader of the Avro converter turns into Connect's values.
//!
//! So schemas, logical types, enums and unions are what that converter makes of them. Random numbers are
//! drawn in the order in which avro-random-generator draws them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use num_bigint::BigInt;
use sluice_api::{ConnectError, Result, SchemaAndValue, causes};
use sluice_plugins::avro::schema::AvroSchema;
use sluice_plugins::avro::{self, write_bytes, write_long};
use sluice_plugins::schema_registry::codec::PayloadReader;

use super::iteration::Iteration;
use super::java_random::JavaRandom;
use super::plan::{self, Decimal, Length, Plan, Program, Text, Written, write_count};

/// Bytes and values of a record, together, beyond which it is not made.
const MOST_WORK: usize = 16 << 20;
/// How many digits of a decimal are drawn at once.
const DIGITS_AT_ONCE: u32 = 15;

/// Makes the records of one task, one after another.
pub(crate) struct Generator {
    program: Program,
    reader: PayloadReader,
    random: JavaRandom,
    /// The longest time for a record.
    timeout: Option<Duration>,
    /// Bytes of the last record, which the next will have about as many of.
    last: usize,
}

impl Generator {
    /// # Errors
    /// Why the text is not a schema of which records can be made.
    pub(crate) fn new(text: &str, seed: i64, timeout: Option<Duration>) -> Result<Self, String> {
        let text = without_comments(text);
        let unparsable = |error: &ConnectError| {
            format!(
                "Unable to parse the provided schema: {}",
                causes::with_causes(error)
            )
        };
        // Refuses what refers to itself, so that everything after it has an end.
        let reader = avro::reader(&[], &text).map_err(|error| unparsable(&error))?;
        let (schema, root) = AvroSchema::parse(&text, &[]).map_err(|error| unparsable(&error))?;
        Ok(Self {
            program: plan::compile(&schema, root)?,
            reader,
            random: JavaRandom::new(seed),
            timeout,
            last: 0,
        })
    }

    /// Names of the record's fields.
    pub(crate) fn fields(&self) -> &[String] {
        &self.program.fields
    }

    /// Takes up random numbers where an offset says.
    pub(crate) fn seed(&mut self, seed: i64) {
        self.random = JavaRandom::new(seed);
    }

    /// Goes on behind records of before a restart.
    pub(crate) fn skip(&mut self, count: i64) {
        for iteration in &mut self.program.iterations {
            iteration.skip(count);
        }
    }

    /// Starts random numbers anew with one of them, and answers it, as the JVM's task does after each record.
    pub(crate) fn reseed(&mut self) -> i64 {
        let seed = self.random.long();
        self.random = JavaRandom::new(seed);
        seed
    }

    /// # Errors
    /// A record that is too large or takes too long.
    pub(crate) fn next(&mut self) -> Result<SchemaAndValue> {
        let root = Arc::clone(&self.program.root);
        let mut writer = Writer {
            iterations: &mut self.program.iterations,
            random: &mut self.random,
            out: Vec::with_capacity(self.last + self.last / 8),
            work: 0,
            deadline: self
                .timeout
                .map(|timeout| (Instant::now() + timeout, timeout)),
        };
        writer.write(&root)?;
        self.last = writer.out.len();
        let bytes = Bytes::from(writer.out);
        (self.reader)(&bytes)
    }
}

struct Writer<'a> {
    iterations: &'a mut [Iteration],
    random: &'a mut JavaRandom,
    out: Vec<u8>,
    /// Values made so far.
    work: usize,
    deadline: Option<(Instant, Duration)>,
}

impl Writer<'_> {
    fn write(&mut self, plan: &Plan) -> Result<()> {
        self.check()?;
        match plan {
            Plan::Null => {}
            Plan::Boolean(odds) => {
                let value = match odds {
                    None => self.random.boolean(),
                    Some(odds) => self.random.double() < *odds,
                };
                self.out.push(u8::from(value));
            }
            Plan::Int => write_long(&mut self.out, self.random.int().into()),
            Plan::Long => write_long(&mut self.out, self.random.long()),
            Plan::WholeRange(min, max) => {
                let number = whole_between(self.random.double(), *min, *max);
                write_long(&mut self.out, number);
            }
            Plan::Float(range) => {
                let part = self.random.float();
                let number = range.map_or(part, |(min, max)| between(part.into(), min, max) as f32);
                self.out.extend(number.to_le_bytes());
            }
            Plan::Double(range) => {
                let part = self.random.double();
                let number = range.map_or(part, |(min, max)| between(part, min, max));
                self.out.extend(number.to_le_bytes());
            }
            Plan::Bytes(length) => {
                let count = self.count(*length);
                write_count(&mut self.out, count);
                self.random.bytes(count, &mut self.out);
            }
            Plan::Fixed(size) => self.random.bytes(*size, &mut self.out),
            Plan::Decimal(decimal) => self.decimal(decimal),
            Plan::Text(text) => self.text(text),
            Plan::Enum(count) => {
                let index = self.random.index(*count);
                write_count(&mut self.out, index);
            }
            Plan::Array(length, items) => {
                let count = self.count(*length);
                write_count(&mut self.out, count);
                for _ in 0..count {
                    self.write(items)?;
                }
                self.end_of_blocks(count);
            }
            Plan::Map(length, keys, values) => {
                let count = self.count(*length);
                write_count(&mut self.out, count);
                for _ in 0..count {
                    self.write(keys)?;
                    self.write(values)?;
                }
                self.end_of_blocks(count);
            }
            Plan::Record(fields) => {
                for field in fields {
                    self.write(field)?;
                }
            }
            Plan::Union(members) => {
                let index = self.random.index(members.len());
                write_count(&mut self.out, index);
                self.write(&members[index])?;
            }
            Plan::Options(options) => {
                let option = &options[self.random.index(options.len())];
                self.out.extend_from_slice(option);
            }
            Plan::Iteration(number, written) => self.iteration(*number, written),
        }
        Ok(())
    }

    /// Whether there is room and time for one more value.
    fn check(&mut self) -> Result<()> {
        self.work += 1;
        if self.work + self.out.len() > MOST_WORK {
            return Err(ConnectError::connect(format!(
                "the schema asks for a record of more than {} MiB: give a smaller length to its arrays, maps \
                 or texts",
                MOST_WORK >> 20
            )));
        }
        match self.deadline {
            Some((deadline, timeout)) if Instant::now() > deadline => {
                Err(ConnectError::connect(format!(
                    "making a record took more than the {} ms of generate.timeout",
                    timeout.as_millis()
                )))
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, length: Length) -> usize {
        let count = length.min + self.random.below(length.max - length.min);
        usize::try_from(count).unwrap_or(0)
    }

    fn end_of_blocks(&mut self, count: usize) {
        if count > 0 {
            self.out.push(0);
        }
    }

    fn text(&mut self, text: &Text) {
        let mut made = text.prefix.clone();
        match &text.pattern {
            None => {
                for _ in 0..self.count(text.length) {
                    let code = u8::try_from(self.random.below(128)).unwrap_or(0);
                    made.push(char::from(code));
                }
            }
            Some(pattern) => {
                let end = |length: i32| u64::try_from(length).unwrap_or(0);
                let (shortest, longest) = (end(text.length.min), end(text.length.max - 1));
                pattern.write(self.random, shortest, longest, &mut made);
            }
        }
        made.push_str(&text.suffix);
        write_bytes(&mut self.out, made.as_bytes());
    }

    fn iteration(&mut self, number: usize, written: &Written) {
        match (&mut self.iterations[number], written) {
            (Iteration::Whole(whole), Written::Text(prefix, suffix)) => {
                let text = format!("{prefix}{}{suffix}", whole.next());
                write_bytes(&mut self.out, text.as_bytes());
            }
            (Iteration::Whole(whole), _) => write_long(&mut self.out, whole.next()),
            (Iteration::Fraction(fraction), Written::Float) => {
                self.out.extend((fraction.next() as f32).to_le_bytes());
            }
            (Iteration::Fraction(fraction), _) => self.out.extend(fraction.next().to_le_bytes()),
            (Iteration::Boolean(next), _) => {
                self.out.push(u8::from(*next));
                *next = !*next;
            }
        }
    }

    /// The unscaled value, two's complement, most significant byte first.
    fn decimal(&mut self, decimal: &Decimal) {
        let unscaled = match decimal.range {
            Some((min, max)) => {
                let number = between(self.random.double(), min, max);
                let unscaled = (number * 10_f64.powi(decimal.scale.cast_signed())).trunc();
                BigInt::from(unscaled as i128)
            }
            None => self.any_decimal(decimal.precision),
        };
        let bytes = unscaled.to_signed_bytes_be();
        match decimal.size {
            None => write_bytes(&mut self.out, &bytes),
            Some(size) => {
                let sign = if unscaled.sign() == num_bigint::Sign::Minus {
                    0xFF
                } else {
                    0
                };
                let padded = self.out.len() + size.saturating_sub(bytes.len());
                self.out.resize(padded, sign);
                self.out.extend(bytes);
            }
        }
    }

    fn any_decimal(&mut self, precision: u32) -> BigInt {
        let part = 10_i64.pow(DIGITS_AT_ONCE);
        let mut number = BigInt::ZERO;
        let mut digits = 0;
        while digits < precision {
            let more = (self.random.double() * part as f64) as i64;
            number = number * part + more;
            digits += DIGITS_AT_ONCE;
        }
        number /= BigInt::from(10).pow(digits - precision);
        if self.random.boolean() {
            -number
        } else {
            number
        }
    }
}

/// A number of a range, by a number from 0 to 1.
fn between(part: f64, min: f64, max: f64) -> f64 {
    let wide = max - min;
    if wide.is_finite() {
        min + part * wide
    } else {
        min * (1.0 - part) + max * part
    }
}

fn whole_between(part: f64, min: i64, max: i64) -> i64 {
    let wide = i128::from(max) - i128::from(min);
    let number = i128::from(min) + (part * wide as f64) as i128;
    i64::try_from(number.min(i128::from(max) - 1)).unwrap_or(min)
}

/// The text with blanks for comments, which Java's parser of schemas takes (`/* */`, `//` to the end of the
/// line).
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = if rest.starts_with('"') {
            let end = end_of_text(rest);
            out.push_str(&rest[..end]);
            end
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            out.push(' ');
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else {
            out.push('/');
            1
        };
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Where a JSON string that begins the text ends.
fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
