//! Keys of what files hold, where they go, and when they end.

use std::str::FromStr as _;
use std::sync::Arc;

use chrono_tz::Tz;
use sluice_api::config::{ConfigType, ConfigValue, Importance, Validator, validators};
use sluice_api::{ConfigDef, ConfigError, ConnectError, ParsedConfig, Props, Result};
use sluice_jvm_text::simple_date_format::SimpleDateFormat;
use sluice_toolkit::files::format::{
    AvroCodec, Compression, FormatKind, FormatSettings, ParquetCodec,
};
use sluice_toolkit::files::partitioner::{Extractor, PartitionerKind, PartitionerSettings};
use sluice_toolkit::files::rotation::Rotation;

use super::key;

const FORMAT_CLASS: &str = "format.class";
const AVRO_CODEC: &str = "avro.codec";
const PARQUET_CODEC: &str = "parquet.codec";
const COMPRESSION: &str = "sluice.compression.type";
const ENHANCED: &str = "enhanced.avro.schema.support";
const META_DATA: &str = "connect.meta.data";
const OPTIONAL_MAP_KEYS: &str = "allow.optional.map.keys";
const CACHE_SIZE: &str = "schema.cache.size";
const PARTITIONER_CLASS: &str = "partitioner.class";
const FIELD_NAME: &str = "partition.field.name";
const FIELD_PATH: &str = "partition.field.format.path";
const DURATION: &str = "partition.duration.ms";
const PATH_FORMAT: &str = "path.format";
const LOCALE: &str = "locale";
const ZONE: &str = "timezone";
const EXTRACTOR: &str = "timestamp.extractor";
const TIMESTAMP_FIELD: &str = "timestamp.field";
const FLUSH_SIZE: &str = "flush.size";
const ROTATE_INTERVAL: &str = "rotate.interval.ms";
const ROTATE_SCHEDULE: &str = "rotate.schedule.interval.ms";
const OFFSET_WIDTH: &str = "filename.offset.zero.pad.width";
const DIRECTORY_DELIMITER: &str = "directory.delim";
const FILE_DELIMITER: &str = "file.delim";
const COMPATIBILITY: &str = "schema.compatibility";
const MAX_OPEN_FILES: &str = "max.open.files.per.partition";
const NULL_VALUES: &str = "behavior.on.null.values";

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;
const DAILY_PATH: &str = "'year'=YYYY/'month'=MM/'day'=dd";
const HOURLY_PATH: &str = "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH";

/// Classes by their full name, which may also be given by the last part of it, without the suffix if there is
/// one.
fn class_validator(known: &'static [&'static str], suffix: &'static str) -> Validator {
    Arc::new(move |name, value| match value.display() {
        Some(text) if find_class(known, suffix, &text).is_none() => Err(ConfigError::invalid(
            name,
            text,
            format!("it is not supported; supported are {}", known.join(", ")),
        )),
        _ => Ok(()),
    })
}

/// The position of a class in the list; the connector for HDFS 3 has the same classes in a package of its
/// own.
fn find_class(known: &[&str], suffix: &str, text: &str) -> Option<usize> {
    let of_hdfs_3 = text
        .strip_prefix("io.confluent.connect.hdfs3.")
        .map(|rest| format!("io.confluent.connect.hdfs.{rest}"));
    let text = of_hdfs_3.as_deref().unwrap_or(text);
    known.iter().position(|full| {
        let simple = full.rsplit('.').next().unwrap_or(full);
        text == *full
            || text == simple
            || simple
                .strip_suffix(suffix)
                .is_some_and(|short| text.eq_ignore_ascii_case(short))
            || text
                .strip_prefix("io.confluent.connect.hdfs.partitioner.")
                .is_some_and(|old| old == simple)
    })
}

const FORMATS: &[&str] = &[
    "io.confluent.connect.hdfs.avro.AvroFormat",
    "io.confluent.connect.hdfs.parquet.ParquetFormat",
    "io.confluent.connect.hdfs.json.JsonFormat",
    "io.confluent.connect.hdfs.string.StringFormat",
];

const PARTITIONERS: &[&str] = &[
    "io.confluent.connect.storage.partitioner.DefaultPartitioner",
    "io.confluent.connect.storage.partitioner.FieldPartitioner",
    "io.confluent.connect.storage.partitioner.TimeBasedPartitioner",
    "io.confluent.connect.storage.partitioner.DailyPartitioner",
    "io.confluent.connect.storage.partitioner.HourlyPartitioner",
];

const EXTRACTORS: &[&str] = &["Wallclock", "Record", "RecordField"];

fn exactly(value: &'static str) -> Validator {
    super::only(value, "it cannot be changed here")
}

