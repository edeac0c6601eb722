//! The error every plugin method answers with, and its Kafka exception class.
//!
//! Whether an operation is tried again is decided by [`ErrorKind`], never by text. The runtime shows errors
//! to users as Kafka Connect does: a class name, a message, and a chain of causes ([`ConnectError::trace`]).
//!
//! Invariant: messages never hold the value of a password or of a resolved config variable.

use std::fmt;
use std::sync::Arc;

use sluice_jvm_text::Exception;

/// Result of plugin methods.
pub type Result<T, E = ConnectError> = std::result::Result<T, E>;

/// Which of Kafka's exceptions an error stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `connect.errors.ConnectException`: fatal for the task or connector.
    Connect,
    /// `connect.errors.RetriableException`: the same call may succeed later.
    Retriable,
    /// A converter has to wait for something outside: await [`crate::Converter::ready`], then repeat the
    /// call. No fault, and never shown to users.
    NotReady,
    /// `connect.errors.DataException`: a record, schema or value is not valid.
    Data,
    /// `common.config.ConfigException`: a configuration value is not valid.
    Config,
    /// `connect.errors.NotFoundException`.
    NotFound,
    /// `connect.errors.AlreadyExistsException`.
    AlreadyExists,
    /// `connect.errors.SchemaBuilderException`.
    SchemaBuilder,
    /// `connect.errors.SchemaProjectorException`.
    SchemaProjector,
    /// `connect.errors.IllegalWorkerStateException`: a context method was called at a wrong moment.
    IllegalWorkerState,
    /// `runtime.TooManyTasksException`.
    TooManyTasks,
    /// `common.errors.TimeoutException`: retriable for Kafka's clients.
    Timeout,
    /// `common.errors.SerializationException`.
    Serialization,
    /// `common.errors.RetriableException`: a transient error of a Kafka client.
    KafkaRetriable,
    /// `common.KafkaException`: any other error of a Kafka client.
    Kafka,
    /// `java.lang.UnsupportedOperationException`: a feature which does not exist.
    Unsupported,
    /// `java.lang.IllegalArgumentException`.
    IllegalArgument,
    /// `java.lang.IllegalStateException`.
    IllegalState,
    /// `java.lang.NullPointerException`: a required value is missing.
    NullPointer,
    /// `java.lang.ClassCastException`: data of another shape than the code goes by.
    ClassCast,
    /// `java.lang.IndexOutOfBoundsException`.
    IndexOutOfBounds,
    /// `java.io.IOException`.
    Io,
    /// `java.lang.Error`: a plugin panicked; always a bug.
    Panic,
}

impl ErrorKind {
    /// Full name of the Java class that Kafka Connect would show.
    #[must_use]
    pub fn class_name(self) -> &'static str {
        match self {
            Self::Connect => "org.apache.kafka.connect.errors.ConnectException",
            Self::Retriable | Self::NotReady => {
                "org.apache.kafka.connect.errors.RetriableException"
            }
            Self::Data => "org.apache.kafka.connect.errors.DataException",
            Self::Config => "org.apache.kafka.common.config.ConfigException",
            Self::NotFound => "org.apache.kafka.connect.errors.NotFoundException",
            Self::AlreadyExists => "org.apache.kafka.connect.errors.AlreadyExistsException",
            Self::SchemaBuilder => "org.apache.kafka.connect.errors.SchemaBuilderException",
            Self::SchemaProjector => "org.apache.kafka.connect.errors.SchemaProjectorException",
            Self::IllegalWorkerState => {
                "org.apache.kafka.connect.errors.IllegalWorkerStateException"
            }
            Self::TooManyTasks => "org.apache.kafka.connect.runtime.TooManyTasksException",
            Self::Timeout => "org.apache.kafka.common.errors.TimeoutException",
            Self::Serialization => "org.apache.kafka.common.errors.SerializationException",
            Self::KafkaRetriable => "org.apache.kafka.common.errors.RetriableException",
            Self::Kafka => "org.apache.kafka.common.KafkaException",
            Self::Unsupported => "java.lang.UnsupportedOperationException",
            Self::IllegalArgument => "java.lang.IllegalArgumentException",
            Self::IllegalState => "java.lang.IllegalStateException",
            Self::NullPointer => "java.lang.NullPointerException",
            Self::ClassCast => "java.lang.ClassCastException",
            Self::IndexOutOfBounds => "java.lang.IndexOutOfBoundsException",
            Self::Io => "java.io.IOException",
            Self::Panic => "java.lang.Error",
        }
    }
}

