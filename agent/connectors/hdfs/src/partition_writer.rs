//! The files of one topic's partition: records go to the file of their folder, and all files end together.
//!
//! Since they end together, the names of finished files cover every record up to the greatest offset in them,
//! and a task can go on from there, whatever folders records go to.

use std::collections::HashSet;

use futures::future::try_join_all;
use indexmap::IndexMap;
use sluice_api::{ConnectError, ErrorKind, Result, SinkRecord, TopicPartition};

use crate::compatibility::FileSchema;
use crate::config::{NullValues, SinkSettings};
use crate::error::StoreError;
use crate::file_name::file_name;
use crate::ownership::Ownership;
use crate::store::Store;
use crate::temporary_file::TemporaryFile;
use sluice_toolkit::files::rotation::{Clock, Rotation};

/// Bytes of memory that the files of a partition may take together; beyond it the formats write smaller
/// pieces.
const MEMORY: usize = 64 << 20;

/// Why records were not written.
pub(crate) enum WriteError {
    /// HDFS: the files under way are lost, and the partition has to be taken again.
    Store(StoreError),
    /// The task cannot go on.
    Fatal(ConnectError),
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What became of a record.
enum Refused {
    /// It is bad; others are not.
    Record(ConnectError),
    Write(WriteError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Write(error.into())
    }
}

impl From<WriteError> for Refused {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

/// Errors of encoders and schemas are those of the record, unless they say that nothing works.
impl From<ConnectError> for Refused {
    fn from(error: ConnectError) -> Self {
        match error.kind() {
            ErrorKind::Connect => Self::Write(WriteError::Fatal(error)),
            _ => Self::Record(error),
        }
    }
}

/// Files under way.
#[derive(Default)]
struct Files {
    /// By folder below the topic's.
    by_folder: IndexMap<String, TemporaryFile>,
    records: u64,
    /// Offset of the first record.
    first: i64,
}

/// Writes the files of one partition of Kafka.
pub(crate) struct PartitionWriter {
    partition: TopicPartition,
    /// `None` while the partition is not taken, or was lost.
    ownership: Option<Ownership>,
    /// The folder in HDFS that files under way are made in.
    group: Option<String>,
    files: Files,
    /// Number of files begun.
    begun: u64,
    schema: Option<FileSchema>,
    clock: Clock,
    /// Records below are done: written, or not to be written.
    next: Option<i64>,
    /// Where to read on if files under way are lost.
    resume: Option<i64>,
    /// Whether the consumer was set back, and records that came before it was are to be passed over.
    pub(crate) rewinding: bool,
    /// Folders that are known to be there.
    folders: HashSet<String>,
    /// The folder of the record at hand.
    folder: String,
}

impl PartitionWriter {
    pub(crate) fn new(partition: TopicPartition) -> Self {
        Self {
            partition,
            ownership: None,
            group: None,
            files: Files::default(),
            begun: 0,
            schema: None,
            clock: Clock::default(),
            next: None,
            resume: None,
            rewinding: false,
            folders: HashSet::new(),
            folder: String::new(),
        }
    }

    /// Whether the partition has to be taken before anything can be written.
    pub(crate) fn is_lost(&self) -> bool {
        self.ownership.is_none()
    }

    /// Gives up files under way, after a fault of HDFS.
    pub(crate) fn lose(&mut self) {
        self.ownership = None;
        self.group = None;
        self.files = Files::default();
        self.schema = None;
        self.folders.clear();
        self.next = None;
    }

    /// The partition is ours. `last` is the greatest offset in the names of its files, looked up after it was
    /// taken. Answers where to read on from; `None` if nothing tells.
    pub(crate) fn taken(
        &mut self,
        ownership: Ownership,
        last: Option<i64>,
        rotation: &Rotation,
        now: i64,
    ) -> Option<i64> {
        self.ownership = Some(ownership);
        self.resume = last.map(|last| last + 1).max(self.resume);
        self.next = self.resume;
        rotation.start(&mut self.clock, now);
        self.next
    }

    /// The next record to write; `None` if any may be.
    pub(crate) fn next(&self) -> Option<i64> {
        self.next
    }

    /// Up to where all records are in finished files, or are not to be written.
    pub(crate) fn safe_offset(&self) -> Option<i64> {
        if self.files.records > 0 {
            Some(self.files.first)
        } else {
            self.next
        }
    }

    /// Writes records of this partition; those that are done already are passed over. Bad ones are given to
    /// `refuse`.
    pub(crate) async fn write(
        &mut self,
        store: &Store,
        settings: &SinkSettings,
        records: &[SinkRecord],
        now: i64,
        refuse: &mut (dyn FnMut(&SinkRecord, ConnectError) -> Result<()> + Send),
    ) -> std::result::Result<(), WriteError> {
        for record in records {
            let offset = record.original_kafka_offset;
            if self.next.is_some_and(|next| offset < next) {
                continue;
            }
            self.resume.get_or_insert(offset);
            match self.take(store, settings, record, now).await {
                Ok(()) => {}
                Err(Refused::Record(error)) => {
                    refuse(record, error).map_err(WriteError::Fatal)?;
                }
                Err(Refused::Write(error)) => return Err(error),
            }
            self.next = Some(offset + 1);
            if self.files.records >= settings.rotation.flush_size {
                self.commit(store, settings, now).await?;
            }
        }
        Ok(())
    }

