//! What the service would refuse of notification rules, and what must not be shown.

use super::{EventNotificationRule, EventTarget, EventType, check_notification_rules};

const SECRET: &str = "s3cretS3cretS3cretS3cretS3cret12";

fn target() -> EventTarget {
    EventTarget::webhook("https://example.com/b2")
}

fn rule(name: &str, target: EventTarget) -> EventNotificationRule {
    EventNotificationRule::new(name, [EventType::ObjectCreatedUpload], target)
}

fn of_types(types: &[&str]) -> EventNotificationRule {
    EventNotificationRule::new("thumbnails", types.iter().copied(), target())
}

fn for_prefix(name: &str, types: &[&str], prefix: &str) -> EventNotificationRule {
    EventNotificationRule::new(name, types.iter().copied(), target()).object_name_prefix(prefix)
}

#[test]
fn each_broken_rule_is_named_with_what_to_do() {
    let with = |target: EventTarget| rule("thumbnails", target);
    let eleven = (0..11).fold(target(), |target, n| {
        target.custom_header(format!("h{n}"), "v")
    });
    let numbered = |n: usize| for_prefix(&format!("rule-{n:03}"), &["b2:X"], &format!("{n:03}/"));
    for (rules, wanted) in [
        (vec![rule("short", target())], "6 to 63"),
        (vec![rule(&"x".repeat(64), target())], "6 to 63"),
        (vec![rule("under_score", target())], "letters, digits"),
        (vec![rule("b2-events", target())], "'b2-'"),
        (vec![of_types(&[])], "no event type"),
        (
            vec![of_types(&["b2:ObjectCreated:*", "b2:ObjectCreated:Copy"])],
            "overlap; leave one out",
        ),
        (vec![of_types(&["b2:A:B", "b2:A:B"])], "overlap"),
        (vec![of_types(&["b2:*:Copy"])], "last component"),
        (
            vec![with(EventTarget::webhook("http://example.com"))],
            "https://",
        ),
        (vec![with(EventTarget::webhook("https://"))], "https://"),
        (vec![with(EventTarget::webhook("https://a b"))], "blanks"),
        (
            vec![with(target().signing_secret("short"))],
            "exactly 32 letters",
        ),
        (
            vec![with(target().signing_secret("-".repeat(32)))],
            "exactly 32 letters",
        ),
        (vec![with(eleven)], "11 custom headers"),
        (
            vec![with(target().custom_header("x-bz-mine", "v"))],
            "X-Bz-",
        ),
        (vec![with(target().custom_header("a b", "v"))], "\"a b\""),
        (
            vec![with(target().custom_header("a", "v\r\nb: c"))],
            "control characters",
        ),
        (
            vec![with(target().custom_header("a", "v".repeat(2048)))],
            "2049 bytes",
        ),
        (
            vec![of_types(&["b2:X"]).max_events_per_batch(51)],
            "1 to 50",
        ),
        (vec![of_types(&["b2:X"]).max_events_per_batch(0)], "1 to 50"),
        (
            vec![
                for_prefix("twice-1", &["b2:X"], "a"),
                for_prefix("twice-1", &["b2:X"], "b"),
            ],
            "two rules named",
        ),
        (
            vec![
                for_prefix("first-1", &["b2:X", "b2:Y"], "a/b"),
                for_prefix("second", &["b2:Y"], "a/"),
            ],
            "two rules for b2:Y have the prefixes \"a/\" and \"a/b\"",
        ),
        ((0..26).map(numbered).collect(), "at most 25"),
    ] {
        let reason = check_notification_rules(&rules).unwrap_err();
        assert!(reason.contains(wanted), "{reason}");
    }
}

#[test]
fn rules_at_the_limits_are_fine() {
    let headers = (0..10).fold(target(), |target, n| {
        target.custom_header(format!("h{n}"), "v".repeat(202))
    });
    let rules = [
        rule("six-ch", headers.signing_secret(SECRET)).max_events_per_batch(50),
        for_prefix(&"x".repeat(63), &["b2:ObjectDeleted:*"], ""),
        for_prefix("another-family", &["b2:HideMarkerCreated:*"], ""),
    ];
    assert_eq!(check_notification_rules(&rules), Ok(()));
    assert_eq!(check_notification_rules(&[]), Ok(()));
}

#[test]
fn nothing_secret_is_shown_by_debug_or_by_a_refusal() {
    let target = target()
        .signing_secret(SECRET)
        .custom_header("Authorization", "Bearer hunter2\n");
    let mut rule = rule("thumbnails", target);
    let later = serde_json::json!("hunter2");
    let extra = &mut rule.target_configuration.extra;
    extra.insert("hmacSha512SigningSecret".to_owned(), later);
    let reason = check_notification_rules(std::slice::from_ref(&rule)).unwrap_err();
    let shown = format!("{rule:?} {rule:#?} {reason}");
    assert!(shown.contains("hmacSha512SigningSecret") && shown.contains("Authorization"));
    for secret in [SECRET, "hunter2"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
