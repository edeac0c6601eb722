//! `StringConverter`: the text of any value, in UTF-8 or another encoding.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use sluice_api::config::{ConfigDef, ConfigKey, ConfigType, Importance, Width};
use sluice_api::plugin::{ConverterPlugin, HeaderConverterPlugin, KAFKA_VERSION};
use sluice_api::{
    ConnectError, Converter, ConverterType, Props, Result, Schema, SchemaAndValue, Value, schemas,
};
use sluice_jvm_text::text::utf8_lossy;

const CLASS: &str = "org.apache.kafka.connect.storage.StringConverter";
const ENCODING: &str = "converter.encoding";

/// Descriptor for keys and values.
pub fn plugin() -> ConverterPlugin {
    ConverterPlugin::of(CLASS, KAFKA_VERSION, config_def, || {
        Box::new(StringConverter::default())
    })
}

/// Descriptor of the converter of headers.
pub fn header_plugin() -> HeaderConverterPlugin {
    HeaderConverterPlugin::of(CLASS, KAFKA_VERSION, config_def, || {
        Box::new(StringConverter::default())
    })
}

fn config_def() -> ConfigDef {
    let mut encoding = ConfigKey::new(ENCODING, ConfigType::String)
        .default("UTF-8")
        .importance(Importance::High)
        .doc("The name of the Java character set to use for encoding strings as byte arrays.");
    // Named, but in no group.
    encoding.display_name = "Encoding".to_owned();
    encoding.width = Width::Medium;
    ConfigDef::new()
        .define(crate::converter_support::converter_type_key())
        .define(encoding)
}

/// Encodings that are known; others are refused, as by a JVM without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Encoding {
    #[default]
    Utf8,
    Latin1,
    Ascii,
    Utf16Be,
    Utf16Le,
}

impl Encoding {
    fn parse(name: &str) -> Result<Self> {
        Ok(
            match name.trim().to_ascii_uppercase().replace('_', "-").as_str() {
                "UTF-8" | "UTF8" => Self::Utf8,
                "ISO-8859-1" | "ISO8859-1" | "LATIN1" => Self::Latin1,
                "US-ASCII" | "ASCII" => Self::Ascii,
                "UTF-16BE" => Self::Utf16Be,
                "UTF-16LE" => Self::Utf16Le,
                _ => {
                    return Err(ConnectError::config(format!(
                        "Invalid value {name} for configuration {ENCODING}: the encoding is not supported; \
                         supported are UTF-8, US-ASCII, ISO-8859-1, UTF-16BE, UTF-16LE"
                    )));
                }
            },
        )
    }

    fn encode(self, text: &str, buffer: &mut Vec<u8>) {
        match self {
            Self::Utf8 => buffer.extend_from_slice(text.as_bytes()),
            Self::Latin1 => {
                buffer.extend(
                    text.chars()
                        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')),
                );
            }
            Self::Ascii => {
                buffer.extend(
                    text.chars()
                        .map(|c| if c.is_ascii() { c as u8 } else { b'?' }),
                );
            }
            Self::Utf16Be => buffer.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
            Self::Utf16Le => buffer.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
        }
    }

    fn decode(self, data: &Bytes) -> ByteString {
        let utf16 = |read: fn([u8; 2]) -> u16| {
            let units: Vec<u16> = data
                .chunks(2)
                .map(|pair| match pair {
                    [a, b] => read([*a, *b]),
                    _ => 0xFFFD,
                })
                .collect();
            ByteString::from(String::from_utf16_lossy(&units))
        };
        match self {
            Self::Utf8 => ByteString::try_from(data.clone())
                .unwrap_or_else(|_| utf8_lossy(data).into_owned().into()),
            Self::Latin1 => data
                .iter()
                .map(|b| char::from(*b))
                .collect::<String>()
                .into(),
            Self::Ascii => data
                .iter()
                .map(|b| {
                    if b.is_ascii() {
                        char::from(*b)
                    } else {
                        '\u{FFFD}'
                    }
                })
                .collect::<String>()
                .into(),
            Self::Utf16Be => utf16(u16::from_be_bytes),
            Self::Utf16Le => utf16(u16::from_le_bytes),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct StringConverter {
    encoding: Encoding,
}

impl Converter for StringConverter {
    fn configure(&mut self, props: &Props, _kind: ConverterType) -> Result<()> {
        if let Some(name) = props.get(ENCODING) {
            self.encoding = Encoding::parse(name)?;
        }
        Ok(())
    }

    fn from_connect_data<'a>(
        &self,
        _topic: &str,
        _schema: Option<&Arc<Schema>>,
        value: &'a Value,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>> {
        let start = buffer.len();
        match value {
            Value::Null => return Ok(None),
            Value::String(text) if self.encoding == Encoding::Utf8 => {
                return Ok(Some(text.as_bytes()));
            }
            Value::String(text) => self.encoding.encode(text, buffer),
            other if self.encoding == Encoding::Utf8 => write!(buffer, "{other}")?,
            other => self.encoding.encode(&other.to_string(), buffer),
        }
        Ok(buffer.get(start..))
    }

    fn to_connect_data(&self, _topic: &str, data: Option<&Bytes>) -> Result<SchemaAndValue> {
        let value = match data {
            None => Value::Null,
            Some(data) => Value::String(self.encoding.decode(data)),
        };
        Ok(SchemaAndValue::new(
            Some(schemas::OPTIONAL_STRING.clone()),
            value,
        ))
    }
}

crate::converter_support::header_converter_by_converter!(StringConverter);

#[cfg(test)]
mod tests {
    use super::*;

    fn written(converter: &StringConverter, value: &Value) -> Option<Vec<u8>> {
        let mut buffer = vec![b'x'];
        converter
            .from_connect_data("t", None, value, &mut buffer)
            .unwrap()
            .map(<[u8]>::to_vec)
    }

    #[test]
    fn texts_pass_and_other_values_are_written_as_text() {
        let converter = StringConverter::default();
        assert_eq!(written(&converter, &Value::from("aé")), Some("aé".into()));
        assert_eq!(
            written(&converter, &Value::from(1.5)),
            Some(b"1.5".to_vec())
        );
        assert_eq!(written(&converter, &Value::Null), None);
    }

    #[test]
    fn null_has_the_optional_string_schema_too() {
        let read = StringConverter::default()
            .to_connect_data("t", None)
            .unwrap();
        assert_eq!(read.schema, Some(schemas::OPTIONAL_STRING.clone()));
        assert!(read.value.is_null());
    }

    #[test]
    fn malformed_text_is_replaced() {
        let data = Bytes::from_static(b"a\xff");
        let read = StringConverter::default()
            .to_connect_data("t", Some(&data))
            .unwrap();
        assert_eq!(read.value, Value::from("a\u{FFFD}"));
    }

    #[test]
    fn encodings_are_honoured_or_refused() {
        let mut converter = StringConverter::default();
        let props = |name: &str| Props::from([(ENCODING.to_owned(), name.to_owned())]);
        Converter::configure(&mut converter, &props("ISO-8859-1"), ConverterType::Key).unwrap();
        assert_eq!(written(&converter, &Value::from("é")), Some(vec![0xE9]));
        let error =
            Converter::configure(&mut converter, &props("EBCDIC"), ConverterType::Key).unwrap_err();
        assert!(error.message().contains("EBCDIC"));
    }
}
