//! sluice-connector-file