fn zone_validator() -> Validator {
    Arc::new(|name, value| match value {
        ConfigValue::String(text) if !text.is_empty() => zone(text)
            .map(drop)
            .map_err(|why| ConfigError::invalid(name, text, why)),
        _ => Ok(()),
    })
}

fn zone(text: &str) -> std::result::Result<Tz, String> {
    Tz::from_str(text).map_err(|_| format!("{text:?} is no time zone such as UTC or Europe/Berlin"))
}

fn path_validator() -> Validator {
    Arc::new(|name, value| match value {
        ConfigValue::String(text) if !text.is_empty() => path_format(text)
            .map(drop)
            .map_err(|error| ConfigError::invalid(name, text, error.message())),
        _ => Ok(()),
    })
}

/// A pattern of Joda time. Its letters mean what Java's do but for `Y`, which is the year.
fn path_format(pattern: &str) -> Result<SimpleDateFormat> {
    let mut quoted = false;
    let mut java = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        if c == '\'' {
            quoted = !quoted;
        }
        java.push(match c {
            'Y' if !quoted => 'y',
            'C' | 'x' | 'w' | 'e' | 'z' | 'Z' | 'u' | 'W' | 'F' | 'X' | 'L' | 'G' if !quoted => {
                return Err(ConnectError::data(format!(
                    "the letter {c} is not supported in a path format"
                )));
            }
            other => other,
        });
    }
    Ok(SimpleDateFormat::new(&java)?)
}

