//! Who may use topics.

use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::{CreateAclsRequest, DescribeAclsRequest};
use kafka_protocol::protocol::StrBytes;

use super::call::Target;
use super::error::{check, outcome};
use super::{Admin, AdminError, Refusal};

/// `ResourceType.TOPIC`, as ACLs number it.
const TOPIC: i8 = 2;
/// `ANY` of pattern types, operations and permission types.
const ANY: i8 = 1;

/// What a user may or may not do with a topic (`AclBinding`), in Kafka's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicAcl {
    /// Topic, or its beginning, as `pattern_type` says.
    pub topic: String,
    /// 3 is literal, 4 is prefixed.
    pub pattern_type: i8,
    /// Who it is about, as `User:alice`.
    pub principal: String,
    /// From which address, or `*` for any.
    pub host: String,
    /// 2 is ALL, 3 READ, 4 WRITE.
    pub operation: i8,
    /// 2 is DENY, 3 ALLOW.
    pub permission_type: i8,
}

impl Admin {
    /// What is said about the use of topics; `None` if the cluster has no authorizer.
    pub async fn topic_acls(&self) -> Result<Option<Vec<TopicAcl>>, AdminError> {
        const WHAT: &str = "describe ACLs";
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(TOPIC)
            .with_resource_name_filter(None)
            .with_pattern_type_filter(ANY)
            .with_principal_filter(None)
            .with_host_filter(None)
            .with_operation(ANY)
            .with_permission_type(ANY);
        self.call(WHAT, Target::Any, &request, |answer| {
            if answer.error_code.err() == Some(ResponseError::SecurityDisabled) {
                return Ok(None);
            }
            check(WHAT, "topics", answer.error_code)?;
            let mut acls = Vec::new();
            for resource in answer.resources {
                if resource.resource_type != TOPIC {
                    continue;
                }
                acls.extend(resource.acls.into_iter().map(|acl| TopicAcl {
                    topic: resource.resource_name.to_string(),
                    pattern_type: resource.pattern_type,
                    principal: acl.principal.to_string(),
                    host: acl.host.to_string(),
                    operation: acl.operation,
                    permission_type: acl.permission_type,
                }));
            }
            Ok(Some(acls))
        })
        .await
    }

    /// Lets a cluster say this about topics, beside what it says already. Answers in the sequence given.
    pub async fn create_acls(
        &self,
        acls: &[TopicAcl],
    ) -> Result<Vec<Result<(), Refusal>>, AdminError> {
        const WHAT: &str = "create ACLs";
        if acls.is_empty() {
            return Ok(Vec::new());
        }
        let request = CreateAclsRequest::default().with_creations(acls.iter().map(new).collect());
        self.call(WHAT, Target::Controller, &request, |answer| {
            let results = answer.results.into_iter();
            results
                .map(|result| outcome(WHAT, "topics", result.error_code, result.error_message))
                .collect()
        })
        .await
    }
}

fn new(acl: &TopicAcl) -> AclCreation {
    let text = |text: &String| StrBytes::from_string(text.clone());
    AclCreation::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(&acl.topic))
        .with_resource_pattern_type(acl.pattern_type)
        .with_principal(text(&acl.principal))
        .with_host(text(&acl.host))
        .with_operation(acl.operation)
        .with_permission_type(acl.permission_type)
}