/// An error of a plugin or of the runtime, with an optional cause.
///
/// Cheap to clone: causes are shared.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    kind: ErrorKind,
    message: String,
    #[source]
    cause: Option<Arc<ConnectError>>,
    foreign: Option<Arc<Foreign>>,
}

/// What an exception of another language says of itself.
#[derive(Debug)]
struct Foreign {
    class: Box<str>,
    /// With its frames and causes.
    trace: Box<str>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(message: impl Into<String>) -> Self {
            Self::new(ErrorKind::$kind, message)
        })*
    };
}

impl ConnectError {
    /// An error of any kind.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            cause: None,
            foreign: None,
        }
    }

    /// An exception of a plugin that is not written in Rust: its full class name, its message, and its stack
    /// trace with all causes, as Java prints it. `kind` alone decides about retries.
    ///
    /// ```
    /// use sluice_api::{ConnectError, ErrorKind};
    ///
    /// let trace = "com.example.Down: not now\n\tat com.example.Task.poll(Task.java:7)\n";
    /// let error = ConnectError::foreign(ErrorKind::Retriable, "com.example.Down", "not now", trace);
    /// assert!(error.is_retriable());
    /// assert_eq!(error.class_name(), "com.example.Down");
    /// assert_eq!(error.trace(), trace);
    /// ```
    #[must_use]
    pub fn foreign(
        kind: ErrorKind,
        class: impl Into<Box<str>>,
        message: impl Into<String>,
        trace: impl Into<Box<str>>,
    ) -> Self {
        let (class, trace) = (class.into(), trace.into());
        Self {
            foreign: Some(Arc::new(Foreign { class, trace })),
            ..Self::new(kind, message)
        }
    }

    constructors! {
        /// Fatal error (`ConnectException`).
        connect => Connect,
        /// The call may be repeated (`RetriableException`).
        retriable => Retriable,
        /// The call has to wait (no exception of Kafka's).
        not_ready => NotReady,
        /// Bad data (`DataException`).
        data => Data,
        /// Bad configuration (`ConfigException`).
        config => Config,
        /// Something named does not exist (`NotFoundException`).
        not_found => NotFound,
        /// A rule of the schema builder was broken (`SchemaBuilderException`).
        schema_builder => SchemaBuilder,
        /// Two schemas do not fit (`SchemaProjectorException`).
        schema_projector => SchemaProjector,
        /// A context method was called at a wrong moment (`IllegalWorkerStateException`).
        illegal_worker_state => IllegalWorkerState,
        /// Bytes could not be written or read (`SerializationException`).
        serialization => Serialization,
        /// Too late (`TimeoutException`).
        timeout => Timeout,
        /// A feature which does not exist (`UnsupportedOperationException`).
        unsupported => Unsupported,
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<ConnectError>) -> Self {
        self.cause = Some(Arc::new(cause.into()));
        self
    }

    /// With all its texts changed: messages, those of its causes too, and traces of foreign exceptions.
    #[must_use]
    pub fn map_texts(&self, change: &dyn Fn(&str) -> String) -> Self {
        let foreign = self.foreign.as_ref().map(|foreign| Foreign {
            class: foreign.class.clone(),
            trace: change(&foreign.trace).into(),
        });
        Self {
            kind: self.kind,
            message: change(&self.message),
            cause: self.cause().map(|cause| Arc::new(cause.map_texts(change))),
            foreign: foreign.map(Arc::new),
        }
    }

    /// Kind, which decides about retries.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Message without class and causes.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Cause, if any.
    #[must_use]
    pub fn cause(&self) -> Option<&ConnectError> {
        self.cause.as_deref()
    }

    /// Whether this is Connect's own `RetriableException`, the only kind that `errors.retry.timeout` repeats.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.kind == ErrorKind::Retriable
    }

    /// Whether this is retriable in Connect's or in the Kafka clients' sense, as in `SourceTask::poll`.
    #[must_use]
    pub fn is_retriable_for_kafka(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Retriable | ErrorKind::Timeout | ErrorKind::KafkaRetriable
        )
    }

    /// Full name of the exception's class, in Java's or, for an error of this program, the one that Kafka
    /// Connect would show.
    #[must_use]
    pub fn class_name(&self) -> &str {
        match &self.foreign {
            Some(foreign) => &foreign.class,
            None => self.kind.class_name(),
        }
    }

    /// The innermost cause, or the error itself.
    #[must_use]
    pub fn root_cause(&self) -> &ConnectError {
        let mut error = self;
        while let Some(cause) = error.cause() {
            error = cause;
        }
        error
    }

    /// Text in the shape of a Java stack trace: `class: message`, then `Caused by: ` lines. Foreign exceptions
    /// have their own, with frames.
    ///
    /// Goes into the `trace` of status records. The number of causes shown is capped.
    #[must_use]
    pub fn trace(&self) -> String {
        use fmt::Write as _;
        const MAX_CAUSES: usize = 32;
        let mut text = String::new();
        let (mut next, mut count) = (Some(self), 0);
        while let Some(error) = next {
            if count > MAX_CAUSES {
                text.push_str("...\n");
                break;
            }
            if count > 0 {
                text.push_str("Caused by: ");
            }
            if let Some(foreign) = &error.foreign {
                text.push_str(foreign.trace.trim_end());
                text.push('\n');
                break;
            }
            // Writing to a String can't fail.
            let _ = writeln!(text, "{}: {}", error.class_name(), error.message);
            next = error.cause();
            count += 1;
        }
        text
    }
}

