//! Forms of output: columns for people, JSON and YAML for programs.

use serde::Serialize;

use crate::cli::Output;

/// A row that knows its columns.
pub(super) trait Row: Serialize {
    /// Headings of the columns, separated by blanks.
    const HEADINGS: &'static str;
    /// Cells, in the order of the headings.
    fn cells(&self) -> Vec<String>;
}

/// Rows in the form asked for, with a line break at the end.
pub(super) fn rows<R: Row>(rows: &[R], output: Output) -> String {
    match output {
        Output::Table => {
            let headings: Vec<&str> = R::HEADINGS.split(' ').collect();
            table(&headings, &rows.iter().map(Row::cells).collect::<Vec<_>>())
        }
        Output::Json | Output::Yaml => data(&rows, output),
    }
}

/// Any data as JSON or YAML.
pub(super) fn data(value: &impl Serialize, output: Output) -> String {
    let text = match output {
        Output::Yaml => serde_yaml_ng::to_string(value).unwrap_or_default(),
        Output::Json | Output::Table => serde_json::to_string_pretty(value).unwrap_or_default(),
    };
    format!("{}\n", text.trim_end())
}

/// Columns as wide as their widest cell, two blanks between them.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|h| cells(h)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cells(cell));
        }
    }
    let mut out = String::new();
    let headings: Vec<String> = headings.iter().map(|h| (*h).to_owned()).collect();
    for row in std::iter::once(&headings).chain(rows) {
        let padded: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cells(cell))))
            .collect();
        out.push_str(padded.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// Width of a text on a terminal, in cells.
fn cells(text: &str) -> usize {
    ratatui::text::Line::raw(text).width()
}

/// A number, or `-` when it is not known.
pub(super) fn known<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct One {
        name: String,
        lag: Option<i64>,
    }

    impl Row for One {
        const HEADINGS: &'static str = "NAME LAG";
        fn cells(&self) -> Vec<String> {
            vec![self.name.clone(), known(self.lag)]
        }
    }

    fn sample() -> Vec<One> {
        vec![
            One {
                name: "a-long-name".into(),
                lag: None,
            },
            One {
                name: "b".into(),
                lag: Some(12),
            },
        ]
    }

    #[test]
    fn columns_are_aligned_and_unknown_is_a_dash() {
        assert_eq!(
            rows(&sample(), Output::Table),
            "NAME         LAG\na-long-name  -\nb            12\n"
        );
    }

    #[test]
    fn data_keeps_unknown_as_null() {
        let json = rows(&sample(), Output::Json);
        assert!(json.contains("\"lag\": null"), "{json}");
        assert!(rows(&sample(), Output::Yaml).contains("lag: null"));
    }
}
