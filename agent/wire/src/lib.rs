//! Kafka's messages, checked before a decoder trusts them.
//!
//! Decoders make room for as many elements as an array claims: eleven bytes can ask for sixty gigabytes, and
//! the failed allocation ends the process. So whoever reads from the network walks the bytes first, by the
//! layouts of Kafka's own message definitions: [`request`] in the broker, [`answer`] in the client. A walk
//! allocates nothing, costs one pass over what is not record batches, and says how much memory the decoded
//! message takes, so that budgets count what bytes become and not what they are.
//!
//! It knows no sockets and no client.

mod layout;
mod layouts;

pub use layout::Fault;

/// Walks the body of a request, the bytes behind its header, and returns the memory of the decoded request in
/// bytes.
///
/// Bytes behind the last field are passed over, as Kafka does: librdkafka's request for the metadata of all
/// topics has some.
///
/// # Errors
/// If a length or count does not fit into the bytes that are there, or the API is not one of Kafka's.
pub fn request(api: i16, version: i16, body: &[u8]) -> Result<usize, Fault> {
    layout::walk(layouts::REQUESTS, api, version, body)
}

/// The same for the body of an answer.
///
/// # Errors
/// As for [`request`].
pub fn answer(api: i16, version: i16, body: &[u8]) -> Result<usize, Fault> {
    layout::walk(layouts::ANSWERS, api, version, body)
}

/// Walks the tagged fields at the end of a flexible header, and returns how many bytes they take. None is
/// known, so none is worth its memory: a header of a megabyte would become a map of many.
///
/// # Errors
/// If a length does not fit into the bytes that are there.
pub fn header_tags(bytes: &[u8]) -> Result<usize, Fault> {
    layout::tags(bytes)
}

#[cfg(test)]
mod tests;
