//! The data of the broker, by the three ways to it: the picture that needs no wait, reads from the disk, and
//! the writer.

use std::sync::Arc;

use crate::state::Shared;
use crate::store::StoreReader;
use crate::writer::Writer;

/// What all that works on topics, partitions and offsets takes. The writer ends, and closes the store, when
/// the last of these is gone.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) shared: Arc<Shared>,
    pub(crate) reader: StoreReader,
    pub(crate) writer: Writer,
}
