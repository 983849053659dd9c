//! What goes wrong with each call: the error, how often it was sent, and what is there afterwards.

use std::collections::BTreeMap;

use b2sdk::simulator::Fault;
use b2sdk::{Error, Operation};

use super::{Lost, Row, Scene, rows, variant};

/// How often a call is sent at most.
const MOST: usize = 8;

/// What a row comes to when nothing goes wrong: how often its operation is sent, and what is there.
struct Usual {
    sent: usize,
    before: BTreeMap<String, String>,
    after: BTreeMap<String, String>,
}

impl Usual {
    fn of(row: &Row) -> Self {
        let scene = Scene::new();
        let before = scene.state();
        scene.world.service.log().clear();
        (row.call)(&scene, &scene.world.api).unwrap();
        let sent = scene.world.count(row.operation);
        assert!(sent > 0, "{} was not sent", row.operation);
        let after = scene.state();
        Self {
            sent,
            before,
            after,
        }
    }
}

/// A scene in which this goes wrong, the outcome of the row, and how often its operation was sent.
fn with(row: &Row, fault: Fault) -> (Scene, Result<(), Error>, usize) {
    let scene = Scene::new();
    scene.world.inject(fault);
    let outcome = (row.call)(&scene, &scene.world.api);
    let sent = scene.world.count(row.operation);
    scene.world.service.faults().clear();
    (scene, outcome, sent)
}

fn on(row: &Row) -> Fault {
    Fault::on(row.operation)
}

const fn is_upload(operation: Operation) -> bool {
    matches!(operation, Operation::UploadFile | Operation::UploadPart)
}

#[test]
fn what_does_not_exist_is_told_by_kind() {
    for row in rows() {
        let Some((call, expected)) = row.absent else {
            continue;
        };
        let scene = Scene::new();
        let error = call(&scene, &scene.world.api).unwrap_err();
        assert_eq!(variant(&error), expected, "{}: {error}", row.operation);
    }
}

#[test]
fn what_the_service_refuses_is_sent_once_and_told_in_its_words() {
    for row in rows() {
        let operation = row.operation;
        let usual = Usual::of(row);
        let fault = on(row)
            .always()
            .status(400, "bad_request", "This makes no sense");
        let (scene, outcome, sent) = with(row, fault);
        let error = outcome.unwrap_err();
        assert_eq!(variant(&error), "Service", "{operation}: {error}");
        let service = error.service().unwrap();
        assert_eq!(
            (service.operation, service.status, service.attempts),
            (operation, 400, 1)
        );
        let text = error.to_string();
        for word in [
            operation.name(),
            "400",
            "bad_request",
            "This makes no sense",
        ] {
            assert!(text.contains(word), "{text}");
        }
        assert_eq!(sent, 1, "{operation}");
        assert_eq!(scene.state(), usual.before, "{operation}");
    }
}

#[test]
fn a_token_that_is_too_old_is_replaced_once_and_the_call_repeated() {
    for row in rows().filter(|row| row.operation != Operation::AuthorizeAccount) {
        let operation = row.operation;
        let usual = Usual::of(row);
        let fault = || on(row).status(401, "expired_auth_token", "");
        let (scene, outcome, sent) = with(row, fault());
        assert!(outcome.is_ok(), "{operation}: {outcome:?}");
        // The token of an upload is its URL's: another URL is what it takes.
        let authorized = usize::from(!is_upload(operation));
        let count = scene.world.count(Operation::AuthorizeAccount);
        assert_eq!((sent, count), (usual.sent + 1, authorized), "{operation}");
        assert_eq!(scene.state(), usual.after, "{operation}");

        let (scene, outcome, sent) = with(row, fault().always());
        let error = outcome.unwrap_err();
        assert!(error.is_auth(), "{operation}: {error:?}");
        assert!(error.to_string().contains(operation.name()), "{error}");
        let count = scene.world.count(Operation::AuthorizeAccount);
        // A key can be replaced between asking for an upload URL and using it, so two are tried.
        let most = if is_upload(operation) { 3 } else { 2 };
        assert_eq!((sent, count), (most, authorized), "{operation}");
        assert_eq!(scene.state(), usual.before, "{operation}");
    }
}

