use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseKind};
use proptest::prelude::*;

use super::layout::{Kind, Layout, Message};
use super::layouts::{ANSWERS, REQUESTS};

/// Writes messages by their layouts: what is in them is chosen by `choices`, one number after the other.
struct Writer<'a> {
    out: Vec<u8>,
    choices: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    version: i16,
    flexible: bool,
}

impl<'a> Writer<'a> {
    fn message(message: &'static Message, version: i16, choices: &'a [u8]) -> Vec<u8> {
        let mut writer = Self {
            out: Vec::new(),
            choices: choices.iter().cycle(),
            version,
            flexible: version >= message.flexible,
        };
        writer.layout(&message.body);
        writer.out
    }

    fn choice(&mut self, below: u8) -> u8 {
        self.choices.next().map_or(0, |number| number % below)
    }

    fn layout(&mut self, layout: &'static Layout) {
        let version = self.version;
        for field in layout.fields {
            if (field.first..=field.last).contains(&version) {
                self.kind(&field.kind);
            }
        }
        if !self.flexible {
            return;
        }
        let mut tagged = Vec::new();
        for (tag, field) in layout.tagged {
            if (field.first..=field.last).contains(&version) && self.choice(2) == 1 {
                let before = std::mem::take(&mut self.out);
                self.kind(&field.kind);
                tagged.push((*tag, std::mem::replace(&mut self.out, before)));
            }
        }
        if self.choice(3) == 2 {
            tagged.push((9_000, vec![1, 2, 3]));
        }
        self.varint(tagged.len());
        for (tag, bytes) in tagged {
            self.varint(tag as usize);
            self.varint(bytes.len());
            self.out.extend(bytes);
        }
    }

    fn kind(&mut self, kind: &'static Kind) {
        match kind {
            // Zeros are valid everywhere, also as truth values.
            Kind::Fixed(size) => self.out.extend(std::iter::repeat_n(0, *size)),
            Kind::Text => {
                let text = ["", "a", "orders-sink"][usize::from(self.choice(3))];
                self.length(2, text.len());
                self.out.extend(text.as_bytes());
            }
            Kind::Bytes => {
                let count = usize::from(self.choice(5));
                self.length(4, count);
                self.out.extend(std::iter::repeat_n(7, count));
            }
            Kind::Array(element) => {
                let count = usize::from(self.choice(4));
                self.length(4, count);
                for _ in 0..count {
                    self.kind(element);
                }
            }
            Kind::Struct(layout) => self.layout(layout),
            Kind::Optional(first, last, layout) => {
                if (*first..=*last).contains(&self.version) {
                    let there = self.choice(2) == 1;
                    self.out.push(if there { 1 } else { 0xff });
                    if !there {
                        return;
                    }
                }
                self.layout(layout);
            }
        }
    }

    fn length(&mut self, width: usize, length: usize) {
        match (self.flexible, width) {
            (true, _) => self.varint(length + 1),
            (false, 2) => self
                .out
                .extend(u16::try_from(length).unwrap().to_be_bytes()),
            (false, _) => self
                .out
                .extend(u32::try_from(length).unwrap().to_be_bytes()),
        }
    }

    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.out.push((value % 0x80) as u8 | 0x80);
            value /= 0x80;
        }
        self.out.push(value as u8);
    }
}

