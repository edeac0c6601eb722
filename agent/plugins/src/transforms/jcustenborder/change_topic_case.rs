//! `ChangeTopicCase`: the topic's name in another way of writing several words, as Guava's `CaseFormat` does
//! it.
//!
//! Guava finds words by the separator of `from`, or by capital letters, and looks at letters of ASCII only;
//! what is not written as `from` says is changed all the same.

use std::sync::Arc;

use sluice_api::config::{ConfigError, ConfigKey, ConfigType, ConfigValue, Importance, Validator};
use sluice_api::plugin::TransformationPlugin;
use sluice_api::{ConfigDef, ConnectRecord, Props, RecordOrigin, Result, Transformation};

pub(in super::super) fn plugin() -> TransformationPlugin {
    TransformationPlugin::of(
        "com.github.jcustenborder.kafka.connect.transform.common.ChangeTopicCase",
        env!("CARGO_PKG_VERSION"),
        config_def,
        || Box::<ChangeTopicCase>::default(),
    )
}

const FORMATS: [(&str, Format); 5] = [
    ("LOWER_HYPHEN", Format::LowerHyphen),
    ("LOWER_UNDERSCORE", Format::LowerUnderscore),
    ("LOWER_CAMEL", Format::LowerCamel),
    ("UPPER_CAMEL", Format::UpperCamel),
    ("UPPER_UNDERSCORE", Format::UpperUnderscore),
];

fn config_def() -> ConfigDef {
    let key = |name: &str, doc: &str| {
        ConfigKey::new(name, ConfigType::String)
            .importance(Importance::High)
            .validator(one_of_the_formats())
            .doc(format!(
                "{doc}: LOWER_CAMEL (lowerCamel), LOWER_HYPHEN (lower-hyphen), LOWER_UNDERSCORE \
                 (lower_underscore), UPPER_CAMEL (UpperCamel) or UPPER_UNDERSCORE (UPPER_UNDERSCORE)."
            ))
    };
    ConfigDef::new()
        .define(key("from", "How the topic is written"))
        .define(key("to", "How it is to be written"))
}

fn one_of_the_formats() -> Validator {
    Arc::new(|name, value| match value {
        ConfigValue::String(text) if FORMATS.iter().any(|(format, _)| format == text) => Ok(()),
        other => Err(ConfigError::invalid(
            name,
            other.display().unwrap_or_else(|| "null".to_owned()),
            format!(
                "String must be one of: {}",
                FORMATS.map(|(format, _)| format).join(", ")
            ),
        )),
    })
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Format {
    LowerHyphen,
    LowerUnderscore,
    #[default]
    LowerCamel,
    UpperCamel,
    UpperUnderscore,
}

impl Format {
    fn parse(name: &str) -> Self {
        let found = FORMATS.iter().find(|(format, _)| *format == name);
        found.map(|(_, format)| *format).unwrap_or_default()
    }

    fn separator(self) -> &'static str {
        match self {
            Self::LowerHyphen => "-",
            Self::LowerUnderscore | Self::UpperUnderscore => "_",
            Self::LowerCamel | Self::UpperCamel => "",
        }
    }

    fn begins_word(self, character: char) -> bool {
        match self {
            Self::LowerHyphen => character == '-',
            Self::LowerUnderscore | Self::UpperUnderscore => character == '_',
            Self::LowerCamel | Self::UpperCamel => character.is_ascii_uppercase(),
        }
    }

    fn word(self, word: &str, first: bool) -> String {
        match self {
            Self::LowerHyphen | Self::LowerUnderscore => word.to_ascii_lowercase(),
            Self::UpperUnderscore => word.to_ascii_uppercase(),
            Self::LowerCamel if first => word.to_ascii_lowercase(),
            Self::LowerCamel | Self::UpperCamel => {
                let mut word = word.to_ascii_lowercase();
                if let Some(start) = word.get_mut(..1) {
                    start.make_ascii_uppercase();
                }
                word
            }
        }
    }

    /// As `CaseFormat.to` of Guava.
    fn convert(self, to: Self, text: &str) -> String {
        // Between these Guava changes letters only.
        match (self, to) {
            (from, to) if from == to => return text.to_owned(),
            (Self::LowerHyphen, Self::LowerUnderscore) => return text.replace('-', "_"),
            (Self::LowerHyphen, Self::UpperUnderscore) => {
                return text.replace('-', "_").to_ascii_uppercase();
            }
            (Self::LowerUnderscore, Self::LowerHyphen) => return text.replace('_', "-"),
            (Self::LowerUnderscore, Self::UpperUnderscore) => return text.to_ascii_uppercase(),
            (Self::UpperUnderscore, Self::LowerHyphen) => {
                return text.replace('_', "-").to_ascii_lowercase();
            }
            (Self::UpperUnderscore, Self::LowerUnderscore) => return text.to_ascii_lowercase(),
            _ => {}
        }
        let mut written = String::with_capacity(text.len() + 4);
        let mut start = 0;
        for (at, character) in text.char_indices() {
            if !self.begins_word(character) {
                continue;
            }
            if start == 0 {
                // A capital at the very beginning has written a word of nothing.
                written.clear();
            }
            let word = text.get(start..at).unwrap_or_default();
            written.push_str(&to.word(word, start == 0));
            written.push_str(to.separator());
            start = at + self.separator().len();
        }
        if start == 0 {
            return to.word(text, true);
        }
        written + &to.word(text.get(start..).unwrap_or_default(), false)
    }
}

#[derive(Debug, Default)]
struct ChangeTopicCase {
    from: Format,
    to: Format,
}

impl Transformation for ChangeTopicCase {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let config = config_def().parse(props)?;
        self.from = Format::parse(config.string("from"));
        self.to = Format::parse(config.string("to"));
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        record.topic = self.from.convert(self.to, &record.topic).into();
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guava's own examples, and names that are not written as `from` says.
    #[test]
    fn names_are_written_as_by_guava() {
        use Format::{LowerCamel, LowerHyphen, LowerUnderscore, UpperCamel, UpperUnderscore};
        for (from, to, text, written) in [
            (
                LowerCamel,
                UpperUnderscore,
                "customerOrders",
                "CUSTOMER_ORDERS",
            ),
            (
                UpperUnderscore,
                LowerCamel,
                "CUSTOMER_ORDERS",
                "customerOrders",
            ),
            (LowerHyphen, UpperCamel, "customer-orders", "CustomerOrders"),
            (UpperCamel, LowerHyphen, "CustomerOrders", "customer-orders"),
            (LowerCamel, UpperCamel, "customerOrders", "CustomerOrders"),
            (
                LowerUnderscore,
                LowerHyphen,
                "customer_orders",
                "customer-orders",
            ),
            (
                LowerHyphen,
                UpperUnderscore,
                "customer-orders",
                "CUSTOMER_ORDERS",
            ),
            (UpperCamel, LowerUnderscore, "HTTPServer", "h_t_t_p_server"),
            (UpperCamel, LowerCamel, "FooBar", "fooBar"),
            (LowerUnderscore, UpperCamel, "foo__bar", "FooBar"),
            (LowerUnderscore, UpperCamel, "_foo", "Foo"),
            (LowerCamel, LowerHyphen, "shop.Orders", "shop.-orders"),
            (LowerCamel, LowerCamel, "Any_Thing", "Any_Thing"),
            (LowerUnderscore, LowerCamel, "", ""),
            (LowerUnderscore, UpperCamel, "\u{e4}_b", "\u{e4}B"),
        ] {
            assert_eq!(from.convert(to, text), written, "{from:?} {to:?} {text}");
        }
    }
}
