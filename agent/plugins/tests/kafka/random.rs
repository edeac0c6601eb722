//! Texts, values and configurations by chance: the same for the same seed.
//!
//! Texts are of the grammar of what is read (numbers, dates, lists, maps) and then often broken. Floating
//! point numbers that are shown as texts have few digits: before JDK 19 Java wrote more than needed.

use serde_json::{Value as Json, json};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap_or(1)).unwrap_or(0)
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Digits, now and then of another script, with as many leading zeros as chance has it.
    fn digits(&mut self, most: usize) -> String {
        // Arabic, Devanagari, full width, and those of the supplementary planes, which Java's parsers do not
        // read.
        let zero = if self.once_in(12) {
            *self.pick(&[
                &'\u{660}',
                &'\u{966}',
                &'\u{FF10}',
                &'\u{1D7CE}',
                &'\u{11066}',
            ])
        } else {
            '0'
        };
        let count = 1 + self.below(most);
        (0..count)
            .map(|_| {
                let digit = u32::try_from(self.below(10)).unwrap_or(0);
                char::from_u32(u32::from(zero) + digit).unwrap_or('0')
            })
            .collect()
    }

    /// A number as people and programs write them.
    pub(crate) fn number(&mut self) -> String {
        const WORDS: [&str; 34] = [
            "NaN",
            "-NaN",
            "Infinity",
            "+Infinity",
            "-Infinity",
            "inf",
            "nan",
            "infinity",
            "1_000",
            "1,000",
            "0x10",
            "0X1P3",
            "0x1.8p-3f",
            "0x.8p1",
            "0x1.p1d",
            "-0x1p-1074",
            "0x1p",
            "0x1.fffffep127",
            "0x1p1024",
            "0x",
            "2147483647",
            "2147483648",
            "-2147483648",
            "-2147483649",
            "32768",
            "-129",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775809",
            "1e400",
            "4.9e-324",
            "1.4e-45",
            "1e-46",
            "3.4028236e38",
        ];
        if self.once_in(4) {
            return (self.pick(&WORDS)).to_owned();
        }
        let sign = self.pick(&["", "", "", "+", "-", "-", "--", "+-"]);
        let most = *self.pick(&[&1, &3, &5, &10, &19, &25]);
        let mut text = format!("{sign}{}", self.digits(most));
        if self.once_in(3) {
            text.push('.');
            if !self.once_in(6) {
                text.push_str(&self.digits(8));
            }
        } else if self.once_in(8) {
            text = format!("{sign}.{}", self.digits(4));
        }
        if self.once_in(4) {
            text.push_str(self.pick(&["e", "E"]));
            text.push_str(self.pick(&["", "+", "-", ""]));
            if !self.once_in(8) {
                text.push_str(&self.digits(2));
            }
        }
        if self.once_in(8) {
            text.push_str(self.pick(&["f", "F", "d", "D", "L", "l", "x", "_"]));
        }
        text
    }

    /// A date, a time or both, in the one form that is read and in others.
    pub(crate) fn temporal(&mut self) -> String {
        let year = *self.pick(&[&2024, &1970, &1582, &1, &9999, &1900, &2000]);
        let month = self.below(14);
        let day = self.below(34);
        let hour = self.below(27);
        let minute = self.below(64);
        let second = self.below(64);
        let millis = self.below(1000);
        match self.below(8) {
            0 | 1 => format!("{year:04}-{month:02}-{day:02}"),
            2 => format!("{hour:02}:{minute:02}:{second:02}.{millis:03}Z"),
            3 | 4 => format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
            ),
            5 => format!("{year}-{month}-{day}"),
            6 => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
            _ => format!("{year:04}{month:02}{day:02}"),
        }
    }

    /// A word, with what needs quotes.
    pub(crate) fn word(&mut self) -> String {
        const WORDS: [&str; 30] = [
            "a",
            "b",
            "",
            "true",
            "false",
            "TRUE",
            "True",
            "null",
            "NULL",
            "fal\u{17F}e",
            "a b",
            "\u{e4}\u{20ac}",
            "\u{1F600}",
            "a,b",
            "a:b",
            "x\\y",
            "x\\\"y",
            "\"q\"",
            "\"q",
            "\\",
            "a]",
            "{",
            "}",
            "yes",
            "on",
            "0",
            "1",
            "\u{a0}",
            "a\nb",
            "\u{feff}1",
        ];
        (self.pick(&WORDS)).to_owned()
    }

    /// A text of any of these kinds, often with blanks around it or with a fault in it.
    pub(crate) fn text(&mut self) -> String {
        let mut text = match self.below(6) {
            0 | 1 => self.number(),
            2 => self.temporal(),
            3 => self.word(),
            _ => self.nested(3),
        };
        if self.once_in(6) {
            let blanks = [
                " ", "\t", "\n", "\u{0}", "\u{a0}", "\u{2003}", "\u{feff}", "  ", "\u{85}",
                "\u{1c}",
            ];
            text = format!("{}{text}{}", self.pick(&blanks), self.pick(&blanks));
        }
        if self.once_in(8) && !text.is_empty() {
            let mut characters: Vec<char> = text.chars().collect();
            let at = self.below(characters.len());
            if self.once_in(2) {
                characters.remove(at);
            } else {
                let added = [',', ':', '"', '\\', '[', ']', '{', '}', ' ', '0', '-', 'e'];
                characters.insert(at, added[self.below(added.len())]);
            }
            text = characters.into_iter().collect();
        }
        text
    }

    fn nested(&mut self, depth: usize) -> String {
        if depth == 0 || self.once_in(3) {
            return match self.below(4) {
                0 => self.number(),
                1 => format!("\"{}\"", self.word()),
                2 => format!("\"{}\"", self.temporal()),
                _ => self
                    .pick(&["true", "false", "null", "1", "300", "1.5", "\"x\""])
                    .to_owned(),
            };
        }
        let blank = self.pick(&["", "", " ", "\n"]);
        let count = self.below(4);
        let items: Vec<String> = if self.once_in(2) {
            (0..count).map(|_| self.nested(depth - 1)).collect()
        } else {
            // Members of one type have a schema.
            (0..count).map(|_| self.number()).collect()
        };
        if self.once_in(2) {
            return format!("[{blank}{}{blank}]", items.join(&format!(",{blank}")));
        }
        let entries: Vec<String> = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| match self.below(4) {
                0 => format!("{index}{blank}:{blank}{item}"),
                _ => format!("\"k{index}\"{blank}:{item}"),
            })
            .collect();
        format!("{{{blank}{}{blank}}}", entries.join(&format!(",{blank}")))
    }

    fn integer(&mut self) -> i64 {
        let bits = self.below(64);
        let value = self.next() >> bits;
        value.cast_signed()
    }

    /// A number of few digits and any size.
    fn floating(&mut self) -> String {
        const WORDS: [&str; 12] = [
            "0.0",
            "-0.0",
            "NaN",
            "Infinity",
            "-Infinity",
            "1.0",
            "0.001",
            "1.0E7",
            "9999999.0",
            "1.0E-4",
            "100.0",
            "-1.5",
        ];
        if self.once_in(3) {
            return (self.pick(&WORDS)).to_owned();
        }
        let whole = self.below(1000);
        let exponent = i64::try_from(self.below(40)).unwrap_or(0) - 20;
        format!("{}{whole}e{exponent}", self.pick(&["", "-"]))
    }

    /// A primitive value with its schema, as data of `golden/README.md`.
    pub(crate) fn primitive(&mut self) -> (Json, Json) {
        #[expect(clippy::cast_possible_truncation, reason = "any number will do")]
        match self.below(15) {
            0 => (json!({"type": "INT8"}), json!({"i8": self.integer() as i8})),
            1 => (
                json!({"type": "INT16"}),
                json!({"i16": self.integer() as i16}),
            ),
            2 => (
                json!({"type": "INT32"}),
                json!({"i32": self.integer() as i32}),
            ),
            3 => (
                json!({"type": "INT64"}),
                json!({"i64": self.integer().to_string()}),
            ),
            4 => (json!({"type": "FLOAT32"}), json!({"f32": self.floating()})),
            5 => (json!({"type": "FLOAT64"}), json!({"f64": self.floating()})),
            6 => (json!({"type": "BOOLEAN"}), json!(self.once_in(2))),
            7 => {
                let bytes = self.pick(&["", "AQID", "/wA=", "4oKs"]);
                (json!({"type": "BYTES"}), json!({"bytes": bytes}))
            }
            8 => {
                let scale = i64::try_from(self.below(25)).unwrap_or(0) - 8;
                let name = "org.apache.kafka.connect.data.Decimal";
                let schema = json!({"type": "BYTES", "name": name, "version": 1, "parameters": {"scale": scale.to_string()}});
                (
                    schema,
                    json!({"decimal": format!("{}E{}", self.integer(), -scale)}),
                )
            }
            9 => {
                let days = self.integer() >> 42;
                let name = "org.apache.kafka.connect.data.Date";
                let millis = (days * 86_400_000).to_string();
                (
                    json!({"type": "INT32", "name": name, "version": 1}),
                    json!({"date": millis}),
                )
            }
            10 => {
                let millis = self.below(86_400_000).to_string();
                let name = "org.apache.kafka.connect.data.Time";
                (
                    json!({"type": "INT32", "name": name, "version": 1}),
                    json!({"date": millis}),
                )
            }
            11 => {
                let millis = (self.integer() >> 16).to_string();
                let name = "org.apache.kafka.connect.data.Timestamp";
                (
                    json!({"type": "INT64", "name": name, "version": 1}),
                    json!({"date": millis}),
                )
            }
            12 => (json!({"type": "STRING"}), json!(self.number())),
            _ => (json!({"type": "STRING"}), json!(self.text())),
        }
    }

    /// A value with its schema: primitive, a list, a map of text keys or a struct.
    pub(crate) fn data(&mut self, depth: usize) -> (Json, Json) {
        if depth == 0 || !self.once_in(3) {
            return self.primitive();
        }
        let (schema, first) = self.data(depth - 1);
        match self.below(3) {
            0 => {
                let values = if self.once_in(4) {
                    json!([])
                } else {
                    json!([first])
                };
                (json!({"type": "ARRAY", "values": schema}), values)
            }
            1 => {
                let key = self.word();
                (
                    json!({"type": "MAP", "keys": {"type": "STRING"}, "values": schema}),
                    json!({"map": [[key, first]]}),
                )
            }
            _ => {
                let (other, second) = self.primitive();
                let mut other = other;
                other["optional"] = json!(true);
                let second = if self.once_in(3) { Json::Null } else { second };
                (
                    json!({"type": "STRUCT", "fields": [["a b", schema], ["c", other]]}),
                    json!({"struct": [first, second]}),
                )
            }
        }
    }

    /// A schema as the `JsonConverter` reads it, and JSON that fits it or nearly does.
    pub(crate) fn json_with_schema(&mut self) -> (Json, String) {
        const NAME: &str = "org.apache.kafka.connect.data.";
        let kind = *self.pick(&[
            &"int8",
            &"int16",
            &"int32",
            &"int64",
            &"float",
            &"double",
            &"boolean",
            &"string",
            &"bytes",
            &"Decimal",
            &"Date",
            &"Time",
            &"Timestamp",
        ]);
        let mut schema = match kind {
            "Decimal" => {
                json!({"type": "bytes", "name": format!("{NAME}Decimal"), "version": 1, "parameters": {"scale": "2"}})
            }
            "Date" | "Time" => {
                json!({"type": "int32", "name": format!("{NAME}{kind}"), "version": 1})
            }
            "Timestamp" => json!({"type": "int64", "name": format!("{NAME}{kind}"), "version": 1}),
            other => json!({"type": other}),
        };
        schema["optional"] = json!(self.once_in(2));
        let payload = match self.below(5) {
            0 | 1 => self.number(),
            2 => self
                .pick(&[
                    "null", "true", "-0", "-0.0", "0", "00", "1e2", "1.00", "-1e-2", "{}", "[]",
                    "86400000",
                ])
                .to_owned(),
            3 => format!("\"{}\"", self.number()),
            _ => json!(self.text()).to_string(),
        };
        (schema, payload)
    }

    /// A topic's name.
    pub(crate) fn topic(&mut self) -> String {
        let parts = [
            "orders",
            "a",
            "A",
            "1",
            "42",
            "-",
            "_",
            ".",
            "v2",
            "shop.public",
            "x",
        ];
        let count = 1 + self.below(4);
        (0..count).map(|_| self.pick(&parts)).collect()
    }

    /// An expression as people write them for topics, also with what other engines lack.
    pub(crate) fn regex(&mut self) -> String {
        let parts = [
            "orders",
            "(.*)",
            ".*",
            "[a-z]+",
            "(\\d+)",
            "\\d*",
            "(?:a|b|x)?",
            "(?<n>[^.]*)",
            ".*?",
            "(?=.*v)",
            "(?!a)",
            "[^-_]*+",
            "(a)?",
            "\\.",
            "\\w+",
            "(?i)a",
            "\\Qa.b\\E",
            "[a-c&&[^b]]*",
            "(x|(1))*",
            "\\p{Lower}*",
            "\\p{IsAlphabetic}*",
            "^",
            "$",
            "\\b",
            "a{0,2}",
            "[\\w.-]*",
            "(a)\\1",
        ];
        let count = 1 + self.below(4);
        (0..count).map(|_| self.pick(&parts)).collect()
    }

    /// What a match becomes.
    pub(crate) fn replacement(&mut self) -> String {
        let parts = [
            "$1", "$0", "x", "-", "$2", "\\$", "${n}", "$12", "a$1b", "\\\\", ".",
        ];
        let count = self.below(4);
        (0..count).map(|_| self.pick(&parts)).collect()
    }
}
