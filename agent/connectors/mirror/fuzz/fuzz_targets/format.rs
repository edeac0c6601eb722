//! Reads offset syncs and checkpoints from any bytes, and writes what was read to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The file alone: the crate would bring librdkafka along.
#[allow(dead_code)]
#[path = "../../src/format.rs"]
mod format;

use format::{Checkpoint, OffsetSync};

fuzz_target!(|data: &[u8]| {
    let Some((&at, data)) = data.split_first() else { return };
    let (key, value) = data.split_at(data.len().min(usize::from(at)));
    if let Ok(sync) = OffsetSync::read(key, value) {
        assert!(key.starts_with(&sync.key()) && value.starts_with(&sync.value()));
    }
    if let Ok(checkpoint) = Checkpoint::read(key, value) {
        assert!(key.starts_with(&checkpoint.key()) && value.starts_with(&checkpoint.value()));
    }
});
