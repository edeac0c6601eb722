//! Checks of offsets that a user wants to store for a connector (`MirrorUtils.validateSource...`).

use sluice_api::{ConnectError, Result, SourceOffset, SourcePartition, Value};

/// Which values of `offset` are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Checkpoints and heartbeats have no real offsets.
    Zero,
    /// Anything that can be the offset of a record.
    NotNegative,
}

/// Checks all offsets; `None` removes one and is always allowed.
///
/// `texts` are keys of the partition that hold texts; `has_partition` says that there is a number of a
/// partition.
///
/// # Errors
/// The first one that is wrong, in Kafka's words.
pub(crate) fn check(
    offsets: &[(SourcePartition, Option<SourceOffset>)],
    texts: &[&str],
    has_partition: bool,
    allowed: Allowed,
) -> Result<()> {
    for (partition, offset) in offsets {
        let Some(offset) = offset else {
            continue;
        };
        for key in texts {
            match partition.get(key) {
                None => return Err(missing_partition(partition, key)),
                Some(Value::String(_)) => {}
                Some(value) => {
                    return Err(wrong_partition(
                        partition,
                        key,
                        value,
                        "which must be a string",
                    ));
                }
            }
        }
        if has_partition {
            check_number(partition)?;
        }
        check_offset(partition, offset, allowed)?;
    }
    Ok(())
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int32(number) => Some(i64::from(*number)),
        Value::Int64(number) => Some(*number),
        _ => None,
    }
}

fn check_number(partition: &SourcePartition) -> Result<()> {
    const KEY: &str = "partition";
    let Some(value) = partition.get(KEY) else {
        return Err(missing_partition(partition, KEY));
    };
    match integer(value) {
        Some(number) if number < 0 => Err(wrong_partition(
            partition,
            KEY,
            value,
            "which cannot be negative",
        )),
        Some(number) if i32::try_from(number).is_ok() => Ok(()),
        _ => Err(wrong_partition(
            partition,
            KEY,
            value,
            "which must be an integer",
        )),
    }
}

fn check_offset(
    partition: &SourcePartition,
    offset: &SourceOffset,
    allowed: Allowed,
) -> Result<()> {
    const KEY: &str = "offset";
    let Some(value) = offset.get(KEY) else {
        return Err(ConnectError::connect(format!(
            "Source offset {offset} for source partition {partition} is missing the '{KEY}' key, which is \
             required"
        )));
    };
    let wrong = match (integer(value), allowed) {
        (None, _) => ", which must be an integer",
        (Some(0), Allowed::Zero) => return Ok(()),
        (Some(_), Allowed::Zero) => "; the only accepted value is 0",
        (Some(number), Allowed::NotNegative) if number < 0 => ", which cannot be negative",
        (Some(_), Allowed::NotNegative) => return Ok(()),
    };
    Err(ConnectError::connect(format!(
        "Source offset {offset} for source partition {partition} has an invalid value {value} for the \
         '{KEY}' key{wrong}"
    )))
}

fn missing_partition(partition: &SourcePartition, key: &str) -> ConnectError {
    ConnectError::connect(format!(
        "Source partition {partition} is missing the '{key}' key, which is required"
    ))
}

fn wrong_partition(
    partition: &SourcePartition,
    key: &str,
    value: &Value,
    why: &str,
) -> ConnectError {
    ConnectError::connect(format!(
        "Source partition {partition} has an invalid value {value} for the '{key}' key, {why}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(partition: SourcePartition, offset: SourceOffset, allowed: Allowed) -> String {
        check(
            &[(partition, Some(offset))],
            &["cluster", "topic"],
            true,
            allowed,
        )
        .unwrap_err()
        .message()
        .to_owned()
    }

    #[test]
    fn faults_are_told_in_kafkas_words() {
        let good = SourcePartition::of("cluster", "a")
            .with("partition", 1_i64)
            .with("topic", "t");
        let zero = SourceOffset::of("offset", 0_i64);
        let ok = check(
            &[(good.clone(), Some(zero.clone()))],
            &["cluster", "topic"],
            true,
            Allowed::Zero,
        );
        assert!(ok.is_ok());
        assert!(
            check(
                &[(SourcePartition::new(), None)],
                &["cluster"],
                true,
                Allowed::Zero
            )
            .is_ok()
        );
        assert_eq!(
            fault(
                SourcePartition::of("cluster", "a"),
                zero.clone(),
                Allowed::Zero
            ),
            "Source partition {cluster=a} is missing the 'topic' key, which is required"
        );
        assert_eq!(
            fault(
                SourcePartition::of("cluster", 1),
                zero.clone(),
                Allowed::Zero
            ),
            "Source partition {cluster=1} has an invalid value 1 for the 'cluster' key, which must be a \
             string"
        );
        assert_eq!(
            fault(good.clone().with("partition", -1_i64), zero, Allowed::Zero),
            "Source partition {cluster=a, partition=-1, topic=t} has an invalid value -1 for the 'partition' \
             key, which cannot be negative"
        );
        assert_eq!(
            fault(
                good.clone(),
                SourceOffset::of("offset", 1_i64),
                Allowed::Zero
            ),
            "Source offset {offset=1} for source partition {cluster=a, partition=1, topic=t} has an invalid \
             value 1 for the 'offset' key; the only accepted value is 0"
        );
        assert_eq!(
            fault(
                good,
                SourceOffset::of("offset", -1_i64),
                Allowed::NotNegative
            ),
            "Source offset {offset=-1} for source partition {cluster=a, partition=1, topic=t} has an invalid \
             value -1 for the 'offset' key, which cannot be negative"
        );
    }
}
