//! Numbers and times as an operator reads them: short, aligned, never more precise than what is known.

/// Milliseconds since the Unix epoch, as in Kafka record timestamps.
pub(crate) type Millis = i64;

/// A count in at most five characters: `999`, `9.8k`, `41k`, `812k`, `2.1M`.
pub(crate) fn count(n: i64) -> String {
    let sign = if n < 0 { "-" } else { "" };
    let n = n.unsigned_abs();
    match n {
        0..=999 => format!("{sign}{n}"),
        1_000..=9_999 => format!("{sign}{:.1}k", n as f64 / 1e3),
        10_000..=999_999 => format!("{sign}{}k", n / 1_000),
        1_000_000..=9_999_999 => format!("{sign}{:.1}M", (n / 100_000) as f64 / 10.0),
        10_000_000..=999_999_999 => format!("{sign}{}M", n / 1_000_000),
        _ => format!("{sign}{:.1}G", (n / 100_000_000) as f64 / 10.0),
    }
}

/// A whole number with thousands separated: `1,000`.
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A rate per second: `0.0`, `55`, `210`, `1.2k`.
pub(crate) fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second < 0.05 {
        "0.0".to_owned()
    } else if per_second < 10.0 {
        format!("{per_second:.1}")
    } else {
        count(per_second.round() as i64)
    }
}

/// A span of time in its largest unit: `3s`, `12m`, `5h`, `2d`.
pub(crate) fn span(millis: Millis) -> String {
    let seconds = millis.max(0) / 1_000;
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3_599 => format!("{}m", seconds / 60),
        3_600..=86_399 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A short duration with one decimal below a minute: `2.1s`, `5m3s`, `1h2m`.
pub(crate) fn duration(millis: Millis) -> String {
    let millis = millis.max(0);
    match millis {
        0..=59_999 => format!("{}.{}s", millis / 1_000, millis % 1_000 / 100),
        60_000..=3_599_999 => format!("{}m{}s", millis / 60_000, millis % 60_000 / 1_000),
        _ => format!("{}h{}m", millis / 3_600_000, millis % 3_600_000 / 60_000),
    }
}

/// The age of data for a table title: `now` below five seconds, so that an idle screen does not change each
/// second.
pub(crate) fn age(now: Millis, at: Option<Millis>) -> String {
    match at {
        None => "never".to_owned(),
        Some(at) if now - at < 5_000 => "now".to_owned(),
        Some(at) => format!("{} ago", span(now - at)),
    }
}

/// What is left of a wait: `42s`, `4:12`.
pub(crate) fn countdown(millis: Millis) -> String {
    let seconds = (millis.max(0) + 999) / 1_000;
    match seconds {
        0..=59 => format!("{seconds}s"),
        _ => format!("{}:{:02}", seconds / 60, seconds % 60),
    }
}

/// A text in at most `width` cells: its middle gives way, since the end of a message is its reason and the
/// end of a name what distinguishes it from others.
pub(crate) fn middle(text: &str, width: usize) -> String {
    let cells = |text: &str| ratatui::text::Line::raw(text).width();
    if cells(text) <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else {
        return String::new();
    };
    let (front, back) = (room - room / 2, room / 2);
    let mut head = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += cells(c.encode_utf8(&mut [0; 4]));
        if used > front {
            break;
        }
        head.push(c);
    }
    let mut start = text.len();
    let mut used = 0;
    for (i, c) in text.char_indices().rev() {
        used += cells(c.encode_utf8(&mut [0; 4]));
        if used > back {
            break;
        }
        start = i;
    }
    format!("{head}…{}", text.get(start..).unwrap_or(""))
}

