//! What a layout is, and the walk along one.

use std::fmt;

/// A request or an answer.
#[derive(Debug)]
pub(crate) struct Message {
    /// Number of its API.
    pub(crate) api: i16,
    /// First version with compact lengths and tagged fields.
    pub(crate) flexible: i16,
    /// What is behind its header.
    pub(crate) body: Layout,
}

/// The fields of a struct.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Bytes that the decoded struct takes, without what its strings and arrays point to.
    pub(crate) memory: usize,
    /// In the sequence in which they are written.
    pub(crate) fields: &'static [Field],
    /// By tag; in flexible versions any of them may stand behind the others.
    pub(crate) tagged: &'static [(u32, Field)],
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    /// Kafka's name for it, in snake case.
    pub(crate) name: &'static str,
    /// First version that has it.
    pub(crate) first: i16,
    /// Last version that has it.
    pub(crate) last: i16,
    /// How it is written.
    pub(crate) kind: Kind,
}

/// How a field is written.
#[derive(Debug)]
pub(crate) enum Kind {
    /// This many bytes.
    Fixed(usize),
    /// A string, with a length of two bytes or a compact one; may be null.
    Text,
    /// Bytes or record batches, with a length of four bytes or a compact one; may be null.
    Bytes,
    /// Elements, with a count of four bytes or a compact one; may be null.
    Array(&'static Kind),
    /// Fields, and tagged fields in flexible versions.
    Struct(&'static Layout),
    /// The same behind a byte that says whether there is one, from the first to the second version.
    Optional(i16, i16, &'static Layout),
}

/// `field!("name", 3.., KIND)`: a field of the versions from 3 on; `field!("name", 0..=2, KIND)`: of the
/// versions 0 to 2. With a number in front it is a tagged field, with its tag.
macro_rules! field {
    ($tag:literal, $name:literal, $($rest:tt)+) => {
        ($tag, $crate::layout::field!($name, $($rest)+))
    };
    ($name:literal, $first:literal.., $kind:expr) => {
        $crate::layout::field!($name, $first..=i16::MAX, $kind)
    };
    ($name:literal, $first:literal..=$last:expr, $kind:expr) => {
        $crate::layout::Field { name: $name, first: $first, last: $last, kind: $kind }
    };
}
pub(crate) use field;

/// `layout!(MEMORY, [FIELDS], [TAGGED FIELDS])`.
macro_rules! layout {
    ($memory:literal, $fields:expr, $tagged:expr) => {
        $crate::layout::Layout {
            memory: $memory,
            fields: &$fields,
            tagged: &$tagged,
        }
    };
}
pub(crate) use layout;

/// Why bytes are not the message they should be, with the field where that was seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{reason}")]
pub struct Fault {
    path: Path,
    reason: String,
}

/// Names of fields, the innermost first, as the walk leaves them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(&'static str),
    Element(usize),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().rev().enumerate() {
            match step {
                Step::Field(name) if depth == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Element(index) => write!(f, "[{index}]")?,
            }
        }
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, ": ")
        }
    }
}

impl Fault {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            path: Path::default(),
            reason: reason.into(),
        }
    }

    fn at(mut self, step: Step) -> Self {
        self.path.0.push(step);
        self
    }
}

/// Memory of an unknown tagged field in the decoder's map, which is a tree of half-filled nodes.
const UNKNOWN_TAGGED_FIELD: usize = 128;

/// Walks `body` along the layout of `api`, and returns the memory of the decoded message.
pub(crate) fn walk(
    messages: &'static [Message],
    api: i16,
    version: i16,
    body: &[u8],
) -> Result<usize, Fault> {
    let message = messages
        .binary_search_by_key(&api, |message| message.api)
        .ok()
        .and_then(|index| messages.get(index))
        .ok_or_else(|| Fault::new(format!("{api} is not the number of an API of Kafka")))?;
    let mut walk = Walk {
        rest: body,
        version,
        flexible: version >= message.flexible,
        memory: message.body.memory,
    };
    walk.layout(&message.body)?;
    Ok(walk.memory)
}