/// Adds the keys.
pub(super) fn define(def: ConfigDef) -> ConfigDef {
    use ConfigType::{Boolean, Int, List, Long, String};
    let def = def
        .define(
            key(
                FORMAT_CLASS,
                String,
                Importance::High,
                "What files hold: io.confluent.connect.hdfs.avro.AvroFormat, .parquet.ParquetFormat, \
                 .json.JsonFormat (a line per record) or .string.StringFormat; AvroFormat or Avro is enough.",
            )
            .default("io.confluent.connect.hdfs.avro.AvroFormat")
            .validator(class_validator(FORMATS, "Format")),
        )
        .define(
            key(AVRO_CODEC, String, Importance::Low, "Compression in Avro files: null, deflate or snappy.")
                .default("null")
                .validator(validators::one_of(&["null", "deflate", "snappy"])),
        )
        .define(
            key(
                PARQUET_CODEC,
                String,
                Importance::Low,
                "Compression in Parquet files: none, gzip, snappy or zstd.",
            )
            .default("snappy")
            .validator(validators::one_of(&["none", "gzip", "snappy", "zstd"])),
        )
        .define(
            key(
                COMPRESSION,
                String,
                Importance::Low,
                "Compression of JSON and text files: none or gzip, which adds .gz to their names. An \
                 addition to the Confluent connector.",
            )
            .default("none")
            .validator(validators::one_of(&["none", "gzip"])),
        )
        .define(
            key(ENHANCED, Boolean, Importance::Low, "Whether enums stay enums in Avro \
                                                     files.").default("false"),
        )
        .define(
            key(
                META_DATA,
                Boolean,
                Importance::Low,
                "Whether Avro schemas hold what only Connect schemas have.",
            )
            .default("true"),
        )
        .define(
            key(
                OPTIONAL_MAP_KEYS,
                Boolean,
                Importance::Low,
                "Whether maps with optional text keys become Avro maps.",
            )
            .default("false"),
        )
        .define(
            key(CACHE_SIZE, Int, Importance::Low, "Accepted for compatibility: a file has one schema.")
                .default("1000"),
        );
    let def = def
        .define(
            key(
                PARTITIONER_CLASS,
                String,
                Importance::High,
                "Which folder a record goes to: io.confluent.connect.storage.partitioner.DefaultPartitioner \
                 (one per partition of the topic), FieldPartitioner, TimeBasedPartitioner, DailyPartitioner \
                 or HourlyPartitioner.",
            )
            .default("io.confluent.connect.storage.partitioner.DefaultPartitioner")
            .validator(class_validator(PARTITIONERS, "Partitioner")),
        )
        .define(
            key(
                FIELD_NAME,
                List,
                Importance::Medium,
                "Fields of the value by which FieldPartitioner makes folders, field=value for each; nested \
                 ones as a.b.",
            )
            .default(""),
        )
        .define(
            key(
                FIELD_PATH,
                Boolean,
                Importance::Low,
                "Whether folders of FieldPartitioner are field=value, rather than the value alone.",
            )
            .default("true"),
        )
        .define(
            key(
                DURATION,
                Long,
                Importance::Medium,
                "Milliseconds of time that share a folder of TimeBasedPartitioner.",
            )
            .default("-1"),
        )
        .define(
            key(
                PATH_FORMAT,
                String,
                Importance::Medium,
                "Folders of TimeBasedPartitioner as a pattern of time, such as \
                 'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH.",
            )
            .default("")
            .validator(path_validator()),
        )
        .define(
            key(
                LOCALE,
                String,
                Importance::Medium,
                "Locale of path.format. Names of months and days are always English; numbers are the same \
                 everywhere.",
            )
            .default(""),
        )
        .define(
            key(
                ZONE,
                String,
                Importance::Medium,
                "Time zone of folders and of rotate.schedule.interval.ms, such as UTC or Europe/Berlin.",
            )
            .default("")
            .validator(zone_validator()),
        )
        .define(
            key(
                EXTRACTOR,
                String,
                Importance::Medium,
                "Which time counts: Wallclock (now), Record (the record's timestamp) or RecordField \
                 (timestamp.field).",
            )
            .default("Wallclock")
            .validator(class_validator(EXTRACTORS, "")),
        )
        .define(
            key(
                TIMESTAMP_FIELD,
                String,
                Importance::Medium,
                "Field of the value with the time for RecordField: a Timestamp, milliseconds, or an ISO 8601 \
                 text.",
            )
            .default("timestamp"),
        );
    def.define(
        key(
            FLUSH_SIZE,
            Int,
            Importance::High,
            "Records of a topic's partition after which its files are finished and get their names.",
        )
        .validator(validators::at_least(1)),
    )
    .define(
        key(
            ROTATE_INTERVAL,
            Long,
            Importance::High,
            "Milliseconds, by the time that timestamp.extractor finds, that files of a partition span at \
             most; -1 for no limit.",
        )
        .default("-1"),
    )
    .define(
        key(
            ROTATE_SCHEDULE,
            Long,
            Importance::Medium,
            "Milliseconds of the clock after which files are finished whatever comes, counted from midnight \
             in timezone; -1 for never.",
        )
        .default("-1"),
    )
    .define(
        key(
            OFFSET_WIDTH,
            Int,
            Importance::Low,
            "Digits that offsets in names have at least.",
        )
        .default("10")
        .validator(validators::between(0, 19)),
    )
    .define(
        key(DIRECTORY_DELIMITER, String, Importance::Low, "What stands between folders; HDFS knows / only.")
            .default("/")
            .validator(exactly("/")),
    )
    .define(
        key(FILE_DELIMITER, String, Importance::Low, "What stands between the parts of a name.")
            .default("+")
            .validator(exactly("+")),
    )
    .define(
        key(
            COMPATIBILITY,
            String,
            Importance::High,
            "What happens when a record's schema is another than that of the files: NONE begins new ones; \
             BACKWARD, FORWARD and FULL project the record to the newest, or for FORWARD oldest, version, so \
             that files need not end.",
        )
        .default("NONE")
        .validator(validators::one_of_ignoring_case(&["NONE", "BACKWARD", "FORWARD", "FULL"])),
    )
    .define(
        key(
            MAX_OPEN_FILES,
            Int,
            Importance::Low,
            "Files of a topic's partition that may be open at a time, one per folder; when another is \
             needed, all are finished.",
        )
        .default("100")
        .validator(validators::at_least(1)),
    )
    .define(
        key(
            NULL_VALUES,
            String,
            Importance::Low,
            "What happens to records without a value: fail (they are bad records) or ignore.",
        )
        .default("fail")
        .validator(validators::one_of_ignoring_case(&["fail", "ignore"])),
    )
}

pub(super) fn format(config: &ParsedConfig) -> FormatSettings {
    let flag = |key: &'static str| (key, if config.boolean(key) { "true" } else { "false" });
    FormatSettings {
        kind: match find_class(FORMATS, "Format", config.string(FORMAT_CLASS)) {
            Some(1) => FormatKind::Parquet,
            Some(2) => FormatKind::Json,
            Some(3) => FormatKind::Text,
            _ => FormatKind::Avro,
        },
        avro_codec: match config.string(AVRO_CODEC) {
            "deflate" => AvroCodec::Deflate,
            "snappy" => AvroCodec::Snappy,
            _ => AvroCodec::Null,
        },
        parquet_codec: match config.string(PARQUET_CODEC) {
            "none" => ParquetCodec::None,
            "gzip" => ParquetCodec::Gzip,
            "zstd" => ParquetCodec::Zstd,
            _ => ParquetCodec::Snappy,
        },
        compression: match config.string(COMPRESSION) {
            "gzip" => Compression::Gzip,
            _ => Compression::None,
        },
        avro: vec![flag(ENHANCED), flag(META_DATA), flag(OPTIONAL_MAP_KEYS)],
    }
}

