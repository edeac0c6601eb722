//! Transformations of jcustenborder's `kafka-connect-transform-common`, under their class names.

pub(super) mod change_topic_case;