impl From<std::io::Error> for ConnectError {
    fn from(error: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, error.to_string())
    }
}

/// The exception that Java's class throws, but for an expression of a configuration that does not compile.
impl From<Exception> for ConnectError {
    fn from(exception: Exception) -> Self {
        let kind = match &exception {
            Exception::IllegalArgument(_) => ErrorKind::IllegalArgument,
            Exception::IndexOutOfBounds(_) => ErrorKind::IndexOutOfBounds,
            Exception::NumberFormat(_) => ErrorKind::Data,
            Exception::PatternSyntax(_) => ErrorKind::Config,
            Exception::TooManySteps(_) => ErrorKind::Connect,
        };
        Self::new(kind, exception.to_string())
    }
}

impl From<ConfigError> for ConnectError {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorKind::Config, error.to_string())
    }
}

/// A fault of a configuration, with Kafka's text (`org.apache.kafka.common.config.ConfigException`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl ConfigError {
    /// `Invalid value V for configuration K: WHY`.
    pub fn invalid(name: &str, value: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self(format!(
            "Invalid value {value} for configuration {name}: {why}"
        ))
    }

    /// `Missing required configuration "K" which has no default value.`
    pub fn missing(name: &str) -> Self {
        Self(format!(
            "Missing required configuration \"{name}\" which has no default value."
        ))
    }
}

/// A fault found by [`Connector::validate`](crate::Connector::validate), shown at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFault {
    /// The key to correct, with its prefix.
    pub key: String,
    /// Message for the user, without the value of passwords.
    pub message: String,
}

impl KeyFault {
    /// `KEY: WHY`, shown at the key.
    pub fn new(key: &str, why: impl fmt::Display) -> Self {
        Self {
            key: key.to_owned(),
            message: format!("{key}: {why}"),
        }
    }
}

impl From<KeyFault> for ConnectError {
    fn from(fault: KeyFault) -> Self {
        Self::config(fault.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_lists_the_causes_as_java_does() {
        let error = ConnectError::connect("Tolerance exceeded in error handler")
            .caused_by(ConnectError::data("bad").caused_by(ConnectError::serialization("worse")));
        assert_eq!(
            error.trace(),
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             Caused by: org.apache.kafka.connect.errors.DataException: bad\n\
             Caused by: org.apache.kafka.common.errors.SerializationException: worse\n"
        );
        assert_eq!(error.root_cause().message(), "worse");
    }

    #[test]
    fn a_foreign_exception_keeps_its_frames_behind_what_it_caused() {
        let trace = "java.lang.IllegalStateException: failing at 2\n\tat A.b(A.java:1)\nCaused by: java.lang.Error: root\n";
        let class = "java.lang.IllegalStateException";
        let foreign = ConnectError::foreign(ErrorKind::Connect, class, "failing at 2", trace);
        let error = ConnectError::connect("tolerance exceeded").caused_by(foreign);
        assert_eq!(
            error.trace(),
            format!(
                "org.apache.kafka.connect.errors.ConnectException: tolerance exceeded\nCaused by: {trace}"
            )
        );
        assert_eq!(error.root_cause().class_name(), class);
        let hidden = error.map_texts(&|text| text.replace("at 2", "at [hidden]"));
        assert!(!hidden.trace().contains("at 2") && hidden.trace().contains("A.java:1"));
    }

    #[test]
    fn only_the_kind_decides_about_retries() {
        assert!(ConnectError::retriable("x").is_retriable());
        assert!(!ConnectError::timeout("x").is_retriable());
        assert!(ConnectError::timeout("x").is_retriable_for_kafka());
        assert!(!ConnectError::data("retriable").is_retriable_for_kafka());
    }
}
