//! Event notification rules (reference sections 2.30 and 2.31).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::id::BucketId;
use crate::model::notification::EventNotificationRule;
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::wire::notification::{
    GetNotificationRulesRequest, NotificationRulesResponse, RuleForm, SetNotificationRulesRequest,
};

impl Raw<'_> {
    pub(crate) fn get_notification_rules(
        &self,
        bucket_id: &BucketId,
    ) -> Result<NotificationRulesResponse> {
        self.call(
            Operation::GetBucketNotificationRules,
            Subject::Bucket(bucket_id.as_str()),
            &GetNotificationRulesRequest { bucket_id },
        )
    }

    pub(crate) fn set_notification_rules(
        &self,
        bucket_id: &BucketId,
        rules: &[EventNotificationRule],
    ) -> Result<NotificationRulesResponse> {
        let request = SetNotificationRulesRequest {
            bucket_id,
            event_notification_rules: rules.iter().map(RuleForm::from).collect(),
        };
        self.call(
            Operation::SetBucketNotificationRules,
            Subject::Bucket(bucket_id.as_str()),
            &request,
        )
    }
}
