//! Event notification rules of a bucket. What their webhooks receive is verified and read in
//! [`notifications`](crate::notifications).

use crate::bucket::Bucket;
use crate::error::{Error, Result};
use crate::model::notification::{EventNotificationRule, check_notification_rules};
use crate::model::operation::Operation;

/// # Event notifications
///
/// Backblaze enables event notifications per account. The requests are billed in class C.
impl Bucket {
    /// Returns the bucket's event notification rules, in the order of their names. They hold their signing
    /// secrets in clear; `Debug` does not show them. A rule that the service has suspended because its target
    /// failed says so in [`is_suspended`](EventNotificationRule::is_suspended).
    ///
    /// # Errors
    /// [`Error::BucketNotFound`]; [`Error::NotAllowed`] if the key lacks `readBucketNotifications`; the [errors
    /// of any call](crate::Error#errors-of-any-call).
    pub fn get_notification_rules(&self) -> Result<Vec<EventNotificationRule>> {
        let control = self.control("get_notification_rules", None, None);
        let answer = self.with_id(&control, |id| {
            let needs = self.needs(Operation::GetBucketNotificationRules).bucket(id);
            self.client
                .session
                .call(needs, &control, |raw| raw.get_bucket_notification_rules(id))
        })?;
        Ok(answer.event_notification_rules)
    }

    /// Replaces all event notification rules of the bucket by these, and returns the rules that the service
    /// has stored. An empty slice removes all rules. A bucket has at most 25.
    ///
    /// To add or change one rule, read the rules first, as in the example: a rule that is not among `rules`
    /// is removed.
    ///
    /// ```
    /// use b2sdk::notifications::{EventNotificationRule, EventTarget, EventType, SigningSecret};
    /// use b2sdk::{Bucket, Result};
    ///
    /// fn tell_of_new_photos(bucket: &Bucket, secret: SigningSecret) -> Result<()> {
    ///     let target = EventTarget::webhook("https://example.com/b2").signing_secret(secret);
    ///     let rule = EventNotificationRule::new("new-photos", [EventType::ObjectCreatedAny], target);
    ///     let mut rules = bucket.get_notification_rules()?;
    ///     rules.retain(|other| other.name != rule.name);
    ///     rules.push(rule);
    ///     bucket.set_notification_rules(&rules)?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for rules that break the service's, before anything is sent; [`Error::Service`]
    /// with a code such as `event_type_categories`; [`Error::BucketNotFound`]; [`Error::NotAllowed`] if the key
    /// lacks `writeBucketNotifications`; the [errors of any call](crate::Error#errors-of-any-call).
    ///
    /// # Consequences
    /// The service keeps no revision of these rules: of two programs that read, change and write them
    /// at the same time, the later one undoes the change of the other.
    pub fn set_notification_rules(
        &self,
        rules: &[EventNotificationRule],
    ) -> Result<Vec<EventNotificationRule>> {
        check_notification_rules(rules)
            .map_err(|reason| Error::invalid_input("notification rules", reason))?;
        let control = self.control("set_notification_rules", None, None);
        let answer = self.with_id(&control, |id| {
            let needs = self.needs(Operation::SetBucketNotificationRules).bucket(id);
            self.client.session.call(needs, &control, |raw| {
                raw.set_bucket_notification_rules(id, rules)
            })
        })?;
        Ok(answer.event_notification_rules)
    }
}
