//! Transactional producers, by their transactional ids.

use kafka_protocol::messages::{InitProducerIdRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::call::Target;
use super::error::check;
use super::{Admin, AdminError};
use crate::wire::discovery::CoordinatorOf;

impl Admin {
    /// Fences whoever produces with a transactional id (KIP-618).
    pub async fn fence_producer(&self, transactional_id: &str) -> Result<(), AdminError> {
        const WHAT: &str = "fence producer";
        let id = StrBytes::from_string(transactional_id.to_owned());
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(id)))
            .with_transaction_timeout_ms(1)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let target = Target::Coordinator(CoordinatorOf::Transactions, transactional_id);
        self.call(WHAT, target, &request, |answer| {
            check(WHAT, transactional_id, answer.error_code)
        })
        .await
    }
}
