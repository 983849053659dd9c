//! Event notification rules: set, read, changed and cleared.

use b2sdk::error::ErrorCode;
use b2sdk::notifications::{EventNotificationRule, EventTarget, EventType};
use b2sdk::simulator::{Fault, KeyRequest};
use b2sdk::{Error, Operation};

use crate::support::{BUCKET, World};

const SECRET: &str = "0123456789abcdefghijABCDEFGHIJxy";

fn rule(name: &str, prefix: &str) -> EventNotificationRule {
    let target = EventTarget::webhook("https://example.com/b2");
    EventNotificationRule::new(name, [EventType::ObjectCreatedAny], target)
        .object_name_prefix(prefix)
}

#[test]
fn rules_are_read_as_they_were_set() {
    let world = World::new();
    assert_eq!(world.bucket.get_notification_rules().unwrap(), []);
    let target = EventTarget::webhook("https://example.com/b2")
        .signing_secret(SECRET)
        .custom_header("X-Mine", "Zoë");
    let types = [
        EventType::HideMarkerCreatedHide,
        EventType::ObjectDeletedAny,
    ];
    let full = EventNotificationRule::new("full-rule", types, target)
        .object_name_prefix("photos/")
        .max_events_per_batch(50)
        .enabled(false);
    let set = [full, rule("plain-rule", "")];
    let answered = world.bucket.set_notification_rules(&set).unwrap();
    let read = world.bucket.get_notification_rules().unwrap();
    assert_eq!(answered, read);
    let [full, plain] = <[EventNotificationRule; 2]>::try_from(read.clone()).unwrap();
    assert_eq!(
        full.target_configuration.hmac_sha256_signing_secret,
        set[0].target_configuration.hmac_sha256_signing_secret
    );
    assert_eq!(
        full.target_configuration.custom_headers,
        set[0].target_configuration.custom_headers
    );
    assert_eq!(
        (full.event_types, full.object_name_prefix, full.is_enabled),
        (set[0].event_types.clone(), "photos/".to_owned(), false)
    );
    assert_eq!(
        (full.max_events_per_batch, plain.is_enabled),
        (Some(50), true)
    );
    assert_eq!(plain.is_suspended, Some(false));
    // What was read can be written back as it is.
    assert_eq!(world.bucket.set_notification_rules(&read).unwrap(), read);
    assert_eq!(world.bucket.set_notification_rules(&[]).unwrap(), []);
}

#[test]
fn rules_that_the_service_would_refuse_are_not_sent() {
    let world = World::new();
    let overlapping = [rule("first-rule", "a/"), rule("second-rule", "a/b/")];
    let error = world
        .bucket
        .set_notification_rules(&overlapping)
        .unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    assert_eq!(world.total(), 0);
}

#[test]
fn a_refusal_of_the_service_shows_no_secret() {
    let world = World::new();
    world.inject(Fault::on(Operation::SetBucketNotificationRules).status(
        400,
        "event_type_categories",
        "incompatible",
    ));
    let mut secret = rule("secret-rule", "");
    secret.target_configuration = secret.target_configuration.signing_secret(SECRET);
    let error = world.bucket.set_notification_rules(&[secret]).unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::EventTypeCategories));
    assert!(!format!("{error} {error:?}").contains(SECRET));
}

#[test]
fn a_key_that_may_not_is_told_what_it_takes() {
    let world = World::new();
    let api = world.restricted(KeyRequest::new(["readFiles"]).bucket(BUCKET));
    let bucket = api.get_bucket_by_name(BUCKET).unwrap();
    for (error, needed) in [
        (
            bucket.get_notification_rules().unwrap_err(),
            "readBucketNotifications",
        ),
        (
            bucket.set_notification_rules(&[]).unwrap_err(),
            "writeBucketNotifications",
        ),
    ] {
        assert!(matches!(error, Error::NotAllowed(_)), "{error:?}");
        assert!(error.to_string().contains(needed), "{error}");
    }
}

#[test]
fn setting_rules_is_repeated_when_its_answer_is_lost() {
    let world = World::new();
    world.inject(
        Fault::on(Operation::SetBucketNotificationRules)
            .reset_connection()
            .after_effect(),
    );
    let rules = [rule("first-rule", "")];
    let set = world.bucket.set_notification_rules(&rules).unwrap();
    assert_eq!(set.len(), 1);
    assert_eq!(world.count(Operation::SetBucketNotificationRules), 2);
}
