//! The data model: schemas, and values that go with them (`org.apache.kafka.connect.data`).
//!
//! A schema names values, as defaults, and values name schemas, as structs: the modules of this room know
//! each other, and none knows what is done with data.

pub mod logical;
pub mod schema;
pub mod struct_;
pub mod value;
pub mod values;
