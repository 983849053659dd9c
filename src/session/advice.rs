//! What a failure calls for: a table without side effects (docs/protocol.md, sections 6 and 11).

use std::time::Duration;

use crate::error::{Error, ErrorCode, Sent, ServiceError, TransportError, TransportKind};
use crate::model::operation::Operation;

/// The service's words, whatever stands before them, for content that has another SHA-1 than was sent
/// with it.
const DAMAGED: &str = "did not match data received";

/// How often what is not HTTP is asked again: it will hardly become HTTP.
const MOST_NOT_HTTP: u32 = 3;

/// How many upload URLs in a row may be refused for their token: the key can be replaced between asking
/// for a URL and using it, but not again and again.
const MOST_REFUSED_TOKENS: u32 = 2;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    Stop,
    /// Send the same again: after this time, or after one of our own choice.
    Again {
        after: Option<Duration>,
    },
    /// Replace the token, then send the same again.
    Reauthorize,
    /// Ask for another upload URL, then send the same there.
    FreshUploadUrl,
}

/// What was tried so far.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) attempts: u32,
    pub(super) waits: u32,
    pub(super) reauthorized: bool,
    pub(super) fresh_urls: u32,
    /// How many of the upload URLs were refused for their token.
    pub(super) refused_tokens: u32,
    /// An attempt may have taken effect.
    pub(super) answer_lost: bool,
}

pub(super) fn advise(operation: Operation, error: &Error, history: &History) -> Advice {
    let uploads = matches!(operation, Operation::UploadFile | Operation::UploadPart);
    match (error, error.service()) {
        // Sending a part again replaces it, whatever became of it.
        (Error::UnexpectedReply { .. }, _) if operation == Operation::UploadPart => {
            Advice::FreshUploadUrl
        }
        (Error::UnexpectedReply { .. }, _) if operation == Operation::CopyPart => {
            Advice::Again { after: None }
        }
        (Error::Connection(transport), _) if uploads => on_upload_break(transport, history),
        (Error::Connection(transport), _) => on_break(operation, transport, history),
        // Also a refusal without a code that was taken for one for lack of permission.
        (Error::NotAllowed(_), _) if !uploads => Advice::Stop,
        (_, Some(service)) if uploads => on_upload_refusal(service, history),
        (_, Some(service)) => on_refusal(operation, service, history),
        _ => Advice::Stop,
    }
}

fn on_refusal(operation: Operation, service: &ServiceError, history: &History) -> Advice {
    use ErrorCode as Code;
    match (service.status, &service.code) {
        // A token problem while asking for a token is a wrong key.
        (401, _) if operation == Operation::AuthorizeAccount => Advice::Stop,
        // Leave to send the body is not asked for a second time.
        (417, _) if history.attempts == 1 => Advice::Again {
            after: Some(Duration::ZERO),
        },
        // Something in between answered; the service may have acted.
        _ if service.is_lost_answer() && !operation.is_repeatable() => Advice::Stop,
        // HEAD answers have no body and so no code; a proxy's have none either.
        (401, code)
            if matches!(code, Code::BadAuthToken | Code::ExpiredAuthToken)
                || code.as_str().is_empty() =>
        {
            if history.reauthorized {
                Advice::Stop
            } else {
                Advice::Reauthorize
            }
        }
        (501, _) => Advice::Stop,
        (408 | 429 | 500..=599, _) => Advice::Again {
            after: asked_wait(service),
        },
        _ => Advice::Stop,
    }
}

fn on_upload_refusal(service: &ServiceError, history: &History) -> Advice {
    match (service.status, &service.code) {
        // Damaged on the way: we hash what we send. Nothing is stored (docs/protocol.md, section 5).
        (400, code)
            if code.as_str() == "checksum_mismatch" || service.message.contains(DAMAGED) =>
        {
            Advice::FreshUploadUrl
        }
        // An earlier upload that we gave up is still running over there.
        (400, ErrorCode::AuthTokenLimit) => Advice::FreshUploadUrl,
        // Whatever the code: the token belongs to the URL. Asking for another one re-authorizes
        // where that is needed.
        (401, code) => {
            let most = match code {
                ErrorCode::BadAuthToken | ErrorCode::ExpiredAuthToken => MOST_REFUSED_TOKENS,
                // A second time it is the key.
                _ => 1,
            };
            if history.refused_tokens < most {
                Advice::FreshUploadUrl
            } else {
                Advice::Stop
            }
        }
        // Leave to send the body is not asked for a second time.
        (417, _) if history.attempts == 1 => Advice::FreshUploadUrl,
        // The one answer that leaves the URL good.
        (429, _) => Advice::Again {
            after: asked_wait(service),
        },
        (501, _) => Advice::Stop,
        (408 | 500..=599, _) => Advice::FreshUploadUrl,
        _ => Advice::Stop,
    }
}

