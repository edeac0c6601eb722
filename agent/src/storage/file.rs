//! Source offsets of the standalone worker in a file that the JVM worker reads too: a Java-serialised
//! `HashMap<byte[], byte[]>` with the keys and values of the offset topic (`FileOffsetBackingStore`).

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_protocol::{ConnectorName, JsonObject};

use super::kafka_offset::OffsetCache;
use super::{OffsetBackingStore, StorageError};

pub(crate) struct FileOffsetBackingStore {
    path: PathBuf,
    cache: Mutex<OffsetCache>,
}

impl FileOffsetBackingStore {
    /// A store that is not started yet.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cache: Mutex::default(),
        }
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn save(&self, cache: &OffsetCache) -> Result<(), StorageError> {
        let failed = |doing| {
            move |source| StorageError::File {
                path: self.path.display().to_string(),
                doing,
                source,
            }
        };
        // Written beside and renamed, so that a crash leaves either the old offsets or the new ones.
        let directory = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        let beside = self.path.with_extension("tmp");
        let mut file = std::fs::File::create(&beside).map_err(failed("cannot create beside it"))?;
        file.write_all(&serialised(cache.entries()))
            .map_err(failed("cannot write"))?;
        file.sync_all().map_err(failed("cannot write"))?;
        std::fs::rename(&beside, &self.path).map_err(failed("cannot rename"))?;
        if let Ok(directory) = std::fs::File::open(directory.unwrap_or(Path::new("."))) {
            // Not every file system can sync a folder; the rename is done either way.
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

#[async_trait]
impl OffsetBackingStore for FileOffsetBackingStore {
    async fn start(&self) -> Result<(), StorageError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(source) => {
                return Err(StorageError::File {
                    path: self.shown(),
                    doing: "cannot read",
                    source,
                });
            }
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let entries = deserialised(&bytes).map_err(|reason| StorageError::FileFormat {
            path: self.shown(),
            reason,
        })?;
        let mut cache = self.cache.lock();
        for (key, value) in entries {
            cache.feed(&key, value.as_deref());
        }
        Ok(())
    }

    async fn stop(&self) {}

    async fn get(
        &self,
        keys: Vec<Vec<u8>>,
    ) -> Result<HashMap<Vec<u8>, Option<Vec<u8>>>, StorageError> {
        Ok(self.cache.lock().get(keys))
    }

    async fn set(&self, values: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), StorageError> {
        let mut cache = self.cache.lock();
        for (key, value) in values {
            cache.feed(&key, value.as_deref());
        }
        self.save(&cache)
    }

    async fn connector_partitions(
        &self,
        connector: &ConnectorName,
    ) -> Result<Vec<JsonObject>, StorageError> {
        Ok(self.cache.lock().partitions(connector))
    }
}

/// Stream magic, version, and the class description of `java.util.HashMap` (Java Object
/// Serialization, version 5).
const HEADER: &[u8] = &[
    0xac, 0xed, 0x00, 0x05, 0x73, 0x72, 0x00, 0x11, b'j', b'a', b'v', b'a', b'.', b'u', b't', b'i',
    b'l', b'.', b'H', b'a', b's', b'h', b'M', b'a', b'p', 0x05, 0x07, 0xda, 0xc1, 0xc3, 0x16, 0x60,
    0xd1, 0x03, 0x00, 0x02, b'F', 0x00, 0x0a, b'l', b'o', b'a', b'd', b'F', b'a', b'c', b't', b'o',
    b'r', b'I', 0x00, 0x09, b't', b'h', b'r', b'e', b's', b'h', b'o', b'l', b'd', 0x78, 0x70,
];
/// The class description of `byte[]`.
const BYTE_ARRAY: &[u8] = &[
    0x72, 0x00, 0x02, b'[', b'B', 0xac, 0xf3, 0x17, 0xf8, 0x06, 0x08, 0x54, 0xe0, 0x02, 0x00, 0x00,
    0x78, 0x70,
];
const TC_NULL: u8 = 0x70;
const TC_REFERENCE: u8 = 0x71;
const TC_ARRAY: u8 = 0x75;
const TC_BLOCKDATA: u8 = 0x77;
const TC_ENDBLOCKDATA: u8 = 0x78;
/// Handle of `byte[]`'s class: the third object of the stream, after HashMap's class and the map.
const BYTE_ARRAY_HANDLE: [u8; 4] = [0x00, 0x7e, 0x00, 0x02];

fn serialised<'a>(entries: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) -> Vec<u8> {
    let entries: Vec<_> = entries.collect();
    // Buckets as HashMap would have: the next power of two that the load factor of 0.75 allows.
    let buckets = (entries.len() * 4 / 3 + 1).next_power_of_two().max(16);
    let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX).to_be_bytes();
    let mut out = HEADER.to_vec();
    out.extend(0.75_f32.to_be_bytes());
    out.extend(number(buckets * 3 / 4));
    out.extend([TC_BLOCKDATA, 8]);
    out.extend(number(buckets));
    out.extend(number(entries.len()));
    let mut described = false;
    for bytes in entries.into_iter().flat_map(|(key, value)| [key, value]) {
        out.push(TC_ARRAY);
        if described {
            out.push(TC_REFERENCE);
            out.extend(BYTE_ARRAY_HANDLE);
        } else {
            out.extend(BYTE_ARRAY);
            described = true;
        }
        out.extend(number(bytes.len()));
        out.extend(bytes);
    }
    out.push(TC_ENDBLOCKDATA);
    out
}