    async fn take(
        &mut self,
        store: &Store,
        settings: &SinkSettings,
        record: &SinkRecord,
        now: i64,
    ) -> std::result::Result<(), Refused> {
        if record.record.topic != record.original_topic {
            return Err(Refused::Write(WriteError::Fatal(ConnectError::connect(
                format!(
                    "a transformation has changed topic {} to {}; names of files say what was read, so the \
                     HDFS sink cannot follow: remove the transformation",
                    record.original_topic, record.record.topic
                ),
            ))));
        }
        if record.record.value.is_null() {
            return match settings.null_values {
                NullValues::Ignore => Ok(()),
                NullValues::Fail => Err(Refused::Record(ConnectError::data(
                    "the value is null; set behavior.on.null.values=ignore to leave out such records",
                ))),
            };
        }
        let time = settings.partitioner.time(record, now)?;
        let is_new = match &self.schema {
            None => true,
            Some(current) => settings.compatibility.needs_new_files(record, current)?,
        };
        if is_new {
            self.commit(store, settings, now).await?;
            self.schema = Some(record.record.value_schema.clone());
        }
        let rotation = &settings.rotation;
        if rotation.is_due(&self.clock, self.files.records, Some(time), now) {
            self.commit(store, settings, now).await?;
        }
        let Some(schema) = &self.schema else {
            return Ok(());
        };
        let schema = schema.clone();
        let value = settings.compatibility.value(record, &schema)?;
        self.folder.clear();
        settings
            .partitioner
            .folder(record, Some(time), &mut self.folder)?;
        if !self.files.by_folder.contains_key(&self.folder) {
            if self.files.by_folder.len() >= settings.max_open_files {
                self.commit(store, settings, now).await?;
            }
            let encoder = settings.format.encoder(schema.as_ref())?;
            let file = self
                .begin(store, settings.format.extension(), encoder)
                .await?;
            self.files.by_folder.insert(self.folder.clone(), file);
        }
        let limit = MEMORY / self.files.by_folder.len().max(1);
        let Some(file) = self.files.by_folder.get_mut(&self.folder) else {
            return Ok(());
        };
        file.add(&value, record.original_kafka_offset)?;
        if self.files.records == 0 {
            self.files.first = record.original_kafka_offset;
        }
        self.files.records += 1;
        Rotation::record(&mut self.clock, time);
        // Looking at each record would cost more than some records do.
        if self.files.records.is_multiple_of(64) && file.held() > limit {
            file.flush()?;
        }
        if file.is_ready() {
            file.send(store).await?;
        }
        Ok(())
    }

    async fn begin(
        &mut self,
        store: &Store,
        extension: &str,
        encoder: Box<dyn sluice_toolkit::files::format::Encoder>,
    ) -> std::result::Result<TemporaryFile, WriteError> {
        let Some(ownership) = &mut self.ownership else {
            return Err(WriteError::Fatal(ConnectError::connect(format!(
                "partition {} was not taken",
                self.partition
            ))));
        };
        let group = match &self.group {
            Some(group) => group.clone(),
            None => self
                .group
                .insert(ownership.begin_group(store).await?)
                .clone(),
        };
        self.begun += 1;
        Ok(TemporaryFile::new(
            group,
            format!("{}{extension}", self.begun),
            encoder,
        ))
    }

    /// Finishes files if it is time to, without another record.
    pub(crate) async fn rotate(
        &mut self,
        store: &Store,
        settings: &SinkSettings,
        now: i64,
    ) -> std::result::Result<(), WriteError> {
        let time = settings.partitioner.is_wallclock().then_some(now);
        if settings
            .rotation
            .is_due(&self.clock, self.files.records, time, now)
        {
            self.commit(store, settings, now).await?;
        }
        Ok(())
    }

    /// Finishes all files: they get their names, all or none.
    async fn commit(
        &mut self,
        store: &Store,
        settings: &SinkSettings,
        now: i64,
    ) -> std::result::Result<(), WriteError> {
        let files = std::mem::take(&mut self.files);
        settings.rotation.start(&mut self.clock, now);
        let (Some(ownership), Some(group)) = (&self.ownership, &self.group) else {
            return Ok(());
        };
        let mut closing = Vec::with_capacity(files.by_folder.len());
        for (folder, mut file) in files.by_folder {
            // One whose only records were bad is left out.
            let Some((start, end)) = file.range else {
                continue;
            };
            file.finish().map_err(WriteError::Fatal)?;
            let folder = format!("{}/{}/{folder}", settings.topics_dir, self.partition.topic);
            if self.folders.insert(folder.clone()) {
                store.make_folder(&folder).await?;
            }
            let width = settings.offset_width;
            let extension = settings.format.extension();
            let name = file_name(&self.partition, start, end, width, extension);
            closing.push(file.close(store, format!("{folder}/{name}")));
        }
        let finished = try_join_all(closing).await?;
        if finished.is_empty() {
            return Ok(());
        }
        ownership.commit(store, group, &finished).await?;
        if finished.len() > 1 {
            self.group = None;
        }
        self.resume = self.next.max(self.resume);
        Ok(())
    }

    /// Deletes files under way.
    pub(crate) async fn give_up(mut self, store: &Store) {
        self.files = Files::default();
        if let Some(ownership) = self.ownership.take() {
            ownership.give_up(store).await;
        }
    }
}