/// How long the service asks to wait; asking for no time at all is not asking.
fn asked_wait(service: &ServiceError) -> Option<Duration> {
    service.retry_after.filter(|wait| !wait.is_zero())
}

fn on_upload_break(transport: &TransportError, history: &History) -> Advice {
    match transport.kind {
        TransportKind::Tls => Advice::Stop,
        TransportKind::Protocol if history.attempts >= MOST_NOT_HTTP => Advice::Stop,
        // Nothing that another URL would mend.
        TransportKind::Proxy | TransportKind::NoDescriptors => Advice::Again { after: None },
        _ => Advice::FreshUploadUrl,
    }
}

fn on_break(operation: Operation, transport: &TransportError, history: &History) -> Advice {
    match (transport.kind, transport.sent) {
        (TransportKind::Tls, _) => Advice::Stop,
        (TransportKind::Protocol, _) if history.attempts >= MOST_NOT_HTTP => Advice::Stop,
        (_, Sent::All) if !operation.is_repeatable() => Advice::Stop,
        // Most often a pooled connection that the service had closed: a new one works at once.
        (TransportKind::Reset, _) if history.attempts == 1 => Advice::Again {
            after: Some(Duration::ZERO),
        },
        _ => Advice::Again { after: None },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Advice, History, advise};
    use crate::error::service::Subject;
    use crate::error::{Error, ErrorCode, Sent, ServiceError, TransportError, TransportKind};
    use crate::model::operation::Operation;

    fn refused(operation: Operation, status: u16, code: &str, retry_after: Option<u64>) -> Error {
        let retry_after = retry_after.map(Duration::from_secs);
        let (code, message) = (ErrorCode::from(code), String::new());
        let (url_path, attempts, elapsed, after_lost_answer) =
            (String::new(), 1, Duration::ZERO, false);
        ServiceError {
            operation,
            status,
            code,
            message,
            url_path,
            retry_after,
            attempts,
            elapsed,
            after_lost_answer,
        }
        .into_error(Subject::Account)
    }

    fn broken(operation: Operation, kind: TransportKind, sent: Sent) -> Error {
        Error::Connection(Box::new(TransportError::new(operation, kind, sent, "gone")))
    }

    fn first(operation: Operation, error: &Error) -> Advice {
        advise(
            operation,
            error,
            &History {
                attempts: 1,
                ..History::default()
            },
        )
    }

    const AGAIN: Advice = Advice::Again { after: None };

    #[test]
    fn refusals_of_ordinary_calls() {
        let op = Operation::ListFileNames;
        for (status, code, advice) in [
            (400, "bad_request", Advice::Stop),
            (400, "bad_bucket_id", Advice::Stop),
            (401, "bad_auth_token", Advice::Reauthorize),
            (401, "expired_auth_token", Advice::Reauthorize),
            (401, "", Advice::Reauthorize),
            (401, "unauthorized", Advice::Stop),
            (401, "unsupported", Advice::Stop),
            (403, "transaction_cap_exceeded", Advice::Stop),
            (404, "not_found", Advice::Stop),
            (405, "method_not_allowed", Advice::Stop),
            (408, "request_timeout", AGAIN),
            (409, "conflict", Advice::Stop),
            (416, "range_not_satisfiable", Advice::Stop),
            (429, "too_many_requests", AGAIN),
            (500, "internal_error", AGAIN),
            (501, "", Advice::Stop),
            (502, "", AGAIN),
            (503, "service_unavailable", AGAIN),
            (503, "bad_request", AGAIN),
            (504, "", AGAIN),
            (302, "", Advice::Stop),
        ] {
            assert_eq!(
                first(op, &refused(op, status, code, None)),
                advice,
                "{status} {code}"
            );
        }
    }

    #[test]
    fn what_a_gateway_answers_is_not_repeated_where_that_could_do_harm() {
        for status in [500, 502, 504] {
            let op = Operation::CreateBucket;
            assert_eq!(first(op, &refused(op, status, "", None)), Advice::Stop);
            assert_eq!(
                first(op, &refused(op, status, "internal_error", None)),
                AGAIN
            );
            let op = Operation::ListBuckets;
            assert_eq!(first(op, &refused(op, status, "", None)), AGAIN);
        }
    }

    #[test]
    fn refusals_of_uploads() {
        let op = Operation::UploadFile;
        for (status, code, advice) in [
            (400, "bad_request", Advice::Stop),
            (400, "auth_token_limit", Advice::FreshUploadUrl),
            (401, "bad_auth_token", Advice::FreshUploadUrl),
            (401, "expired_auth_token", Advice::FreshUploadUrl),
            (401, "unauthorized", Advice::FreshUploadUrl),
            (403, "storage_cap_exceeded", Advice::Stop),
            (405, "method_not_allowed", Advice::Stop),
            (408, "request_timeout", Advice::FreshUploadUrl),
            (429, "too_many_requests", AGAIN),
            (500, "internal_error", Advice::FreshUploadUrl),
            (503, "service_unavailable", Advice::FreshUploadUrl),
        ] {
            assert_eq!(
                first(op, &refused(op, status, code, None)),
                advice,
                "{status} {code}"
            );
        }
        // Other failures before it say nothing about the key; another refusal of its kind may.
        for (refused_tokens, code, advice) in [
            (0, "unauthorized", Advice::FreshUploadUrl),
            (1, "unauthorized", Advice::Stop),
            (1, "bad_auth_token", Advice::FreshUploadUrl),
            (1, "expired_auth_token", Advice::FreshUploadUrl),
            (2, "bad_auth_token", Advice::Stop),
        ] {
            let again = History {
                fresh_urls: 5,
                refused_tokens,
                ..History::default()
            };
            let refusal = refused(op, 401, code, None);
            assert_eq!(advise(op, &refusal, &again), advice, "{code}");
        }
    }

    #[test]
    fn a_second_token_problem_is_final_and_a_wrong_key_is_at_once() {
        let op = Operation::HideFile;
        let again = History {
            reauthorized: true,
            ..History::default()
        };
        assert_eq!(
            advise(op, &refused(op, 401, "expired_auth_token", None), &again),
            Advice::Stop
        );
        let op = Operation::AuthorizeAccount;
        for code in ["unauthorized", "bad_auth_token", "expired_auth_token", ""] {
            assert_eq!(first(op, &refused(op, 401, code, None)), Advice::Stop);
        }
    }

    #[test]
    fn the_services_own_waiting_time_is_taken_in_full() {
        let wait = Advice::Again {
            after: Some(Duration::from_secs(3600)),
        };
        for op in [Operation::GetUploadUrl, Operation::ListBuckets] {
            assert_eq!(
                first(op, &refused(op, 503, "service_unavailable", Some(3600))),
                wait
            );
        }
        let op = Operation::UploadFile;
        assert_eq!(
            first(op, &refused(op, 429, "too_many_requests", Some(3600))),
            wait
        );
    }

    #[test]
    fn broken_connections_are_repeated_where_that_does_no_harm() {
        use {Operation as Op, Sent as S, TransportKind as K};
        let at_once = Advice::Again {
            after: Some(Duration::ZERO),
        };
        for (op, kind, sent, advice) in [
            (Op::ListFileNames, K::Reset, S::All, at_once),
            (Op::ListFileNames, K::Stalled, S::All, AGAIN),
            (Op::ListFileNames, K::Dns, S::Nothing, AGAIN),
            (Op::ListFileNames, K::Tls, S::Nothing, Advice::Stop),
            (Op::CreateBucket, K::Reset, S::All, Advice::Stop),
            (Op::CreateBucket, K::Reset, S::Partial, at_once),
            (Op::CreateBucket, K::Connect, S::Nothing, AGAIN),
            (Op::UploadFile, K::Reset, S::Partial, Advice::FreshUploadUrl),
            (Op::UploadFile, K::Stalled, S::All, Advice::FreshUploadUrl),
            (
                Op::UploadFile,
                K::Connect,
                S::Nothing,
                Advice::FreshUploadUrl,
            ),
            (Op::UploadFile, K::Tls, S::Nothing, Advice::Stop),
        ] {
            assert_eq!(
                first(op, &broken(op, kind, sent)),
                advice,
                "{op} {kind:?} {sent:?}"
            );
        }
    }
}