fn message(messages: &'static [Message], api: ApiKey) -> &'static Message {
    messages
        .iter()
        .find(|message| message.api == api as i16)
        .unwrap_or_else(|| panic!("{api:?} has no layout"))
}

/// What the decoder leaves of `body`.
fn decode_request(api: ApiKey, version: i16, body: &[u8]) -> Result<usize, String> {
    let mut bytes = Bytes::copy_from_slice(body);
    RequestKind::decode(api, &mut bytes, version).map_err(|error| format!("{error:#}"))?;
    Ok(bytes.len())
}

fn decode_answer(api: ApiKey, version: i16, body: &[u8]) -> Result<usize, String> {
    let mut bytes = Bytes::copy_from_slice(body);
    ResponseKind::decode(api, &mut bytes, version).map_err(|error| format!("{error:#}"))?;
    Ok(bytes.len())
}

/// The decoder's APIs with each version that it has. Its own list has some that its decoders do not know.
fn all() -> impl Iterator<Item = (ApiKey, i16)> {
    let known = |outcome: Result<usize, String>| {
        outcome
            .err()
            .is_none_or(|error| !error.contains("version not supported"))
    };
    ApiKey::iter()
        .flat_map(|api| {
            let versions = api.valid_versions();
            (versions.min..=versions.max).map(move |version| (api, version))
        })
        .filter(move |(api, version)| {
            known(decode_request(*api, *version, &[])) && known(decode_answer(*api, *version, &[]))
        })
}

#[test]
fn hundreds_of_versions_of_messages_are_compared() {
    assert!(all().count() > 250, "{}", all().count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Layouts and decoder have the same idea of every message in every version: what is written by a layout
    /// is read by both to its last byte.
    #[test]
    fn every_message_is_read_by_walk_and_decoder_alike(choices in proptest::collection::vec(any::<u8>(), 1..60)) {
        for (api, version) in all() {
            let body = Writer::message(message(REQUESTS, api), version, &choices);
            prop_assert_eq!(decode_request(api, version, &body), Ok(0), "request {:?} {}", api, version);
            prop_assert!(super::request(api as i16, version, &body).is_ok(), "request {:?} {}", api, version);
            let body = Writer::message(message(ANSWERS, api), version, &choices);
            prop_assert_eq!(decode_answer(api, version, &body), Ok(0), "answer {:?} {}", api, version);
            prop_assert!(super::answer(api as i16, version, &body).is_ok(), "answer {:?} {}", api, version);
        }
    }

    /// A length anywhere in a message that claims what is not there is found by the walk. The decoder is only
    /// asked where the walk agrees, and then panics for nothing.
    #[test]
    fn a_damaged_message_is_refused_or_decoded(
        choices in proptest::collection::vec(any::<u8>(), 1..60),
        place in any::<prop::sample::Index>(),
        damage in proptest::collection::vec(prop_oneof![Just(0xff_u8), Just(0x7f), Just(0x80), any::<u8>()], 1..6),
    ) {
        for (api, version) in all() {
            for (messages, is_request) in [(REQUESTS, true), (ANSWERS, false)] {
                let mut body = Writer::message(message(messages, api), version, &choices);
                if body.is_empty() {
                    continue;
                }
                let at = place.index(body.len());
                for (byte, damaged) in body.iter_mut().skip(at).zip(&damage) {
                    *byte = *damaged;
                }
                if is_request {
                    if super::request(api as i16, version, &body).is_ok() {
                        let _ = decode_request(api, version, &body);
                    }
                } else if super::answer(api as i16, version, &body).is_ok() {
                    let _ = decode_answer(api, version, &body);
                }
            }
        }
    }
}

#[test]
fn an_answer_of_eleven_bytes_that_claims_two_billion_elements_is_refused_by_the_name_of_its_field()
{
    // Error 0, a compact array of 2^31 - 2 elements, and the time to wait.
    let body = [0, 0, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0];
    assert_eq!(
        super::answer(18, 3, &body).map_err(|fault| fault.to_string()),
        Err("api_keys: claims 2147483646 elements, 4 bytes are left".to_owned())
    );
}

#[test]
fn what_a_tag_says_of_its_size_does_not_hide_an_array_behind_it() {
    // Fetch has its node endpoints in tag 0 from version 16 on; the size says two bytes, the array inside
    // claims millions.
    let mut body = vec![0; 10];
    body.extend([1, 1, 0, 4, 0xff, 0xff, 0xff, 0x07]);
    let fault = super::answer(1, 16, &body).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "node_endpoints: claims 16777214 elements, 0 bytes are left"
    );
}

#[test]
fn a_fault_deep_inside_says_where() {
    // Metadata 1: no brokers, controller 0, one topic with one partition that has a list of replicas of -7
    // elements.
    let mut body = BytesMut::new();
    body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, b't', 0]);
    body.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    body.extend_from_slice(&(-7_i32).to_be_bytes());
    let fault = super::answer(3, 1, &body).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "topics[0].partitions[0].replica_nodes: has the length -7"
    );
}

#[test]
fn memory_is_what_elements_become_and_not_their_bytes() {
    use kafka_protocol::messages::metadata_request::MetadataRequestTopic;

    let mut body = 1_000_i32.to_be_bytes().to_vec();
    body.extend(std::iter::repeat_n([0, 0], 1_000).flatten());
    let memory = super::request(3, 1, &body).unwrap();
    let real = 1_000 * size_of::<MetadataRequestTopic>();
    assert!(
        (real * 3 / 4..real * 3 / 2).contains(&memory),
        "{memory} for {real}"
    );
}
