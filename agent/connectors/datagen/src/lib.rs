//! sluice-connector-datagen