pub(super) fn partitioner(config: &ParsedConfig) -> Result<PartitionerSettings> {
    let class = find_class(
        PARTITIONERS,
        "Partitioner",
        config.string(PARTITIONER_CLASS),
    );
    let time = |duration: i64, pattern: &str| -> Result<PartitionerKind> {
        if duration < 1 {
            return Err(ConnectError::config(format!(
                "{DURATION} must be positive for the partitioner"
            )));
        }
        let pattern = match config.string(PATH_FORMAT) {
            "" => pattern,
            given => given,
        };
        if pattern.is_empty() {
            return Err(ConnectError::config(format!(
                "{PATH_FORMAT} must be set for the partitioner"
            )));
        }
        if config.string(ZONE).is_empty() {
            return Err(ConnectError::config(format!(
                "{ZONE} must be set for the partitioner"
            )));
        }
        Ok(PartitionerKind::Time {
            duration,
            format: path_format(pattern)?,
            zone: zone(config.string(ZONE)).map_err(ConnectError::config)?,
        })
    };
    let kind = match class {
        Some(1) => PartitionerKind::Field {
            fields: config.list(FIELD_NAME).to_vec(),
            named: config.boolean(FIELD_PATH),
        },
        Some(2) => time(config.long(DURATION), "")?,
        Some(3) => time(24 * HOUR, DAILY_PATH)?,
        Some(4) => time(HOUR, HOURLY_PATH)?,
        _ => PartitionerKind::Default,
    };
    let is_timed = matches!(kind, PartitionerKind::Time { .. });
    let extractor = match find_class(EXTRACTORS, "", config.string(EXTRACTOR)) {
        // Other partitioners have no use for time, so rotation goes by the clock, as in the Confluent
        // connector.
        _ if !is_timed => Extractor::Wallclock,
        Some(1) => Extractor::Record,
        Some(2) => Extractor::Field(config.string(TIMESTAMP_FIELD).to_owned()),
        _ => Extractor::Wallclock,
    };
    Ok(PartitionerSettings { kind, extractor })
}

pub(super) fn rotation(config: &ParsedConfig) -> Result<Rotation> {
    let positive = |key: &str| Some(config.long(key)).filter(|millis| *millis > 0);
    let schedule = positive(ROTATE_SCHEDULE);
    let zone = match config.string(ZONE) {
        "" if schedule.is_some() => {
            return Err(ConnectError::config(format!(
                "{ROTATE_SCHEDULE} needs {ZONE}, such as UTC"
            )));
        }
        "" => Tz::UTC,
        text => zone(text).map_err(ConnectError::config)?,
    };
    Ok(Rotation {
        flush_size: u64::try_from(config.int(FLUSH_SIZE)).unwrap_or(1),
        interval: positive(ROTATE_INTERVAL),
        schedule,
        zone,
    })
}

/// `schema.compatibility`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaCompatibility {
    None,
    Backward,
    Forward,
    Full,
}

pub(super) fn compatibility(config: &ParsedConfig) -> SchemaCompatibility {
    match config.string(COMPATIBILITY).to_ascii_uppercase().as_str() {
        "BACKWARD" => SchemaCompatibility::Backward,
        "FORWARD" => SchemaCompatibility::Forward,
        "FULL" => SchemaCompatibility::Full,
        _ => SchemaCompatibility::None,
    }
}

/// `behavior.on.null.values`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NullValues {
    Fail,
    Ignore,
}

pub(super) fn null_values(config: &ParsedConfig) -> NullValues {
    if config.string(NULL_VALUES).eq_ignore_ascii_case("ignore") {
        NullValues::Ignore
    } else {
        NullValues::Fail
    }
}

pub(super) fn offset_width(config: &ParsedConfig) -> usize {
    usize::try_from(config.int(OFFSET_WIDTH)).unwrap_or(0)
}

pub(super) fn max_open_files(config: &ParsedConfig) -> usize {
    usize::try_from(config.int(MAX_OPEN_FILES)).unwrap_or(1)
}

/// Faults that concern several keys, but for those that [`partitioner`] and [`rotation`]
/// find.
pub(super) fn check(props: &Props, fault: &mut impl FnMut(&str, &str)) {
    let given = |key: &str| props.get(key).map(|text| text.trim()).unwrap_or_default();
    let class = find_class(PARTITIONERS, "Partitioner", given(PARTITIONER_CLASS));
    if class == Some(1) && given(FIELD_NAME).is_empty() {
        fault(FIELD_NAME, "FieldPartitioner needs partition.field.name");
    }
    let format = find_class(FORMATS, "Format", given(FORMAT_CLASS));
    if given(COMPRESSION) == "gzip" && !matches!(format, Some(2 | 3)) {
        fault(
            COMPRESSION,
            "Avro and Parquet files are compressed by avro.codec and parquet.codec",
        );
    }
}
