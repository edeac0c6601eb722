//! Transactions: who may write, which partitions and groups take part, how it ends.
//!
//! The rules are those of Kafka's `TransactionCoordinator`. There is one node and one writer, so the end of a
//! transaction is one atomic commit: markers in all partitions, the offsets, the new state.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{OffsetEntry, State};
use crate::codec::{Reader, Writer};
use crate::store::Commit;
use crate::store::keys::{self, PartitionId, tag};

/// Where a transactional producer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TxnStatus {
    /// No transaction since the producer came.
    Empty,
    /// One is open, until the producer or its timeout ends it.
    Ongoing,
    /// The last one was committed.
    CompleteCommit,
    /// The last one was aborted.
    CompleteAbort,
}

impl TxnStatus {
    /// The name in answers (`TransactionState`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }
}

/// What is known under a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) timeout_ms: i32,
    pub(crate) status: TxnStatus,
    /// When the open transaction began, in milliseconds since 1970.
    pub(crate) started: i64,
    pub(crate) updated: i64,
    pub(crate) partitions: BTreeSet<PartitionId>,
    pub(crate) groups: BTreeSet<String>,
    /// Offsets to be committed with it: group, topic, partition.
    pub(crate) offsets: BTreeMap<(String, String, i32), OffsetEntry>,
}

/// Why a producer gets no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitError {
    /// A newer instance has taken over: `PRODUCER_FENCED`.
    Fenced,
    /// The producer id is not that of the transactional id: `INVALID_PRODUCER_ID_MAPPING`.
    Mapping,
    /// The disk is nearly full: `KAFKA_STORAGE_ERROR`.
    Full,
}

/// Why a call inside a transaction is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TxnError {
    /// The producer id is not that of the transactional id: `INVALID_PRODUCER_ID_MAPPING`.
    Mapping,
    /// A newer instance has taken over: `PRODUCER_FENCED`.
    Fenced,
    /// The transaction is not open, or does not have the partition: `INVALID_TXN_STATE`.
    State,
    /// The disk is nearly full: `KAFKA_STORAGE_ERROR`.
    Full,
}

impl Transaction {
    fn check(&self, producer_id: i64, epoch: i16) -> Result<(), TxnError> {
        if self.producer_id != producer_id {
            Err(TxnError::Mapping)
        } else if self.epoch != epoch {
            Err(TxnError::Fenced)
        } else {
            Ok(())
        }
    }

    fn encode(&self) -> Vec<u8> {
        let status = match self.status {
            TxnStatus::Empty => 0,
            TxnStatus::Ongoing => 1,
            TxnStatus::CompleteCommit => 2,
            TxnStatus::CompleteAbort => 3,
        };
        Writer::new(0)
            .i64(self.producer_id)
            .i16(self.epoch)
            .i32(self.timeout_ms)
            .i16(status)
            .i64(self.started)
            .i64(self.updated)
            .list(self.partitions.iter(), |writer, id| writer.u64(*id))
            .list(self.groups.iter(), |writer, group| writer.text(group))
            .list(
                self.offsets.iter(),
                |writer, ((group, topic, partition), entry)| {
                    writer
                        .text(group)
                        .text(topic)
                        .i32(*partition)
                        .bytes(&entry.encode())
                },
            )
            .finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, 0)?;
        Some(Self {
            producer_id: reader.i64()?,
            epoch: reader.i16()?,
            timeout_ms: reader.i32()?,
            status: match reader.i16()? {
                0 => TxnStatus::Empty,
                1 => TxnStatus::Ongoing,
                2 => TxnStatus::CompleteCommit,
                3 => TxnStatus::CompleteAbort,
                _ => return None,
            },
            started: reader.i64()?,
            updated: reader.i64()?,
            partitions: reader.list(Reader::u64)?.into_iter().collect(),
            groups: reader.list(Reader::text)?.into_iter().collect(),
            offsets: reader
                .list(|reader| {
                    let key = (reader.text()?, reader.text()?, reader.i32()?);
                    Some((key, OffsetEntry::decode(reader.bytes()?)?))
                })?
                .into_iter()
                .collect(),
        })
    }
}

