//! Cells as texts that a database's own input functions read.

use std::fmt::Write as _;

use crate::cell::Cell;
use crate::time::{Zone, write_date, write_time, write_timestamp};

fn write_float(text: &mut String, value: f64, shown: impl std::fmt::Display) {
    if value.is_nan() {
        text.push_str("NaN");
    } else if value.is_infinite() {
        text.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        // Writing to a String can't fail.
        let _ = write!(text, "{shown}");
    }
}

/// Adds two digits per byte.
pub(crate) fn write_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    text.reserve(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(DIGITS.get(usize::from(digit)).copied().unwrap_or('0'));
        }
    }
}

/// Adds a cell; null adds nothing. `instant` says whether the column holds points in time: others get what a
/// clock in `zone` shows.
pub(crate) fn write(text: &mut String, cell: &Cell, instant: bool, zone: Zone) {
    match cell {
        Cell::Null => {}
        Cell::Boolean(value) => text.push_str(if *value { "true" } else { "false" }),
        Cell::Integer(value) => {
            let _ = write!(text, "{value}");
        }
        Cell::Float32(value) => write_float(text, (*value).into(), value),
        Cell::Float64(value) => write_float(text, *value, value),
        Cell::Decimal(value) => text.push_str(&value.to_plain_string()),
        Cell::Text(value) => text.push_str(value),
        Cell::Bytes(bytes) => {
            text.push_str("\\x");
            write_hex(text, bytes);
        }
        Cell::Date(days) => {
            if write_date(text, i64::from(*days)) {
                text.push_str(" BC");
            }
        }
        Cell::Time(micros) => write_time(text, *micros),
        Cell::Timestamp(micros) => {
            let shown = if instant {
                *micros
            } else {
                zone.to_local(*micros)
            };
            let before_christ = write_timestamp(text, shown);
            if instant {
                text.push_str("+00");
            }
            if before_christ {
                text.push_str(" BC");
            }
        }
        Cell::Infinity { positive } => {
            text.push_str(if *positive { "infinity" } else { "-infinity" });
        }
        Cell::Array(items) => write_array(text, items, instant, zone),
    }
}

/// `{"a",NULL,"c"}`, the form of PostgreSQL's arrays.
fn write_array(text: &mut String, items: &[Cell], instant: bool, zone: Zone) {
    text.push('{');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        match item {
            Cell::Null => text.push_str("NULL"),
            Cell::Array(inner) => write_array(text, inner, instant, zone),
            item => {
                let mut element = String::new();
                write(&mut element, item, instant, zone);
                text.push('"');
                for c in element.chars() {
                    if matches!(c, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(c);
                }
                text.push('"');
            }
        }
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cell: &Cell, instant: bool) -> String {
        let mut text = String::new();
        write(&mut text, cell, instant, "Europe/Berlin".parse().unwrap());
        text
    }

    #[test]
    fn cells_are_written_as_databases_read_them() {
        assert_eq!(shown(&Cell::Float64(f64::NEG_INFINITY), false), "-Infinity");
        assert_eq!(shown(&Cell::Float32(0.1), false), "0.1");
        assert_eq!(shown(&Cell::Bytes(vec![0, 255].into()), false), "\\x00ff");
        assert_eq!(shown(&Cell::Date(-719_163), false), "0001-12-31 BC");
        assert_eq!(
            shown(&Cell::Timestamp(1_500), true),
            "1970-01-01 00:00:00.001500+00"
        );
        assert_eq!(shown(&Cell::Timestamp(0), false), "1970-01-01 01:00:00");
        assert_eq!(
            shown(
                &Cell::Array(vec![Cell::Text("a\"\\".into()), Cell::Null]),
                false
            ),
            "{\"a\\\"\\\\\",NULL}"
        );
    }
}
