//! Names and numbers with a meaning, so that a lag can't be passed as a time or a worker as a connector.
//!
//! All are transparent in JSON: a [`ConnectorName`] is a plain string, an [`Offset`] a plain number. Names
//! share their text (`Arc<str>`), so a clone costs a counter.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Makes the id from its text; the text is not checked.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Compares as Java's `String.compareTo` does, by UTF-16 code units.
            ///
            /// This differs from the order of `Ord` only for text beyond the basic multilingual plane. Where
            /// a JVM worker must come to the same order (the assignor), this one counts.
            pub fn java_cmp(&self, other: &Self) -> Ordering {
                self.0.encode_utf16().cmp(other.0.encode_utf16())
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<&String> for $name {
            fn from(text: &String) -> Self {
                Self(text.as_str().into())
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

text_id! {
    /// The name of a connector, as in its config key `name`. Any text without control characters.
    ConnectorName
}
text_id! {
    /// The id of a worker, `<advertised host>:<advertised port>`.
    WorkerId
}
text_id! {
    /// The id the group coordinator gave a member, `<client.id>-<uuid>`.
    MemberId
}
text_id! {
    /// The name of a Kafka topic.
    TopicName
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number without its meaning.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $inner {
            fn from(value: $name) -> $inner {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number_id! {
    /// The number of a group generation; -1 means none.
    Generation(i32)
}
number_id! {
    /// An offset in a topic partition.
    Offset(i64)
}
number_id! {
    /// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
    Millis(i64)
}

impl Generation {
    /// No generation, as a member reports it that never joined.
    pub const NONE: Self = Self(-1);
}

impl Offset {
    /// No offset: nothing was read yet.
    pub const NONE: Self = Self(-1);
}

impl Millis {
    /// Milliseconds from `earlier` to here; negative when `earlier` is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The id of a task: its connector and its number, counted from 0.
///
/// JSON: `{"connector":"c","task":0}`; text: `c-0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectorTaskId {
    /// The connector the task belongs to.
    pub connector: ConnectorName,
    /// The number of the task within its connector, from 0.
    pub task: u32,
}

impl ConnectorTaskId {
    /// Makes the id of task number `task` of `connector`.
    pub fn new(connector: impl Into<ConnectorName>, task: u32) -> Self {
        Self {
            connector: connector.into(),
            task,
        }
    }

    /// Compares as the JVM does: by connector in UTF-16 order, then by number.
    pub fn java_cmp(&self, other: &Self) -> Ordering {
        self.connector
            .java_cmp(&other.connector)
            .then(self.task.cmp(&other.task))
    }
}

impl fmt::Display for ConnectorTaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_transparent_in_json() {
        let id = ConnectorTaskId::new("c", 3);
        assert_eq!(
            serde_json::to_string(&id).unwrap(),
            r#"{"connector":"c","task":3}"#
        );
        assert_eq!(serde_json::to_string(&Millis(7)).unwrap(), "7");
        assert_eq!(id.to_string(), "c-3");
    }

    #[test]
    fn java_order_compares_utf16_units() {
        let private_use = ConnectorName::from("\u{e000}");
        let beyond_bmp = ConnectorName::from("\u{10000}");
        assert_eq!(private_use.cmp(&beyond_bmp), Ordering::Less);
        assert_eq!(private_use.java_cmp(&beyond_bmp), Ordering::Greater);
    }
}
