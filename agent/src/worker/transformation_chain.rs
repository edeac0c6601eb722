//! The transformations of a connector, applied in order (`TransformationChain`).

use std::sync::Arc;

use sluice_api::{ConnectError, ConnectRecord, Predicate, RecordOrigin, Transformation};

use super::errors::{ErrorOperator, Stage, Tolerated};

/// One transformation and the predicate that decides whether it applies.
pub struct TransformationStage {
    /// The instance, which is configured.
    pub transformation: Box<dyn Transformation>,
    /// Class, for error reports and metrics.
    pub class: String,
    /// Its name in `transforms`, for errors.
    pub alias: String,
    /// Predicate, if `transforms.A.predicate` names one.
    pub predicate: Option<Arc<dyn Predicate>>,
    /// `transforms.A.negate`: apply where the predicate does not hold.
    pub negate: bool,
}

/// The transformations of a task, in the sequence in which they are applied.
#[derive(Default)]
pub struct TransformationChain {
    stages: Vec<TransformationStage>,
}

impl TransformationChain {
    /// A chain of stages.
    #[must_use]
    pub fn new(stages: Vec<TransformationStage>) -> Self {
        Self { stages }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Its stages, in the sequence in which they are applied.
    #[must_use]
    pub fn stages(&self) -> &[TransformationStage] {
        &self.stages
    }

    /// The changed record, without the cost of a future; nothing if a transformation dropped it. For
    /// connectors that do not retry.
    ///
    /// # Errors
    /// The class of the transformation that failed, and why. The record is gone.
    pub(super) fn apply_at_once(
        &self,
        record: ConnectRecord,
        origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>, (&str, ConnectError)> {
        let mut current = record;
        for stage in &self.stages {
            match stage.apply(current, origin) {
                Ok(Some(changed)) => current = changed,
                Ok(None) => return Ok(None),
                Err(error) => return Err((&stage.class, error)),
            }
        }
        Ok(Some(current))
    }

    /// The changed record, or nothing if a transformation dropped it or its failure is tolerated.
    ///
    /// A failed transformation is repeated with the record as it came, so each step works on a copy
    /// only if errors may be retried.
    pub(super) async fn apply(
        &self,
        record: ConnectRecord,
        origin: &RecordOrigin<'_>,
        operator: &ErrorOperator,
        subject: &(dyn super::errors::FailureSubject + Sync),
    ) -> Tolerated<ConnectRecord> {
        let mut current = record;
        for stage in &self.stages {
            let applied = if operator.retries() {
                let input = current;
                operator
                    .run(Stage::Transformation, &stage.class, subject, || {
                        stage.apply(input.clone(), origin)
                    })
                    .await
            } else {
                match stage.apply(current, origin) {
                    Ok(record) => Tolerated::Done(record),
                    Err(error) => {
                        operator
                            .failed(Stage::Transformation, &stage.class, subject, error)
                            .await
                    }
                }
            };
            match applied {
                Tolerated::Done(Some(record)) => current = record,
                Tolerated::Done(None) | Tolerated::Skipped => return Tolerated::Skipped,
                Tolerated::Fatal(error) => return Tolerated::Fatal(error),
            }
        }
        Tolerated::Done(current)
    }
}

impl TransformationStage {
    fn apply(
        &self,
        record: ConnectRecord,
        origin: &RecordOrigin<'_>,
    ) -> sluice_api::Result<Option<ConnectRecord>> {
        if let Some(predicate) = &self.predicate
            && predicate.test(&record, origin)? == self.negate
        {
            return Ok(Some(record));
        }
        self.transformation.apply(record, origin)
    }
}
