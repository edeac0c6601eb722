//! `ListOffsets` and `OffsetForLeaderEpoch`: offsets by time and by place.

use std::sync::Arc;

use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};

use crate::data::Data;
use crate::error_code::{
    NONE, UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION, UNSUPPORTED_VERSION,
};
use crate::log::read;
use crate::log::view::PartitionView;
use crate::state::Shared;
use crate::store::StoreReader;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// The first offset on this machine; there is no other place.
const EARLIEST_LOCAL: i64 = -4;
/// The last offset in tiered storage, which there is not.
const LATEST_TIERED: i64 = -5;

pub(super) async fn handle(
    data: &Data,
    request: ListOffsetsRequest,
    version: i16,
) -> ListOffsetsResponse {
    let committed = request.isolation_level == 1;
    let mut answer = ListOffsetsResponse::default();
    for topic in request.topics {
        let found = data.shared.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            let view = found
                .as_ref()
                .and_then(|topic| topic.partition(asked.partition_index));
            let outcome = match view {
                None => Err(UNKNOWN_TOPIC_OR_PARTITION),
                Some(_) if asked.current_leader_epoch > 0 => Err(UNKNOWN_LEADER_EPOCH),
                Some(view) => offset(&data.reader, view, asked.timestamp, committed, version).await,
            };
            let part =
                ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
            partitions.push(match outcome {
                Ok((timestamp, offset)) => part
                    .with_timestamp(timestamp)
                    .with_offset(offset)
                    // Known since version 4.
                    .with_leader_epoch(if offset >= 0 && version >= 4 { 0 } else { -1 }),
                Err(code) => part
                    .with_error_code(code)
                    .with_timestamp(-1)
                    .with_offset(-1)
                    .with_leader_epoch(-1),
            });
        }
        answer.topics.push(
            ListOffsetsTopicResponse::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    answer
}

/// Time and offset; -1 for none.
async fn offset(
    reader: &StoreReader,
    view: &Arc<PartitionView>,
    timestamp: i64,
    committed: bool,
    version: i16,
) -> Result<(i64, i64), i16> {
    let published = view.read();
    let end = if committed {
        published.stable
    } else {
        published.end
    };
    let wanted = match timestamp {
        LATEST => return Ok((-1, end)),
        EARLIEST => return Ok((-1, published.start)),
        EARLIEST_LOCAL if version >= 8 => return Ok((-1, published.start)),
        LATEST_TIERED if version >= 9 => return Ok((-1, -1)),
        MAX_TIMESTAMP if version >= 7 => match read::newest_time(&published) {
            Some(newest) => newest,
            None => return Ok((-1, -1)),
        },
        timestamp if timestamp < 0 => return Err(UNSUPPORTED_VERSION),
        timestamp => timestamp,
    };
    let id = view.id;
    reader
        .read(move |store| read::by_time(store, id, &published, wanted, end))
        .await
        .map(|found| found.unwrap_or((-1, -1)))
        .map_err(|error| super::storage_error(&error))
}

/// There is one epoch, 0, which ends where the log ends.
pub(super) fn for_leader_epoch(
    shared: &Shared,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut answer = OffsetForLeaderEpochResponse::default();
    for topic in request.topics {
        let found = shared.topic(&topic.topic);
        let partitions = topic
            .partitions
            .into_iter()
            .map(|asked| {
                let view = found
                    .as_ref()
                    .and_then(|topic| topic.partition(asked.partition));
                let part = EpochEndOffset::default()
                    .with_partition(asked.partition)
                    .with_leader_epoch(-1)
                    .with_end_offset(-1);
                match view {
                    None => part.with_error_code(UNKNOWN_TOPIC_OR_PARTITION),
                    Some(_) if asked.current_leader_epoch > 0 => {
                        part.with_error_code(UNKNOWN_LEADER_EPOCH)
                    }
                    Some(view) if asked.leader_epoch == 0 => part
                        .with_error_code(NONE)
                        .with_leader_epoch(0)
                        .with_end_offset(view.read().end),
                    Some(_) => part,
                }
            })
            .collect();
        answer.topics.push(
            OffsetForLeaderTopicResult::default()
                .with_topic(topic.topic)
                .with_partitions(partitions),
        );
    }
    answer
}
