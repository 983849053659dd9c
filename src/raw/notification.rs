//! Event notification rules (docs/protocol.md, sections 2.30 and 2.31).

use crate::error::Result;
use crate::error::service::Subject;
use crate::model::id::BucketId;
use crate::model::notification::EventNotificationRule;
use crate::model::operation::Operation;
use crate::raw::Raw;
use crate::wire::notification::{
    GetNotificationRulesRequest, KeptRule, NotificationRulesResponse, SetNotificationRulesRequest,
};

impl Raw<'_> {
    /// [`b2_get_bucket_notification_rules`](crate::guide::protocol#230-b2_get_bucket_notification_rules)
    /// returns the event notification rules of a bucket. Needs `readBucketNotifications`; billed in
    /// class C.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); otherwise [those of every call](Raw#errors).
    pub fn get_bucket_notification_rules(
        &self,
        bucket_id: &BucketId,
    ) -> Result<NotificationRulesResponse> {
        self.call(
            Operation::GetBucketNotificationRules,
            Subject::Bucket(bucket_id.as_str()),
            &GetNotificationRulesRequest { bucket_id },
        )
    }

    /// [`b2_set_bucket_notification_rules`](crate::guide::protocol#231-b2_set_bucket_notification_rules)
    /// replaces all event notification rules of a bucket. Needs `writeBucketNotifications`; billed
    /// in class C.
    ///
    /// # Errors
    /// [`Error::BucketNotFound`](crate::Error::BucketNotFound); [`Error::Service`](crate::Error::Service)
    /// with a code such as `event_type_overlap`; otherwise [those of every call](Raw#errors).
    pub fn set_bucket_notification_rules(
        &self,
        bucket_id: &BucketId,
        rules: &[EventNotificationRule],
    ) -> Result<NotificationRulesResponse> {
        let request = SetNotificationRulesRequest {
            bucket_id,
            event_notification_rules: rules.iter().map(KeptRule::from).collect(),
        };
        self.call(
            Operation::SetBucketNotificationRules,
            Subject::Bucket(bucket_id.as_str()),
            &request,
        )
    }
}