/// Bytes of the tagged fields that `bytes` begin with.
pub(crate) fn tags(bytes: &[u8]) -> Result<usize, Fault> {
    let mut walk = Walk {
        rest: bytes,
        version: 0,
        flexible: true,
        memory: 0,
    };
    walk.tagged(&[])?;
    Ok(bytes.len() - walk.rest.len())
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    memory: usize,
}

impl Walk<'_> {
    fn layout(&mut self, layout: &'static Layout) -> Result<(), Fault> {
        for field in layout.fields {
            if (field.first..=field.last).contains(&self.version) {
                self.kind(&field.kind)
                    .map_err(|fault| fault.at(Step::Field(field.name)))?;
            }
        }
        if self.flexible {
            self.tagged(layout.tagged)?;
        }
        Ok(())
    }

    /// Tagged fields carry their size, but decoders read the ones they know without it: those are walked.
    fn tagged(&mut self, known: &'static [(u32, Field)]) -> Result<(), Fault> {
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let size = self.varint()? as usize;
            let field = known
                .iter()
                .find(|(of, field)| {
                    *of == tag && (field.first..=field.last).contains(&self.version)
                })
                .map(|(_, field)| field);
            let Some(field) = field else {
                self.skip(size)?;
                self.memory += UNKNOWN_TAGGED_FIELD;
                continue;
            };
            let named = |fault: Fault| fault.at(Step::Field(field.name));
            let left = self.rest.len();
            self.kind(&field.kind).map_err(named)?;
            let walked = left - self.rest.len();
            if walked != size {
                return Err(named(Fault::new(format!(
                    "has {walked} bytes, and {size} by its tag"
                ))));
            }
        }
        Ok(())
    }

    fn kind(&mut self, kind: &'static Kind) -> Result<(), Fault> {
        match kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::Text => {
                let length = self.length(2)?;
                self.skip(length.unwrap_or(0))
            }
            Kind::Bytes => {
                let length = self.length(4)?;
                self.skip(length.unwrap_or(0))
            }
            Kind::Array(element) => self.array(element),
            Kind::Struct(layout) => self.layout(layout),
            Kind::Optional(first, last, layout) => {
                let marked = (*first..=*last).contains(&self.version);
                if marked && self.byte()? == 0xff {
                    return Ok(());
                }
                self.layout(layout)
            }
        }
    }

    fn array(&mut self, element: &'static Kind) -> Result<(), Fault> {
        let count = self.length(4)?.unwrap_or(0);
        // Every element takes a byte at least.
        if count > self.rest.len() {
            return Err(Fault::new(format!(
                "claims {count} elements, {} bytes are left",
                self.rest.len()
            )));
        }
        self.memory += count * memory(element);
        for index in 0..count {
            self.kind(element)
                .map_err(|fault| fault.at(Step::Element(index)))?;
        }
        Ok(())
    }

    /// A length or count; `None` is null.
    fn length(&mut self, width: usize) -> Result<Option<usize>, Fault> {
        if self.flexible {
            return Ok((self.varint()? as usize).checked_sub(1));
        }
        let length = match *self.take(width)? {
            [a, b] => i32::from(i16::from_be_bytes([a, b])),
            [a, b, c, d] => i32::from_be_bytes([a, b, c, d]),
            _ => return Err(Fault::new("a length has two or four bytes")),
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(Fault::new(format!("has the length {length}"))),
        }
    }

    fn varint(&mut self) -> Result<u32, Fault> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::new("has a length of more than five bytes"))
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn skip(&mut self, count: usize) -> Result<(), Fault> {
        self.take(count).map(|_| ())
    }

    fn take(&mut self, count: usize) -> Result<&[u8], Fault> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(Fault::new(format!(
                "wants {count} bytes, {} are left",
                self.rest.len()
            )));
        };
        self.rest = rest;
        Ok(taken)
    }
}

/// Bytes that an element takes inside its array.
fn memory(element: &Kind) -> usize {
    match element {
        Kind::Fixed(size) => *size,
        Kind::Text | Kind::Bytes => 32,
        Kind::Array(_) => 24,
        Kind::Struct(layout) | Kind::Optional(_, _, layout) => layout.memory,
    }
}