type Entry = (Vec<u8>, Option<Vec<u8>>);

fn deserialised(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let mut reader = Reader { bytes, at: 0 };
    reader.expect(HEADER, "a Java-serialised HashMap")?;
    reader.take(8)?;
    reader.expect(&[TC_BLOCKDATA, 8], "the size of the map")?;
    reader.take(4)?;
    let size = reader.number()?;
    let mut entries = Vec::new();
    for _ in 0..size {
        let key = reader.byte_array()?.ok_or("a key is null")?;
        entries.push((key, reader.byte_array()?));
    }
    reader.expect(&[TC_ENDBLOCKDATA], "the end of the map")?;
    Ok(entries)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count);
        let taken = end
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or_else(|| format!("ends at byte {} in the middle of a value", self.bytes.len()))?;
        self.at += count;
        Ok(taken)
    }

    fn expect(&mut self, expected: &[u8], what: &str) -> Result<(), String> {
        let at = self.at;
        if self.take(expected.len())? == expected {
            Ok(())
        } else {
            Err(format!("at byte {at} is not {what}"))
        }
    }

    fn number(&mut self) -> Result<usize, String> {
        let at = self.at;
        let bytes: [u8; 4] = self
            .take(4)?
            .try_into()
            .map_err(|_| "four bytes".to_owned())?;
        usize::try_from(i32::from_be_bytes(bytes))
            .map_err(|_| format!("at byte {at} is a negative length"))
    }

    fn byte_array(&mut self) -> Result<Option<Vec<u8>>, String> {
        let at = self.at;
        match self.take(1)? {
            [TC_NULL] => return Ok(None),
            [TC_ARRAY] => {}
            _ => return Err(format!("at byte {at} is no byte array")),
        }
        match self.bytes.get(self.at) {
            Some(&TC_REFERENCE) => {
                self.take(1)?;
                self.expect(&BYTE_ARRAY_HANDLE, "the class of byte arrays")?;
            }
            _ => self.expect(BYTE_ARRAY, "the class of byte arrays")?,
        }
        let length = self.number()?;
        self.take(length).map(|bytes| Some(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn offsets_survive_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("offsets");
        let store = FileOffsetBackingStore::new(&path);
        store.start().await.unwrap();
        let connector = ConnectorName::from("c");
        let partition: JsonObject = [("filename".to_owned(), "/a".into())].into_iter().collect();
        let offset: JsonObject = [("position".to_owned(), 9.into())].into_iter().collect();
        store
            .set_offsets(&connector, &[(partition.clone(), Some(offset.clone()))])
            .await
            .unwrap();
        let again = FileOffsetBackingStore::new(&path);
        again.start().await.unwrap();
        assert_eq!(
            again.offsets(&connector, &[partition]).await.unwrap(),
            [Some(offset)]
        );
    }

    #[test]
    fn every_truncation_of_a_file_is_an_error_and_never_a_panic() {
        let (key, value) = (b"[\"c\",{}]".to_vec(), b"{}".to_vec());
        let bytes = serialised([(&key, &value), (&value, &key)].into_iter());
        assert_eq!(deserialised(&bytes).unwrap().len(), 2);
        for length in 1..bytes.len() {
            assert!(deserialised(&bytes[..length]).is_err(), "length {length}");
        }
    }
}