impl State {
    /// Gives a producer its id and epoch; a new instance under the same transactional id fences the old one,
    /// and an open transaction of the old one is aborted. `current` is the id and epoch that the producer has
    /// already.
    pub(crate) fn init_producer(
        &mut self,
        commit: &mut Commit,
        transactional_id: &str,
        timeout_ms: i32,
        current: Option<(i64, i16)>,
    ) -> Result<(i64, i16), InitError> {
        commit.check_space().map_err(|_| InitError::Full)?;
        let now = commit.now;
        let Some(mut transaction) = self.transactions.get(transactional_id).cloned() else {
            // The transactional id has expired since the producer got what it names.
            if current.is_some() {
                return Err(InitError::Mapping);
            }
            let producer_id = self.new_producer_id(commit);
            let transaction = Transaction {
                producer_id,
                epoch: 0,
                timeout_ms,
                status: TxnStatus::Empty,
                started: -1,
                updated: now,
                partitions: BTreeSet::new(),
                groups: BTreeSet::new(),
                offsets: BTreeMap::new(),
            };
            self.put_transaction(commit, transactional_id, transaction);
            return Ok((producer_id, 0));
        };
        // A producer that recovers names what it has (KIP-360). If a newer instance has come meanwhile, the
        // older one must not fence it in turn.
        if let Some((producer_id, epoch)) = current
            && transaction.check(producer_id, epoch).is_err()
        {
            return Err(InitError::Fenced);
        }
        // The epoch is raised in each case, so that what an older instance still has under way is refused.
        if transaction.status == TxnStatus::Ongoing {
            transaction = self.fence(commit, transactional_id, transaction);
        } else if transaction.epoch >= i16::MAX - 1 {
            // The last epoch is kept for fencing; after it the producer needs another id.
            self.transactional.remove(&transaction.producer_id);
            transaction.producer_id = self.new_producer_id(commit);
            transaction.epoch = 0;
        } else {
            transaction.epoch += 1;
        }
        transaction.status = TxnStatus::Empty;
        transaction.timeout_ms = timeout_ms;
        transaction.updated = now;
        let answer = (transaction.producer_id, transaction.epoch);
        self.put_transaction(commit, transactional_id, transaction);
        Ok(answer)
    }

    /// Aborts an open transaction in the name of the next epoch, which fences its producer.
    fn fence(
        &mut self,
        commit: &mut Commit,
        transactional_id: &str,
        mut transaction: Transaction,
    ) -> Transaction {
        // The markers carry the raised epoch: they make each partition refuse the old one, which so cannot
        // write after the end of its transaction.
        let exhausted = transaction.epoch >= i16::MAX - 1;
        transaction.epoch = transaction.epoch.saturating_add(1);
        self.finish(commit, &mut transaction, false);
        if exhausted {
            self.transactional.remove(&transaction.producer_id);
            transaction.producer_id = self.new_producer_id(commit);
            transaction.epoch = 0;
        }
        self.put_transaction(commit, transactional_id, transaction.clone());
        transaction
    }

    /// Takes partitions into the transaction, which begins with the first one.
    pub(crate) fn add_partitions_to_txn(
        &mut self,
        commit: &mut Commit,
        transactional_id: &str,
        producer: (i64, i16),
        partitions: &[PartitionId],
    ) -> Result<(), TxnError> {
        let mut transaction = self.open_transaction(commit, transactional_id, producer)?;
        transaction.partitions.extend(partitions);
        self.put_transaction(commit, transactional_id, transaction);
        Ok(())
    }

    /// Takes a group's offsets into the transaction.
    pub(crate) fn add_group_to_txn(
        &mut self,
        commit: &mut Commit,
        transactional_id: &str,
        producer: (i64, i16),
        group: &str,
    ) -> Result<(), TxnError> {
        let mut transaction = self.open_transaction(commit, transactional_id, producer)?;
        transaction.groups.insert(group.to_owned());
        self.put_transaction(commit, transactional_id, transaction);
        Ok(())
    }

    fn open_transaction(
        &mut self,
        commit: &mut Commit,
        transactional_id: &str,
        (producer_id, epoch): (i64, i16),
    ) -> Result<Transaction, TxnError> {
        let found = self.transactions.get(transactional_id);
        let mut transaction = found.cloned().ok_or(TxnError::Mapping)?;
        transaction.check(producer_id, epoch)?;
        commit.check_space().map_err(|_| TxnError::Full)?;
        // The time-out counts from the first partition or group, not from when the producer came.
        if transaction.status != TxnStatus::Ongoing {
            transaction.status = TxnStatus::Ongoing;
            transaction.started = commit.now;
        }
        transaction.updated = commit.now;
        Ok(transaction)
    }

    /// Keeps offsets back until the transaction ends.
    pub(crate) fn add_offsets(
        &mut self,
        commit: &mut Commit,
        transactional_id: &str,
        (producer_id, epoch): (i64, i16),
        group: &str,
        offsets: Vec<(String, i32, OffsetEntry)>,
    ) -> Result<(), TxnError> {
        let found = self.transactions.get(transactional_id);
        let mut transaction = found.cloned().ok_or(TxnError::Mapping)?;
        transaction.check(producer_id, epoch)?;
        // A group has to be announced first, as in Kafka, whose coordinator writes the end of a transaction
        // to the groups that it knows of.
        if transaction.status != TxnStatus::Ongoing || !transaction.groups.contains(group) {
            return Err(TxnError::State);
        }
        commit.check_space().map_err(|_| TxnError::Full)?;
        for (topic, partition, entry) in offsets {
            transaction
                .offsets
                .insert((group.to_owned(), topic, partition), entry);
        }
        self.put_transaction(commit, transactional_id, transaction);
        Ok(())
    }

