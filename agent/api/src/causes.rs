//! An error and everything behind it, as one line of text.

use std::error::Error;

/// The error's text and those of its causes, from the outermost to the root, separated by `: `.
///
/// A cause that the text before it contains already, as with transparent errors, is not said twice.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(texts: &[&'static str]) -> Layer {
        let (text, below) = texts.split_first().expect("a layer");
        Layer {
            text,
            source: (!below.is_empty()).then(|| Box::new(layers(below))),
        }
    }

    #[test]
    fn causes_follow_in_order_and_none_is_said_twice() {
        assert_eq!(with_causes(&layers(&["a"])), "a");
        assert_eq!(
            with_causes(&layers(&["writing", "topic t", "broker down"])),
            "writing: topic t: broker down"
        );
        assert_eq!(
            with_causes(&layers(&["writing: broker down", "broker down"])),
            "writing: broker down"
        );
    }
}
