//! A pull reader of JSON text that hands out slices of it.

use std::borrow::Cow;

use sluice_api::{ConnectError, Result};

/// Nesting beyond this is refused, as by Jackson (`StreamReadConstraints`).
pub(super) const MAX_DEPTH: usize = 500;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What a value begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean(bool),
    Number,
    String,
    Array,
    Object,
    /// Nothing but blanks, which Jackson takes for a node of its own.
    Missing,
}

impl Kind {
    /// Name of Jackson's `JsonNodeType`.
    pub(super) fn node_type(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Boolean(_) => "BOOLEAN",
            Self::Number => "NUMBER",
            Self::String => "STRING",
            Self::Array => "ARRAY",
            Self::Object => "OBJECT",
            Self::Missing => "MISSING",
        }
    }
}

pub(super) struct Reader<'a> {
    data: &'a [u8],
    position: usize,
    /// Whether numbers may begin with zeros, as Kafka's `JsonDeserializer` allows.
    leading_zeros: bool,
}

/// A text: a range of the data if it has no escapes.
pub(super) enum Text {
    Plain(std::ops::Range<usize>),
    Unescaped(String),
}

impl<'a> Reader<'a> {
    /// Begins behind a byte order mark.
    pub(super) fn new(data: &'a [u8], leading_zeros: bool) -> Self {
        let marked = data.starts_with(BYTE_ORDER_MARK);
        let position = if marked { BYTE_ORDER_MARK.len() } else { 0 };
        Self {
            data,
            position,
            leading_zeros,
        }
    }

    /// Checks what follows a number that stands alone: a blank or nothing. Jackson does not look at what
    /// comes behind.
    fn end_of_number(&self, start: usize) -> Result<()> {
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        let before = self.data.get(..start).unwrap_or_default();
        let before = before.strip_prefix(BYTE_ORDER_MARK).unwrap_or(before);
        if self.peek().is_none_or(|b| blank(&b)) || !before.iter().all(blank) {
            return Ok(());
        }
        Err(self.error("expected a blank after the number"))
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Goes back to a position that was the current one before.
    pub(super) fn go_back_to(&mut self, position: usize) {
        self.position = position;
    }

    pub(super) fn error(&self, what: &str) -> ConnectError {
        super::serialization_error(&format!("{what} at byte {}", self.position))
    }

    fn peek(&self) -> Option<u8> {
        self.data.get(self.position).copied()
    }

    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    /// Takes a byte if it is the next one after blanks.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        if self.peek() == Some(byte) {
            self.position += 1;
            return true;
        }
        false
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<()> {
        if self.take(byte) {
            return Ok(());
        }
        Err(self.error(&format!("expected '{}'", char::from(byte))))
    }