/// A line broken into lines of at most `width` cells, between words where that leaves no half-empty line;
/// all but the first begin with `indent`. Without that, all of them put together are the line again.
pub(crate) fn wrapped(line: &str, width: usize, indent: &str) -> Vec<String> {
    let cells = |text: &str| ratatui::text::Line::raw(text).width();
    let mut lines = Vec::new();
    let mut before = "";
    let mut rest = line;
    loop {
        let room = width.saturating_sub(before.len());
        if cells(rest) <= room {
            lines.push(format!("{before}{rest}"));
            return lines;
        }
        let mut used = 0;
        let too_far = rest.char_indices().find(|(_, c)| {
            used += cells(c.encode_utf8(&mut [0; 4]));
            used > room
        });
        let cut = too_far.map_or(rest.len(), |(i, _)| i);
        let words = rest.get(..cut).and_then(|head| head.rfind(' '));
        let words = words.map(|space| space + 1).filter(|end| *end > cut / 2);
        // A character that is wider than the room stands alone.
        let cut = words
            .unwrap_or(cut)
            .max(rest.chars().next().map_or(1, char::len_utf8));
        let (head, tail) = rest.split_at(cut);
        lines.push(format!("{before}{head}"));
        if tail.is_empty() {
            return lines;
        }
        rest = tail;
        before = indent;
    }
}

/// A number with its noun: `1 task`, `3 tasks`.
pub(crate) fn plural(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(n))
}

/// A size in bytes: `61M`, `3.8G`.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..=1_023 => format!("{n}B"),
        1_024..=1_048_575 => format!("{}K", n >> 10),
        1_048_576..=1_073_741_823 => format!("{}M", n >> 20),
        _ => format!("{:.1}G", n as f64 / (1u64 << 30) as f64),
    }
}

/// A wall-clock time of day in UTC, `14:07:02`.
pub(crate) fn clock(at: Millis) -> String {
    chrono::DateTime::from_timestamp_millis(at).map_or_else(
        || "?".to_owned(),
        |time| time.format("%H:%M:%S").to_string(),
    )
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last `width` samples as bars scaled to the largest; a missing sample is a blank, not a zero.
pub(crate) fn sparkline<'a>(
    samples: impl DoubleEndedIterator<Item = &'a Option<f64>>,
    width: usize,
) -> String {
    let mut last: Vec<Option<f64>> = samples.rev().take(width).copied().collect();
    last.reverse();
    let top = last.iter().flatten().copied().fold(0.0_f64, f64::max);
    last.into_iter()
        .map(|sample| match sample {
            None => ' ',
            Some(value) if top <= 0.0 || value <= 0.0 => BARS[0],
            Some(value) => BARS[((value / top * 7.0).round() as usize).min(7)],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stay_within_five_characters() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (9_800, "9.8k"),
            (41_020, "41k"),
            (999_999, "999k"),
            (2_190_000, "2.1M"),
            (88_000_000, "88M"),
            (7_100_000_000, "7.1G"),
        ] {
            assert_eq!(count(n), text);
        }
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn spans_and_durations_use_the_largest_unit() {
        assert_eq!(span(59_999), "59s");
        assert_eq!(span(60_000), "1m");
        assert_eq!(span(172_800_000), "2d");
        assert_eq!(duration(2_140), "2.1s");
        assert_eq!(duration(303_000), "5m3s");
    }

    #[test]
    fn the_middle_of_a_long_text_gives_way() {
        assert_eq!(middle("short", 5), "short");
        assert_eq!(middle("orders-us-sink-160", 9), "orde…-160");
        assert_eq!(middle("漢字漢字漢字", 7), "漢…字");
        assert_eq!(middle("abc", 1), "…");
        assert_eq!(middle("abc", 0), "");
        assert_eq!(countdown(252_000), "4:12");
        assert_eq!(plural(1, "task"), "1 task");
    }

    /// Dialogs broke their lines anywhere.
    #[test]
    fn lines_are_broken_between_words_and_only_long_words_within() {
        let lines = |line, width, indent| wrapped(line, width, indent);
        assert_eq!(lines("one two", 7, ""), ["one two"]);
        assert_eq!(lines("one two three", 9, ""), ["one two ", "three"]);
        assert_eq!(
            lines("a longlonglong", 6, "  "),
            ["a long", "  long", "  long"]
        );
        assert_eq!(lines("漢字漢", 1, ""), ["漢", "字", "漢"]);
        assert_eq!(lines("", 4, ""), [""]);
    }

    #[test]
    fn a_missing_sample_is_blank_and_not_zero() {
        let samples = [Some(0.0), None, Some(7.0), Some(3.5)];
        assert_eq!(sparkline(samples.iter(), 8), "▁ █▅");
    }
}