    /// Whether a producer may write to a partition in a transaction.
    ///
    /// # Errors
    /// `Fenced` for an old epoch, `State` if the partition was not taken in.
    pub(crate) fn check_transactional_write(
        &self,
        (producer_id, epoch): (i64, i16),
        partition: PartitionId,
    ) -> Result<(), TxnError> {
        let transaction = self
            .transactional
            .get(&producer_id)
            .and_then(|id| self.transactions.get(id))
            .ok_or(TxnError::State)?;
        // Asked by the writer, after all jobs before it: an end or a fencing in the same commit counts.
        if epoch < transaction.epoch {
            return Err(TxnError::Fenced);
        }
        let open = transaction.status == TxnStatus::Ongoing
            && transaction.epoch == epoch
            && transaction.partitions.contains(&partition);
        if open { Ok(()) } else { Err(TxnError::State) }
    }

    /// Ends a transaction; asked again, a producer gets the same answer.
    pub(crate) fn end_txn(
        &mut self,
        commit: &mut Commit,
        transactional_id: &str,
        (producer_id, epoch): (i64, i16),
        committed: bool,
    ) -> Result<(), TxnError> {
        let found = self.transactions.get(transactional_id);
        let mut transaction = found.cloned().ok_or(TxnError::Mapping)?;
        transaction.check(producer_id, epoch)?;
        match (transaction.status, committed) {
            (TxnStatus::Ongoing, _) => (),
            // The first answer was lost, and the client asks again. The other end is an error: what has been
            // decided cannot be taken back.
            (TxnStatus::CompleteCommit, true) | (TxnStatus::CompleteAbort, false) => return Ok(()),
            _ => return Err(TxnError::State),
        }
        self.finish(commit, &mut transaction, committed);
        self.put_transaction(commit, transactional_id, transaction);
        Ok(())
    }

    /// Writes the markers and the offsets of an open transaction.
    fn finish(&mut self, commit: &mut Commit, transaction: &mut Transaction, committed: bool) {
        for id in std::mem::take(&mut transaction.partitions) {
            // The topic may have been deleted.
            if let Some(log) = self.partitions.get_mut(&id) {
                let marker = log.end_transaction(
                    transaction.producer_id,
                    transaction.epoch,
                    committed,
                    commit.now,
                );
                commit.put_batch(id, marker.last_offset, marker.bytes);
            }
        }
        // In the same commit as the markers, so that a crash leaves both or neither.
        let offsets = std::mem::take(&mut transaction.offsets);
        if committed {
            for ((group, topic, partition), entry) in offsets {
                commit.put(keys::offset(&group, &topic, partition), entry.encode());
            }
        }
        transaction.groups.clear();
        transaction.started = -1;
        transaction.updated = commit.now;
        transaction.status = if committed {
            TxnStatus::CompleteCommit
        } else {
            TxnStatus::CompleteAbort
        };
    }

    /// Aborts transactions that are open for too long, and forgets producers that were not seen since
    /// `oldest`.
    pub(crate) fn expire_transactions(&mut self, commit: &mut Commit, oldest: i64) {
        let now = commit.now;
        let (mut late, mut gone) = (Vec::new(), Vec::new());
        for (id, transaction) in &self.transactions {
            let deadline = transaction.started + i64::from(transaction.timeout_ms);
            if transaction.status == TxnStatus::Ongoing {
                if deadline < now {
                    late.push((id.clone(), transaction.clone()));
                }
            } else if transaction.updated < oldest {
                gone.push((id.clone(), transaction.producer_id));
            }
        }
        for (id, transaction) in late {
            tracing::info!(
                transactional_id = id,
                "transaction is open for too long and was aborted"
            );
            self.fence(commit, &id, transaction);
        }
        for (id, producer_id) in gone {
            self.transactions.remove(&id);
            self.transactional.remove(&producer_id);
            commit.remove(keys::named(tag::TRANSACTION, &id));
        }
    }

    fn put_transaction(&mut self, commit: &mut Commit, id: &str, transaction: Transaction) {
        commit.put(keys::named(tag::TRANSACTION, id), transaction.encode());
        self.transactional
            .insert(transaction.producer_id, id.to_owned());
        self.transactions.insert(id.to_owned(), transaction);
        self.transactions_changed = true;
    }

    /// Tells readers which offsets are held back.
    pub(super) fn publish_unstable(&mut self) {
        let mut unstable: HashMap<String, BTreeSet<(String, i32)>> = HashMap::new();
        for transaction in self.transactions.values() {
            for (group, topic, partition) in transaction.offsets.keys() {
                unstable
                    .entry(group.clone())
                    .or_default()
                    .insert((topic.clone(), *partition));
            }
        }
        *self.shared.unstable.lock() = unstable;
    }
}
