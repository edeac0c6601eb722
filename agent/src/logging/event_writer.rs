//! The last step of a log event: whatever foreign text its message and fields hold, it stays the one event.
//!
//! The formatter writes each event by one call, with a line end behind it. In text, every character
//! that could be taken for more than text is shown by its code, and lines within an event (stack
//! traces) are indented behind a bar, so that none looks like an event of its own. In JSON such
//! characters become escapes, which readers turn back.

use std::fmt::Write as _;
use std::io::{Result, Write};

use sluice_protocol::visible::{is_plain, visible};
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;

/// In front of the second and later lines of an event.
const CONTINUATION: &str = "\n    | ";

/// Makes writers of events.
pub(super) struct EventWriters<W> {
    pub(super) inner: W,
    pub(super) format: LogFormat,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for EventWriters<W> {
    type Writer = EventWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EventWriter {
            inner: self.inner.make_writer(),
            format: self.format,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        EventWriter {
            inner: self.inner.make_writer_for(meta),
            format: self.format,
        }
    }
}

pub(super) struct EventWriter<W> {
    inner: W,
    format: LogFormat,
}

impl<W: Write> Write for EventWriter<W> {
    fn write(&mut self, event: &[u8]) -> Result<usize> {
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        if text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            self.inner.write_all(event)?;
            return Ok(event.len());
        }
        let text = String::from_utf8_lossy(text);
        let mut line = match self.format {
            LogFormat::Text => visible(&text).replace('\n', CONTINUATION),
            LogFormat::Json => json(&text),
        };
        line.push('\n');
        self.inner.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.flush()
    }
}

/// JSON in which the characters that stand as themselves and are not plain are escaped.
fn json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_plain(c) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String does not fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::logging::layer;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    /// What is logged of a text from outside, in the message, a field, a debug field and a field of a span.
    fn logged(format: LogFormat, foreign: &str) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = layer(format, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("task", connector = %foreign, debug = ?foreign);
            let _entered = span.enter();
            tracing::info!(shown = %foreign, debug = ?foreign, plain = foreign, "before {foreign}");
        });
        let bytes = kept.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    const FORGED: &str = "x\n2026-01-01T00:00:00.000000Z ERROR sluice_agent: \
                          forged\r\u{1b}[2J\u{202e}\u{200b}\u{9b}31m\u{e0041}";

    #[test]
    fn foreign_text_forges_no_event_and_moves_no_cursor() {
        let text = logged(LogFormat::Text, FORGED);
        let (first, rest) = text.split_once('\n').unwrap();
        assert!(first.contains("INFO") && rest.contains("forged"), "{text}");
        for line in rest.lines() {
            assert!(line.starts_with("    | "), "{line}");
        }
        assert!(text.chars().all(|c| is_plain(c) || c == '\n'), "{text:?}");
        assert!(
            text.contains("\\u{200b}") && text.contains("\\u{202e}"),
            "{text}"
        );
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
    }

    #[test]
    fn names_that_differ_by_what_cannot_be_seen_differ_in_the_log() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let [one, other] = ["a", "a\u{200b}"].map(|name| logged(format, name));
            assert!(other.is_ascii() && one.is_ascii(), "{other}");
            assert_ne!(one.len(), other.len(), "{other}");
        }
    }

    #[test]
    fn json_events_are_a_line_each_and_give_the_text_back() {
        let text = logged(LogFormat::Json, FORGED);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.trim_end().chars().all(is_plain), "{text:?}");
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["plain"], FORGED);
    }
}
