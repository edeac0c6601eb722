//! Requests between workers of a sessioned group (KIP-507): how they are signed, and how they are
//! sent to the leader.

mod leader_client;
mod signature;

pub(crate) use leader_client::{LeaderClient, LeaderError};
pub(crate) use signature::HMAC_SHA256;
pub(crate) use signature::{RequestSignature, SignatureError};
