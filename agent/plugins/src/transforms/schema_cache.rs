//! What a transformation has found out about schemas, kept for the sixteen last used ones.

use std::sync::{Arc, Mutex, PoisonError};

use sluice_api::{Result, Schema};

/// As many schemas as Kafka's transformations remember.
const CAPACITY: usize = 16;

/// Plans by schema. The usual case, the very schema object of the record before, costs one comparison of
/// pointers; an equal schema in another object is found by comparing it once and then remembered by its own
/// pointer.
///
/// A chain belongs to one task, so the lock is never waited for.
#[derive(Debug)]
pub(crate) struct SchemaCache<P> {
    /// Most recently used first.
    plans: Mutex<Vec<(Arc<Schema>, Arc<P>)>>,
}

impl<P> Default for SchemaCache<P> {
    fn default() -> Self {
        Self {
            plans: Mutex::new(Vec::with_capacity(CAPACITY)),
        }
    }
}

impl<P> SchemaCache<P> {
    /// The plan for a schema, made by `make` if there is none. Failures are not remembered.
    pub(crate) fn get(
        &self,
        schema: &Arc<Schema>,
        make: impl FnOnce(&Arc<Schema>) -> Result<P>,
    ) -> Result<Arc<P>> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, plan)) = plans.first()
            && Arc::ptr_eq(known, schema)
        {
            return Ok(Arc::clone(plan));
        }
        if let Some(index) = plans
            .iter()
            .position(|(known, _)| Arc::ptr_eq(known, schema))
        {
            if let Some(used) = plans.get_mut(..=index) {
                used.rotate_right(1);
            }
        } else {
            let plan = match plans.iter().find(|(known, _)| known == schema) {
                Some((_, plan)) => Arc::clone(plan),
                None => Arc::new(make(schema)?),
            };
            plans.truncate(CAPACITY - 1);
            plans.insert(0, (Arc::clone(schema), plan));
        }
        match plans.first() {
            Some((_, plan)) => Ok(Arc::clone(plan)),
            None => unreachable!("a plan was just put in front"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_api::SchemaBuilder;

    fn schema(version: i32) -> Arc<Schema> {
        SchemaBuilder::int32().version(version).build().unwrap()
    }

    #[test]
    fn a_plan_is_made_once_for_equal_schemas() {
        let cache = SchemaCache::default();
        let mut made = 0;
        for _ in 0..3 {
            cache
                .get(&schema(1), |_| {
                    made += 1;
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(made, 1);
    }

    #[test]
    fn the_least_recently_used_schema_is_forgotten() {
        let cache = SchemaCache::default();
        let first = schema(0);
        let plan = |schema: &Arc<Schema>| cache.get(schema, |s| Ok(s.version()));
        plan(&first).unwrap();
        for version in 1..16 {
            assert_eq!(*plan(&schema(version)).unwrap(), Some(version));
        }
        let mut made = false;
        let mut remake = |schema: &Arc<Schema>| {
            made = false;
            cache
                .get(schema, |s| {
                    made = true;
                    Ok(s.version())
                })
                .unwrap();
            made
        };
        assert!(!remake(&first));
        assert!(remake(&schema(16)));
        assert!(remake(&schema(1)), "the oldest but one was forgotten");
        assert!(!remake(&first), "the first was used since");
    }
}
