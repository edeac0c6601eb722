//! Texts as Java's own classes write and read them, where a user, a record or a file would show the
//! difference. Each module follows one class of the JDK; none knows Connect.
//!
//! * [`text`] is what `toString` makes of numbers, dates and foreign bytes.
//! * [`number`] is what `parseInt`, `parseDouble` and `String.trim` take as a number and as blank.
//! * [`decimal`] is `java.math.BigDecimal`.
//! * [`calendar`] is `java.util.GregorianCalendar`, Julian before October 1582.
//! * [`simple_date_format`] is `java.text.SimpleDateFormat`.
//! * [`regex`] is `java.util.regex`.

pub mod calendar;
pub mod decimal;
pub mod number;
pub mod regex;
pub mod simple_date_format;
pub mod text;

pub use decimal::Decimal;

/// What a class of Java's throws, with its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exception {
    /// `IllegalArgumentException`: a pattern or a replacement that the class does not accept.
    #[error("{0}")]
    IllegalArgument(String),
    /// `IndexOutOfBoundsException`: a replacement names a group which the expression does not have.
    #[error("{0}")]
    IndexOutOfBounds(String),
    /// `NumberFormatException`: a text that is not a number.
    #[error("{0}")]
    NumberFormat(String),
    /// `PatternSyntaxException`, in the words of the engine used here: they differ from Java's.
    #[error("{0}")]
    PatternSyntax(String),
    /// A match was given up: it would have taken too many steps. Java would go on, for years if need be.
    #[error("regular expression: {0}")]
    TooManySteps(String),
}