    /// Looks at the next value. Literals are taken; of others only blanks before are.
    pub(super) fn begin_value(&mut self) -> Result<Kind> {
        self.skip_blanks();
        match self.peek() {
            Some(b'"') => Ok(Kind::String),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'n') => self.literal("null", Kind::Null),
            Some(b't') => self.literal("true", Kind::Boolean(true)),
            Some(b'f') => self.literal("false", Kind::Boolean(false)),
            Some(_) => Err(self.error("unexpected character")),
            None => Err(self.error("unexpected end of JSON")),
        }
    }

    fn literal(&mut self, word: &str, kind: Kind) -> Result<Kind> {
        let rest = self.data.get(self.position..).unwrap_or_default();
        // As Jackson sees it: no letter, and nothing but ASCII, follows a word.
        let joined = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | 0x7F..);
        if !rest.starts_with(word.as_bytes()) || rest.get(word.len()).is_some_and(joined) {
            return Err(self.error("unrecognized token"));
        }
        self.position += word.len();
        Ok(kind)
    }

    /// Takes a number and answers its text.
    pub(super) fn number(&mut self) -> Result<&'a str> {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        let digits = self.digits()?;
        if digits > 1 && !self.leading_zeros && self.data.get(self.position - digits) == Some(&b'0')
        {
            return Err(self.error("leading zeros are not allowed in numbers,"));
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            self.digits()?;
        }
        self.end_of_number(start)?;
        let text = self.data.get(start..self.position).unwrap_or_default();
        std::str::from_utf8(text).map_err(|_| self.error("invalid number"))
    }

    fn digits(&mut self) -> Result<usize> {
        let start = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        if self.position == start {
            return Err(self.error("expected a digit"));
        }
        Ok(self.position - start)
    }

    /// Takes the string that begins here, without its quotes.
    pub(super) fn string(&mut self) -> Result<Text> {
        self.position += 1;
        let start = self.position;
        let rest = self.data.get(start..).unwrap_or_default();
        let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
            return Err(self.error("unterminated string"));
        };
        let plain = rest.get(..length).unwrap_or_default();
        // All of them are looked at, since that takes the processor less time than to stop at one.
        if plain
            .iter()
            .fold(false, |found, byte| found | (*byte < 0x20))
        {
            self.position += plain.iter().take_while(|byte| **byte >= 0x20).count();
            return Err(self.error("illegal unquoted control character"));
        }
        self.position = start + length;
        if rest.get(length) == Some(&b'"') {
            self.position += 1;
            return Ok(Text::Plain(start..start + length));
        }
        self.escaped(start).map(Text::Unescaped)
    }

    fn escaped(&mut self, start: usize) -> Result<String> {
        let mut bytes = self
            .data
            .get(start..self.position)
            .unwrap_or_default()
            .to_vec();
        loop {
            let Some(byte) = self.peek() else {
                return Err(self.error("unterminated string"));
            };
            self.position += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    let mut utf8 = [0; 4];
                    bytes.extend_from_slice(self.escape()?.encode_utf8(&mut utf8).as_bytes());
                }
                0..0x20 => return Err(self.error("illegal unquoted control character")),
                other => bytes.push(other),
            }
        }
        String::from_utf8(bytes).map_err(|_| self.error("invalid UTF-8"))
    }

    fn escape(&mut self) -> Result<char> {
        let byte = self.peek();
        self.position += 1;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.hex()?;
                if (0xD800..0xDC00).contains(&unit)
                    && self.data.get(self.position..self.position + 2) == Some(b"\\u")
                {
                    let after_first = self.position;
                    self.position += 2;
                    let low = self.hex()?;
                    if (0xDC00..0xE000).contains(&low) {
                        let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                        return Ok(char::from_u32(code).unwrap_or('\u{FFFD}'));
                    }
                    self.position = after_first;
                }
                // Rust texts can't hold half of a surrogate pair, as Java's can.
                char::from_u32(unit).unwrap_or('\u{FFFD}')
            }
            _ => return Err(self.error("unrecognized character escape")),
        })
    }

    fn hex(&mut self) -> Result<u32> {
        let digits = self
            .data
            .get(self.position..self.position + 4)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .ok_or_else(|| self.error("expected four hex digits"))?;
        self.position += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.error("expected four hex digits"))
    }

    /// The text of a string as borrowed or owned text.
    pub(super) fn resolve(&self, text: Text) -> Result<Cow<'a, str>> {
        match text {
            Text::Plain(range) => std::str::from_utf8(self.data.get(range).unwrap_or_default())
                .map(Cow::Borrowed)
                .map_err(|_| self.error("invalid UTF-8")),
            Text::Unescaped(text) => Ok(Cow::Owned(text)),
        }
    }

    /// Passes over one value.
    pub(super) fn skip_value(&mut self, depth: usize) -> Result<()> {
        let kind = self.begin_value()?;
        self.skip_rest(kind, depth)
    }

    /// Passes over a value of which [`Reader::begin_value`] was called.
    pub(super) fn skip_rest(&mut self, kind: Kind, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        match kind {
            Kind::Null | Kind::Boolean(_) | Kind::Missing => {}
            Kind::Number => {
                self.number()?;
            }
            Kind::String => {
                self.string()?;
            }
            Kind::Array => {
                self.expect(b'[')?;
                let mut first = true;
                while self.next_item(b']', &mut first)? {
                    self.skip_value(depth + 1)?;
                }
            }
            Kind::Object => {
                self.expect(b'{')?;
                let mut first = true;
                while self.next_item(b'}', &mut first)? {
                    self.key()?;
                    self.skip_value(depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// Whether another item of an array or object follows; takes the comma before or the end after it.
    pub(super) fn next_item(&mut self, end: u8, first: &mut bool) -> Result<bool> {
        if self.take(end) {
            return Ok(false);
        }
        if !*first {
            self.expect(b',')?;
        }
        *first = false;
        Ok(true)
    }

    /// Takes a key and its colon.
    pub(super) fn key(&mut self) -> Result<Text> {
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a field name"));
        }
        let key = self.string()?;
        self.expect(b':')?;
        Ok(key)
    }
}
