//! Event notifications: what a webhook takes and what it refuses. The signatures were computed by
//! Python's `hmac` (`tests/scripts/webhook_vectors.py`).

mod rules;

use b2sdk::notifications::{
    EventNotification, EventType, UnreadableEvent, WebhookError, WebhookVerifier,
};
use b2sdk::{Error, Timestamp};

struct Vector {
    body: String,
    secret: String,
    signature: String,
}

/// Each body signed with the first secret, then with the second.
fn vectors() -> Vec<Vector> {
    let text = include_str!("../../fixtures/webhook/vectors.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    assert!(vectors.len() >= 10);
    let member = |vector: &serde_json::Value, name: &str| vector[name].as_str().unwrap().to_owned();
    let read = |vector| Vector {
        body: member(vector, "body"),
        secret: member(vector, "secret"),
        signature: member(vector, "signature"),
    };
    vectors.iter().map(read).collect()
}

impl Vector {
    fn verifier(&self) -> WebhookVerifier {
        WebhookVerifier::new(&self.secret).unwrap()
    }

    fn receive(&self, signature: &str) -> Result<Vec<EventNotification>, WebhookError> {
        let received = self
            .verifier()
            .receive(Some(signature), self.body.as_bytes())?;
        Ok(received.into_iter().map(Result::unwrap).collect())
    }
}

fn is_wrong<T>(outcome: &Result<T, WebhookError>) -> bool {
    matches!(outcome, Err(WebhookError::WrongSignature))
}

#[test]
fn what_python_signs_is_taken_and_what_is_no_event_list_is_malformed() {
    let mut taken = 0;
    for vector in vectors() {
        match vector.receive(&vector.signature) {
            Ok(_) => taken += 1,
            Err(WebhookError::Malformed(_)) => assert!(!vector.body.starts_with('{')),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(taken, 6);
}

#[test]
fn any_other_body_signature_or_secret_is_refused() {
    let all = vectors();
    let vector = &all[0];
    let bytes = vector.body.as_bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        let outcome = vector.verifier().receive(Some(&vector.signature), &changed);
        assert!(is_wrong(&outcome), "byte {at}");
    }
    for at in 3..vector.signature.len() {
        let mut changed = vector.signature.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(is_wrong(&vector.receive(&changed)), "digit {at}");
    }
    assert!(is_wrong(&vector.receive(&all[1].signature)), "other secret");
    assert!(is_wrong(&vector.receive(&all[2].signature)), "other body");
}

#[test]
fn only_the_whole_signature_in_its_scheme_counts() {
    let vector = &vectors()[0];
    let digits = vector.signature.strip_prefix("v1=").unwrap();
    for header in [
        digits,
        "v1=",
        "v1",
        ",",
        &format!("v2={digits}"),
        &format!("v1={}", &digits[..62]),
        &format!("v1={digits}00"),
        &format!("v1={digits}zz"),
    ] {
        assert!(is_wrong(&vector.receive(header)), "{header}");
    }
    for header in [None, Some(""), Some("  ")] {
        let outcome = vector.verifier().receive(header, vector.body.as_bytes());
        assert!(
            matches!(outcome, Err(WebhookError::NotSigned)),
            "{header:?}"
        );
    }
}

#[test]
fn a_secret_can_be_replaced_without_losing_events() {
    let all = vectors();
    let (old, new) = (&all[0], &all[1]);
    assert_eq!(old.body, new.body);
    let both = WebhookVerifier::new(&new.secret).unwrap();
    let both = both.or(&old.secret).unwrap();
    for one in [old, new] {
        both.receive(Some(&one.signature), one.body.as_bytes())
            .unwrap();
    }
    // Several signatures in one header: one of them is enough.
    for header in [
        format!("{},{}", old.signature, new.signature),
        format!("v1=00, {}", new.signature),
        format!("v9=x,{} ,", new.signature),
    ] {
        new.receive(&header).unwrap();
    }
}

#[test]
fn a_secret_that_is_none_is_refused() {
    for secret in ["", "short", &"-".repeat(32), &"x".repeat(33)] {
        let error = WebhookVerifier::new(secret).unwrap_err();
        assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    }
}

#[test]
fn events_are_read_with_what_they_lack_and_what_is_new() {
    let vector = &vectors()[2];
    let events = vector.receive(&vector.signature).unwrap();
    let [uploaded, hidden, test, later] = <[EventNotification; 4]>::try_from(events).unwrap();
    assert_eq!(uploaded.event_type, EventType::ObjectCreatedUpload);
    assert_eq!(
        uploaded.event_timestamp,
        Timestamp::from_millis(1_793_870_130_211)
    );
    assert_eq!(uploaded.object_name.as_deref(), Some("photos/Zoë 🏮.jpg"));
    assert_eq!(uploaded.object_size, Some(5_000_000_000));
    assert_eq!(
        (
            uploaded.matched_rule_name.as_str(),
            uploaded.bucket_name.as_str()
        ),
        ("lantern-index", "lantern-photos")
    );
    assert_eq!(
        (hidden.event_type, hidden.object_size),
        (EventType::HideMarkerCreatedHide, None)
    );
    assert!(hidden.object_version_id.is_some());
    assert_eq!(
        (test.event_type, test.object_name, test.object_version_id),
        (EventType::TestEvent, None, None)
    );
    assert_eq!(
        later.event_type,
        EventType::Other("b2:ObjectThawed:Slowly".into())
    );
    assert_eq!(later.extra["temperature"]["celsius"], 4);
}

fn signed(body: &str) -> Vec<Result<EventNotification, UnreadableEvent>> {
    use hmac::{Hmac, KeyInit, Mac};
    let secret = "0123456789abcdefghijABCDEFGHIJxy";
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let digest = mac.chain_update(body).finalize().into_bytes();
    let signature: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let verifier = WebhookVerifier::new(secret).unwrap();
    verifier
        .receive(Some(&format!("v1={signature}")), body.as_bytes())
        .unwrap()
}

#[test]
fn an_event_that_cannot_be_read_hides_no_other() {
    let good = r#"{"eventId":"good","eventType":"b2:ObjectCreated:Upload","objectSize":3}"#;
    for (odd, expected) in [
        (
            r#"{"eventId":7,"eventType":"b2:ObjectCreated:Upload"}"#,
            Ok(()),
        ),
        (
            r#"{"eventId":"7","eventType":"b2:x","eventVersion":"1"}"#,
            Ok(()),
        ),
        (
            r#"{"eventId":"7","eventType":"b2:x","objectSize":-1}"#,
            Ok(()),
        ),
        (
            r#"{"eventId":"7","eventType":"b2:x","objectSize":"12"}"#,
            Ok(()),
        ),
        (
            r#"{"eventId":"7","eventType":"b2:x","eventTimestamp":1.7e12}"#,
            Ok(()),
        ),
        (
            r#"{"eventId":"7","eventType":"b2:x","objectName":["x"]}"#,
            Ok(()),
        ),
        (
            r#"{"eventId":"7","eventType":null}"#,
            Err(Some("eventType")),
        ),
        (r#"{"eventId":"7"}"#, Err(Some("eventType"))),
        (r#"{"eventType":"b2:x"}"#, Err(Some("eventId"))),
        (r#"{"eventId":{},"eventType":"b2:x"}"#, Err(Some("eventId"))),
        ("null", Err(None)),
        ("[]", Err(None)),
        ("7", Err(None)),
    ] {
        let events = signed(&format!(r#"{{"events":[{odd},{good}]}}"#));
        let [first, second] = <[_; 2]>::try_from(events).unwrap();
        assert_eq!(second.unwrap().object_size, Some(3), "{odd}");
        match first {
            Ok(event) => assert!(expected.is_ok() && event.event_id == "7", "{odd}"),
            Err(error) => {
                assert_eq!(Err(error.member), expected, "{odd}: {error}");
                let named = error.member.unwrap_or("JSON object");
                assert!(error.to_string().contains(named), "{error}");
                assert_eq!(error.event.to_string(), odd);
            }
        }
    }
    let events = signed(r#"{"events":[{"eventId":"7","eventType":"b2:x","objectSize":-1}]}"#);
    let event = events.into_iter().next().unwrap().unwrap();
    assert_eq!(
        (event.object_size, &event.extra["unreadable"]["objectSize"]),
        (None, &(-1).into())
    );
}

#[test]
fn a_verifier_and_its_refusals_show_no_secret() {
    let vector = &vectors()[0];
    let refusal = vector.receive("v1=00").unwrap_err();
    let shown = format!(
        "{:?} {refusal} {refusal:?} {}",
        vector.verifier(),
        WebhookVerifier::new(format!("{}!", vector.secret)).unwrap_err()
    );
    assert!(!shown.contains(&vector.secret), "{shown}");
}
