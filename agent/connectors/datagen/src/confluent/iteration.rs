//! The property `iteration`: values that count.

use serde_json::{Map, Value as Json};

/// Counts whole numbers as `IntegralIterator` of avro-random-generator does.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    start: i128,
    around: i128,
    step: i128,
    current: i128,
}

impl Whole {
    /// `highest` and `lowest` are the ends of the type.
    pub(crate) fn parse(
        props: &Map<String, Json>,
        lowest: i64,
        highest: i64,
    ) -> Result<Self, String> {
        let field = |name| super::plan::whole("iteration", name, props, lowest, highest);
        let start = field("start")?.ok_or("iteration has to have the field start")?;
        let (restart, step) = (field("restart")?, field("step")?);
        let default = match step {
            Some(step) if step < 0 => i128::from(lowest),
            _ => i128::from(highest),
        };
        let restart = restart.map_or(default, i128::from);
        let start = i128::from(start);
        let step = step.map_or((restart - start).signum(), i128::from);
        check(restart != start, step != 0, (step > 0) == (restart > start))?;
        let initial = field("initial")?.map_or(start, i128::from);
        Ok(Self {
            start,
            around: (restart - start).abs(),
            step,
            current: initial - start,
        })
    }

    /// Goes on behind records that were made before a restart.
    pub(crate) fn skip(&mut self, count: i64) {
        if count > 0 {
            self.current = self.wrapped(i128::from(count) * self.step + self.current);
        }
    }

    pub(crate) fn next(&mut self) -> i64 {
        let result = self.current + self.start;
        self.current = self.wrapped(self.current + self.step);
        result as i64
    }

    fn wrapped(&self, value: i128) -> i128 {
        value.abs() % self.around * self.step.signum()
    }
}

/// Counts fractions as `DecimalIterator` does, in decimal steps where they have few digits.
#[derive(Debug, Clone)]
pub(crate) struct Fraction {
    start: f64,
    /// From the start to where it starts again.
    around: f64,
    step: f64,
    first: f64,
    /// Values made before the next one.
    count: u64,
    /// Factor that makes whole numbers of start, around, step and first; 1 if there is no such factor.
    scale: f64,
}

impl Fraction {
    /// `highest` is the largest number of the type.
    pub(crate) fn parse(props: &Map<String, Json>, highest: f64) -> Result<Self, String> {
        let field = |name| super::plan::number("iteration", name, props);
        let start = field("start")?.ok_or("iteration has to have the field start")?;
        let (restart, step) = (field("restart")?, field("step")?);
        let default = if step.is_some_and(|step| step < 0.0) {
            -highest
        } else {
            highest
        };
        let restart = restart.unwrap_or(default);
        let step = step.unwrap_or(if restart > start { 1.0 } else { -1.0 });
        check(
            restart != start,
            step != 0.0,
            (step > 0.0) == (restart > start),
        )?;
        let initial = field("initial")?.unwrap_or(start);
        let scale = scale(&[start, restart, step, initial]);
        let scaled_start = scaled(start, scale);
        Ok(Self {
            start: scaled_start,
            around: scaled(restart, scale) - scaled_start,
            step: scaled(step, scale),
            first: scaled(initial, scale) - scaled_start,
            count: 0,
            scale,
        })
    }

    /// Goes on behind records that were made before a restart.
    pub(crate) fn skip(&mut self, count: i64) {
        self.count += u64::try_from(count).unwrap_or(0);
    }

    pub(crate) fn next(&mut self) -> f64 {
        let made = self.count as f64;
        self.count += 1;
        let value = self.start + (self.first + made * self.step) % self.around;
        value / self.scale
    }
}

/// A number times the factor, without what multiplying by a power of ten added.
fn scaled(value: f64, scale: f64) -> f64 {
    if scale == 1.0 {
        value
    } else {
        (value * scale).round()
    }
}

/// The smallest power of ten that makes whole numbers of all fractions.
fn scale(parts: &[f64]) -> f64 {
    let digits = |part: &f64| {
        let text = part.to_string();
        text.split_once('.').map_or(0, |(_, digits)| digits.len())
    };
    let most = parts.iter().map(digits).max().unwrap_or(0);
    // 22 is the last power of ten that a double holds exactly.
    if most > 22 {
        1.0
    } else {
        10_f64.powi(most as i32)
    }
}

fn check(ends_differ: bool, steps: bool, fits: bool) -> Result<(), String> {
    match (ends_differ, steps, fits) {
        (false, _, _) => Err("start and restart of iteration cannot be equal".to_owned()),
        (_, false, _) => Err("step of iteration cannot be 0".to_owned()),
        (_, _, false) => Err("step of iteration has to lead from start to restart".to_owned()),
        _ => Ok(()),
    }
}

/// The state of one `iteration` of a schema.
#[derive(Debug, Clone)]
pub(crate) enum Iteration {
    Whole(Whole),
    Fraction(Fraction),
    Boolean(bool),
}

impl Iteration {
    pub(crate) fn skip(&mut self, count: i64) {
        match self {
            Self::Whole(whole) => whole.skip(count),
            Self::Fraction(fraction) => fraction.skip(count),
            Self::Boolean(next) => *next ^= count % 2 == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fraction, Json, Map, Whole};

    fn props(text: &str) -> Map<String, Json> {
        serde_json::from_str(text).expect("an object")
    }

    /// Expectations are those of `IterationTest` of avro-random-generator, by its formulas.
    #[test]
    fn whole_numbers_step_wrap_and_go_on() {
        for (text, skip, expected) in [
            (r#"{"start": 0}"#, 0, [0, 1, 2, 3]),
            (
                r#"{"start": 5, "step": 10, "restart": 25}"#,
                0,
                [5, 15, 5, 15],
            ),
            (r#"{"start": 10, "restart": 7}"#, 0, [10, 9, 8, 10]),
            (
                r#"{"start": 0, "restart": 5, "initial": 3}"#,
                0,
                [3, 4, 0, 1],
            ),
            (r#"{"start": 1, "step": 10}"#, 7, [71, 81, 91, 101]),
            (r#"{"start": 0, "restart": 5, "step": 2}"#, 4, [3, 0, 2, 4]),
        ] {
            let mut whole = Whole::parse(&props(text), i64::MIN, i64::MAX).expect(text);
            whole.skip(skip);
            assert_eq!(
                [(); 4].map(|()| whole.next()),
                expected,
                "{text} after {skip}"
            );
        }
    }

    #[test]
    fn fractions_have_no_rounding_of_their_own() {
        let mut tenths = Fraction::parse(&props(r#"{"start": 0.1, "step": 0.1}"#), f64::MAX)
            .expect("an iteration");
        assert_eq!([(); 4].map(|()| tenths.next()), [0.1, 0.2, 0.3, 0.4]);
        let mut wrapped = Fraction::parse(
            &props(r#"{"start": 1, "restart": 2, "step": 0.4}"#),
            f64::MAX,
        )
        .expect("an iteration");
        wrapped.skip(1);
        assert_eq!([(); 3].map(|()| wrapped.next()), [1.4, 1.8, 1.2]);
    }

    #[test]
    fn steps_that_lead_nowhere_are_refused() {
        for text in [
            "{}",
            r#"{"start": 1, "restart": 1}"#,
            r#"{"start": 1, "step": 0}"#,
            r#"{"start": 1, "restart": 9, "step": -1}"#,
            r#"{"start": 1.5}"#,
            r#"{"start": "a"}"#,
        ] {
            assert!(
                Whole::parse(&props(text), i64::MIN, i64::MAX).is_err(),
                "{text}"
            );
        }
    }
}
