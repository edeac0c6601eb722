//! JSON lines and text lines, compressed or not.

use std::io::Write as _;
use std::sync::Arc;

use flate2::write::GzEncoder;
use sluice_api::{ConnectError, Converter as _, Result, Schema, Value};
use sluice_plugins::json::JsonConverter;

use super::Compression;
use super::Encoder;

/// What a line holds.
enum Line {
    /// The JSON of the value without its schema, as `JsonConverter` writes it.
    Json(Box<JsonConverter>, Option<Arc<Schema>>),
    /// The text that Java's `toString` makes.
    Text,
}

struct Lines {
    line: Line,
    gzip: Option<GzEncoder<Vec<u8>>>,
    /// The line that is being made, where it is compressed.
    plain: Vec<u8>,
}

fn lines(line: Line, compression: Compression) -> Box<dyn Encoder> {
    let gzip = (compression == Compression::Gzip)
        .then(|| GzEncoder::new(Vec::new(), flate2::Compression::default()));
    Box::new(Lines {
        line,
        gzip,
        plain: Vec::new(),
    })
}

/// An encoder of JSON lines.
pub(super) fn json(schema: Option<Arc<Schema>>, compression: Compression) -> Box<dyn Encoder> {
    let converter = Box::new(JsonConverter::without_schemas());
    lines(Line::Json(converter, schema), compression)
}

/// An encoder of lines of text.
pub(super) fn text(compression: Compression) -> Box<dyn Encoder> {
    lines(Line::Text, compression)
}

impl Line {
    fn write(&self, value: &Value, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Json(converter, schema) => {
                let written = converter.from_connect_data("", schema.as_ref(), value, out)?;
                if written.is_none() {
                    out.extend_from_slice(b"null");
                }
            }
            Self::Text => write!(out, "{value}")?,
        }
        out.push(b'\n');
        Ok(())
    }
}

impl Encoder for Lines {
    fn write(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<()> {
        let Some(gzip) = &mut self.gzip else {
            return self.line.write(value, out);
        };
        self.plain.clear();
        self.line.write(value, &mut self.plain)?;
        gzip.write_all(&self.plain)?;
        out.append(gzip.get_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if let Some(gzip) = self.gzip.take() {
            out.append(&mut gzip.finish().map_err(ConnectError::from)?);
        }
        Ok(())
    }
}
