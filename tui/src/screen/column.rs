//! Columns: heading, width, cell and rank declared once, in the file of the screen that shows them.

use std::borrow::Cow;
use std::cmp::Ordering;

use sluice_protocol::ConnectorName;

use super::cell::{Cell, Scene};
use super::rows::Rows;
use crate::model::Model;
use crate::text::Text;

/// A column of the table `T`.
pub(crate) struct Column<T: Rows> {
    pub(crate) heading: Heading,
    pub(crate) cell: for<'a> fn(Scene<'a>, T::Row<'a>) -> Cell,
    /// What the table is sorted by in this column; `None` where it can't be.
    pub(crate) rank: Option<for<'a> fn(&'a Model, T::Row<'a>) -> Rank<'a>>,
}

/// How a column is laid out and called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heading {
    pub(crate) title: &'static str,
    /// Least width in cells.
    pub(crate) width: u16,
    /// Share of the space that is left; 0 for none.
    pub(crate) grow: u16,
    /// Whether the text ends at the right edge, as numbers do.
    pub(crate) right: bool,
    /// The higher, the sooner the column goes when space is short; 0 always stays.
    pub(crate) drop: u8,
    /// Shown in wide mode only.
    pub(crate) wide: bool,
    /// The keys that sort by it, see [`Command::SortBy`](crate::keys::Command::SortBy); empty for none.
    pub(crate) letters: &'static str,
    /// Whether rows can be sorted by it.
    pub(crate) ranked: bool,
}

impl<T: Rows> Column<T> {
    /// A column of texts, `width` cells at least.
    pub(crate) const fn left(
        title: &'static str,
        width: u16,
        cell: for<'a> fn(Scene<'a>, T::Row<'a>) -> Cell,
    ) -> Self {
        let heading = Heading {
            title,
            width,
            grow: 0,
            right: false,
            drop: 0,
            wide: false,
            letters: "",
            ranked: false,
        };
        Self {
            heading,
            cell,
            rank: None,
        }
    }

    /// A column of numbers, `width` cells at least.
    pub(crate) const fn right(
        title: &'static str,
        width: u16,
        cell: for<'a> fn(Scene<'a>, T::Row<'a>) -> Cell,
    ) -> Self {
        let mut column = Self::left(title, width, cell);
        column.heading.right = true;
        column
    }

    /// The share of the space that is left which it takes.
    pub(crate) const fn grow(mut self, grow: u16) -> Self {
        self.heading.grow = grow;
        self
    }

    /// When it goes as space gets short: the highest first.
    pub(crate) const fn drop(mut self, drop: u8) -> Self {
        self.heading.drop = drop;
        self
    }

    /// Only in wide mode, and there the first to go; takes this share of the space that is left.
    pub(crate) const fn wide(mut self, grow: u16) -> Self {
        self.heading.wide = true;
        self.grow(grow).drop(9)
    }

    /// Rows can be sorted by it, at once by these keys.
    pub(crate) const fn rank(
        mut self,
        letters: &'static str,
        rank: for<'a> fn(&'a Model, T::Row<'a>) -> Rank<'a>,
    ) -> Self {
        self.heading.letters = letters;
        self.heading.ranked = true;
        self.rank = Some(rank);
        self
    }
}

/// A value to sort by; what is not known comes last in either direction.
#[derive(PartialEq, PartialOrd)]
pub(crate) enum Rank<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    Unknown,
}

impl<'a> Rank<'a> {
    /// The smallest number first, texts by their letters.
    pub(crate) fn smallest(value: impl Into<Self>) -> Self {
        value.into()
    }

    /// The largest number first: what one looks for is at the top.
    pub(crate) fn largest(value: impl Into<Self>) -> Self {
        match value.into() {
            Self::Number(n) => Self::Number(-n),
            rank => rank,
        }
    }

    /// The order of two ranks; `reverse` turns that of what is known.
    pub(super) fn compare(&self, other: &Self, reverse: bool) -> Ordering {
        match (self, other) {
            (Self::Unknown, Self::Unknown) => Ordering::Equal,
            (Self::Unknown, _) => Ordering::Greater,
            (_, Self::Unknown) => Ordering::Less,
            _ => {
                let order = self.partial_cmp(other).unwrap_or(Ordering::Equal);
                if reverse { order.reverse() } else { order }
            }
        }
    }
}

impl<'a, T: Into<Rank<'a>>> From<Option<T>> for Rank<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, Into::into)
    }
}

/// Values of these types rank as they are; integers beyond 2^53 as their neighbours.
macro_rules! ranks {
    ($($type:ty as $of:expr),*) => {
        $(impl<'a> From<$type> for Rank<'a> {
            fn from(value: $type) -> Self {
                $of(value)
            }
        })*
    };
}

ranks! {
    f64 as Self::Number,
    i64 as |n| Self::Number(n as f64),
    u64 as |n| Self::Number(n as f64),
    usize as |n| Self::Number(n as f64),
    i32 as |n| Self::Number(f64::from(n)),
    u32 as |n| Self::Number(f64::from(n)),
    u8 as |n| Self::Number(f64::from(n)),
    &'a str as |text| Self::Text(Cow::Borrowed(text)),
    String as |text| Self::Text(Cow::Owned(text)),
    &'a Text as |text: &'a Text| Self::from(text.as_str()),
    &'a ConnectorName as |name: &'a ConnectorName| Self::from(name.as_str())
}

/// The columns that fit into `width` cells by their place in `headings`, with the width of each.
///
/// Columns with the highest `drop` go first; what is left over is shared by those that grow.
pub(crate) fn fit(headings: &[Heading], width: u16, wide: bool) -> Vec<(usize, u16)> {
    let mut chosen: Vec<(usize, Heading)> = headings
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, heading)| wide || !heading.wide)
        .collect();
    let needed = |chosen: &[(usize, Heading)]| -> u16 {
        let widths = chosen.iter().map(|(_, heading)| heading.width + 1);
        widths.sum::<u16>().saturating_sub(1)
    };
    while needed(&chosen) > width {
        let optional = chosen.iter().enumerate().filter(|(_, (_, h))| h.drop > 0);
        let Some((worst, _)) = optional.max_by_key(|(i, (_, h))| (h.drop, *i)) else {
            break;
        };
        chosen.remove(worst);
    }
    // On a very narrow screen names give way before columns that say something is wrong.
    while needed(&chosen) > width {
        let names = chosen.iter_mut().filter(|(_, h)| h.grow > 0 && h.width > 8);
        let Some((_, widest)) = names.max_by_key(|(_, h)| h.width) else {
            break;
        };
        widest.width -= 1;
    }
    let spare = width.saturating_sub(needed(&chosen));
    let shares: u16 = chosen.iter().map(|(_, h)| h.grow).sum();
    let last_growing = chosen.iter().rposition(|(_, h)| h.grow > 0);
    let mut given = 0;
    chosen
        .into_iter()
        .enumerate()
        .map(|(i, (column, heading))| {
            let extra = if Some(i) == last_growing {
                spare - given
            } else if shares > 0 {
                (u32::from(spare) * u32::from(heading.grow) / u32::from(shares)) as u16
            } else {
                0
            };
            given += extra;
            (column, heading.width + extra)
        })
        .collect()
}
