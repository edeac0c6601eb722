//! A bare client: one connection, requests in a version of the test's choice.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse,
    RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{
    Decodable, HeaderVersion, Request, StrBytes, encode_request_header_into_buffer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a broker.
pub(crate) struct Client {
    stream: TcpStream,
    next: i32,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, next: 0 })
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    pub(crate) async fn send<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> std::io::Result<()> {
        self.next += 1;
        let bytes = frame(request, version, self.next);
        self.send_raw(&bytes).await
    }

    /// The next answer as bytes, without its length.
    pub(crate) async fn receive_raw(&mut self) -> std::io::Result<Bytes> {
        let length = self.stream.read_i32().await?;
        let mut body = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
        self.stream.read_exact(&mut body).await?;
        Ok(Bytes::from(body))
    }

    pub(crate) async fn receive<R: Request>(
        &mut self,
        version: i16,
    ) -> std::io::Result<R::Response> {
        let mut body = self.receive_raw().await?;
        ResponseHeader::decode(&mut body, R::Response::header_version(version))
            .and_then(|header| {
                assert_eq!(header.correlation_id, self.next);
                R::Response::decode(&mut body, version)
            })
            .inspect(|_| assert!(!body.has_remaining(), "bytes after the answer"))
            .map_err(std::io::Error::other)
    }

    pub(crate) async fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> std::io::Result<R::Response> {
        self.send(request, version).await?;
        self.receive::<R>(version).await
    }

    pub(crate) async fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
    ) -> std::io::Result<i16> {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(10_000);
        let answer = self.call(&request, 7).await?;
        Ok(answer.topics[0].error_code)
    }

    /// Appends a batch to partition 0; error code and base offset.
    pub(crate) async fn produce(
        &mut self,
        topic: &str,
        batch: Bytes,
    ) -> std::io::Result<(i16, i64)> {
        let answer: ProduceResponse = self.call(&produce_request(topic, batch), 9).await?;
        let part = &answer.responses[0].partition_responses[0];
        Ok((part.error_code, part.base_offset))
    }

    /// Everything of partition 0 from `offset` on that one fetch gives: the answer for the partition's
    /// batches.
    pub(crate) async fn fetch(
        &mut self,
        topic: &str,
        offset: i64,
        wait: i32,
    ) -> std::io::Result<FetchResponse> {
        self.call(&fetch_request(topic, offset, wait, 0), 12).await
    }

    /// All values of partition 0 with their offsets.
    pub(crate) async fn read_all(&mut self, topic: &str) -> std::io::Result<Vec<(i64, Bytes)>> {
        let mut found = Vec::new();
        let mut offset = 0;
        loop {
            let answer = self.fetch(topic, offset, 0).await?;
            let part = &answer.responses[0].partitions[0];
            assert_eq!(part.error_code, 0);
            let records = part.records.clone().unwrap_or_default();
            if records.is_empty() {
                return Ok(found);
            }
            for (at, value) in values(&records) {
                if at >= offset {
                    found.push((at, value));
                }
            }
            offset = found.last().map_or(offset, |(at, _)| at + 1);
        }
    }
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

pub(crate) fn frame<R: Request>(request: &R, version: i16, correlation_id: i32) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let mut body = BytesMut::new();
    body.put_i32(0);
    encode_request_header_into_buffer(&mut body, &header).unwrap();
    request.encode(&mut body, version).unwrap();
    let length = i32::try_from(body.len() - 4).unwrap();
    body[..4].copy_from_slice(&length.to_be_bytes());
    body.freeze()
}

pub(crate) fn produce_request(topic: &str, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(batch));
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![
            TopicProduceData::default()
                .with_name(topic_name(topic))
                .with_partition_data(vec![data]),
        ])
}

pub(crate) fn fetch_request(topic: &str, offset: i64, wait: i32, isolation: i8) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    FetchRequest::default()
        .with_max_wait_ms(wait)
        .with_min_bytes(1)
        .with_max_bytes(4 << 20)
        .with_isolation_level(isolation)
        .with_topics(vec![
            FetchTopic::default()
                .with_topic(topic_name(topic))
                .with_partitions(vec![partition]),
        ])
}

/// Milliseconds since 1970: older records would be subject to retention.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Who writes a batch.
#[derive(Clone, Copy)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
    pub(crate) transactional: bool,
}

/// Nobody in particular.
pub(crate) const ANYBODY: Producer = Producer {
    id: -1,
    epoch: -1,
    sequence: -1,
    transactional: false,
};

/// A batch of records, written by hand: key (or none) and value each.
pub(crate) fn batch(
    producer: Producer,
    timestamp: i64,
    records: &[(Option<&str>, Option<&str>)],
) -> Bytes {
    let mut body = Vec::new();
    for (delta, (key, value)) in records.iter().enumerate() {
        let mut record = vec![0];
        varint(&mut record, 0);
        varint(&mut record, i64::try_from(delta).unwrap());
        for field in [key, value] {
            match field {
                None => varint(&mut record, -1),
                Some(text) => {
                    varint(&mut record, i64::try_from(text.len()).unwrap());
                    record.extend_from_slice(text.as_bytes());
                }
            }
        }
        varint(&mut record, 0);
        varint(&mut body, i64::try_from(record.len()).unwrap());
        body.extend_from_slice(&record);
    }
    let count = i32::try_from(records.len()).unwrap();
    let mut batch = BytesMut::new();
    batch.put_i64(0);
    batch.put_i32(i32::try_from(body.len() + 49).unwrap());
    batch.put_i32(-1);
    batch.put_i8(2);
    batch.put_u32(0);
    batch.put_i16(if producer.transactional { 0x10 } else { 0 });
    batch.put_i32(count - 1);
    batch.put_i64(timestamp);
    batch.put_i64(timestamp);
    batch.put_i64(producer.id);
    batch.put_i16(producer.epoch);
    batch.put_i32(producer.sequence);
    batch.put_i32(count);
    batch.extend_from_slice(&body);
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.freeze()
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut raw = (value << 1 ^ value >> 63).cast_unsigned();
    while raw >= 0x80 {
        out.push((raw & 0x7f) as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// Offsets and values of all data records in some batches.
pub(crate) fn values(records: &Bytes) -> Vec<(i64, Bytes)> {
    let mut rest = records.clone();
    kafka_protocol::records::RecordBatchDecoder::decode_all(&mut rest)
        .unwrap()
        .into_iter()
        .flat_map(|set| set.records)
        .filter(|record| !record.control)
        .map(|record| (record.offset, record.value.unwrap_or_default()))
        .collect()
}