#[test]
fn a_busy_service_is_asked_again_but_not_for_ever() {
    for row in rows() {
        let operation = row.operation;
        let usual = Usual::of(row);
        let fault = || on(row).status(503, "service_unavailable", "Busy");
        let (scene, outcome, sent) = with(row, fault().times(2));
        assert!(outcome.is_ok(), "{operation}: {outcome:?}");
        assert_eq!(sent, usual.sent + 2, "{operation}");
        assert_eq!(scene.state(), usual.after, "{operation}");

        let (scene, outcome, sent) = with(row, fault().always());
        let error = outcome.unwrap_err();
        assert_eq!(variant(&error), "Busy", "{operation}: {error}");
        assert!(error.is_retryable(), "{error}");
        let service = error.service().unwrap();
        assert_eq!((service.operation, service.attempts), (operation, 8));
        assert!(error.to_string().contains(operation.name()), "{error}");
        assert_eq!(sent, MOST, "{operation}");
        assert_eq!(scene.state(), usual.before, "{operation}");
    }
}

#[test]
fn what_is_no_answer_of_the_service_is_told_with_the_call() {
    for row in rows() {
        let operation = row.operation;
        let usual = Usual::of(row);
        let page = "<html>Log in to the hotel's network</html>";
        let (scene, outcome, sent) = with(row, on(row).always().body(200, "text/html", page));
        let error = outcome.unwrap_err();
        let kind = variant(error.failure());
        assert_eq!(kind, "UnexpectedReply", "{operation}: {error}");
        assert!(error.to_string().contains(operation.name()), "{error}");
        assert!((1..=MOST).contains(&sent), "{operation}: {sent}");
        let state = scene.state();
        if operation == Operation::FinishLargeFile {
            // It may be about to be finished: cancelling it would lose it.
            assert_eq!(state.len(), usual.before.len() + 1);
            continue;
        }
        assert_eq!(state, usual.before, "{operation}");
    }
}

#[test]
fn a_lost_answer_has_the_outcome_that_harms_least() {
    for row in rows() {
        let (operation, lost) = (row.operation, row.lost);
        let usual = Usual::of(row);
        let (scene, outcome, sent) = with(row, on(row).after_effect().drop_connection());
        let again = usize::from(matches!(lost, Lost::Again | Lost::ToldAgain));
        match lost {
            Lost::Again | Lost::Found => assert!(outcome.is_ok(), "{operation}: {outcome:?}"),
            Lost::Told | Lost::ToldAgain => {
                let error = outcome.unwrap_err();
                let text = error.to_string();
                assert!(text.contains("may have taken effect"), "{text}");
                assert!(text.contains(operation.name()), "{text}");
            }
        }
        assert_eq!(sent, usual.sent + again, "{operation}");
        if operation == Operation::StartLargeFile {
            // Another one was started. The first stays until somebody cancels it; it has no parts.
            assert_eq!(scene.state().len(), usual.after.len() + 1);
            continue;
        }
        assert_eq!(scene.state(), usual.after, "{operation}");
    }
}

#[test]
fn a_lost_answer_of_a_proxy_is_taken_as_one() {
    for row in rows() {
        let (operation, lost) = (row.operation, row.lost);
        let usual = Usual::of(row);
        let page = "<html>Bad gateway</html>";
        let fault = on(row).after_effect().body(502, "text/html", page);
        let (scene, outcome, _) = with(row, fault);
        let is_ok = matches!(lost, Lost::Again | Lost::Found);
        assert_eq!(outcome.is_ok(), is_ok, "{operation}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(
                error.to_string().contains("may have taken effect"),
                "{error}"
            );
        }
        if operation != Operation::StartLargeFile {
            assert_eq!(scene.state(), usual.after, "{operation}");
        }
    }
}
