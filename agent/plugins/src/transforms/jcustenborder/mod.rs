//! Transformations of jcustenborder's `kafka-connect-transform-common` and `kafka-connect-json-schema`, under
//! their class names.

pub(super) mod change_topic_case;
pub(super) mod from_json;
