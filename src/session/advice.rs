//! Decides what to do about a failed request. The decision is a table without side effects
//! (docs/protocol.md, sections 6 and 11); the loop in `retry` carries it out, and a unit test
//! covers each row.
//!
//! Three questions decide:
//!
//! - Who refused? A refusal by the service with a known code is final or says what helps. A refusal
//!   by something in between (a proxy, a load balancer) says nothing about the request itself.
//! - Can the request have taken effect? If it was sent completely and no answer came, a call that
//!   must not happen twice ends here, and its caller looks for the result. The other calls are
//!   repeated.
//! - Is it an upload? An upload URL is good for one attempt after another, but only as long as they
//!   succeed. After nearly every failure another URL is needed, and with it comes another storage
//!   server.
//!
//! What an advice costs: `Again` one request; `Reauthorize` one `b2_authorize_account` (class C) at
//! most, shared by all threads, and the request; `FreshUploadUrl` one `b2_get_upload_url` or
//! `b2_get_upload_part_url` and the upload.

use std::time::Duration;

use crate::error::{Error, ErrorCode, Sent, ServiceError, TransportError, TransportKind};
use crate::model::operation::Operation;

/// What the service's message contains, after varying beginnings, if content arrived with another
/// SHA-1 than was announced.
const DAMAGED: &str = "did not match data received";

/// The number of attempts after which a peer that does not speak HTTP is given up. It is unlikely
/// to start speaking it.
const MOST_NOT_HTTP: u32 = 3;

/// The number of upload URLs in a row after whose refused tokens the next refusal is final. The key can be
/// replaced between asking for a URL and using it, but hardly again and again.
const MOST_REFUSED_TOKENS: u32 = 2;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    /// Give up: the error goes to the caller.
    Stop,
    /// Send the request again, after the pause that the service asked for, or after a pause of the
    /// retry policy if `after` is `None`.
    Again { after: Option<Duration> },
    /// Replace the token, then send the request again without a pause.
    Reauthorize,
    /// Get another upload URL, then send the request there.
    FreshUploadUrl,
}

/// What the attempts of one call have been so far. The retry loop keeps it.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The number of attempts, the one that has just failed included.
    pub(super) attempts: u32,
    /// The number of attempts that found no file descriptor left while other workers ran.
    pub(super) shortages: u32,
    /// The number of pauses whose length the retry policy chose. Each is about twice as long as the
    /// last.
    pub(super) waits: u32,
    /// How often the token was replaced since the last attempt that failed for another reason. After such an
    /// attempt, which may have taken a minute, the token can have been replaced elsewhere.
    pub(super) reauthorized: u32,
    /// Whether a provider names the key, which may have been replaced since the last authorization. A new token
    /// that is refused is then replaced once more.
    pub(super) key_may_change: bool,
    /// The number of upload URLs that were given up during this call.
    pub(super) fresh_urls: u32,
    /// The number of upload URLs in a row that were refused for their token.
    pub(super) refused_tokens: u32,
    /// Whether an earlier attempt may have taken effect without our seeing its answer.
    pub(super) answer_lost: bool,
}

/// Decides what to do about `error`, the outcome of the last attempt of a call of `operation`.
pub(super) fn advise(operation: Operation, error: &Error, history: &History) -> Advice {
    let uploads = matches!(operation, Operation::UploadFile | Operation::UploadPart);
    match (error, error.service()) {
        // Nothing was sent. Another transfer of this process may end.
        _ if error.is_out_of_descriptors() => Advice::Again { after: None },
        // Sending a part again replaces it, whatever became of the first attempt.
        (Error::UnexpectedReply { .. }, _) if operation == Operation::UploadPart => {
            Advice::FreshUploadUrl
        }
        (Error::UnexpectedReply { .. }, _) if operation == Operation::CopyPart => {
            Advice::Again { after: None }
        }
        (Error::Connection(transport), _) if uploads => on_upload_break(transport, history),
        (Error::Connection(transport), _) => on_break(operation, transport, history),
        // This includes a refusal without a code that `explain` took for a lack of permission.
        (Error::NotAllowed(_), _) if !uploads => Advice::Stop,
        (_, Some(service)) if uploads => on_upload_refusal(service, history),
        (_, Some(service)) => on_refusal(operation, service, history),
        _ => Advice::Stop,
    }
}

/// Decides about an answer that is no success, for all calls but uploads.
fn on_refusal(operation: Operation, service: &ServiceError, history: &History) -> Advice {
    use ErrorCode as Code;
    match (service.status, &service.code) {
        // A 401 to the request for a token means that the key is wrong.
        (401, _) if operation == Operation::AuthorizeAccount => Advice::Stop,
        // The second request does not ask with `Expect: 100-continue` any more.
        (417, _) if history.attempts == 1 => Advice::Again {
            after: Some(Duration::ZERO),
        },
        // Something in between answered, and the service behind it may have acted.
        _ if service.is_lost_answer() && !operation.is_repeatable() => Advice::Stop,
        // Answers to HEAD have no body and so no code; those of a proxy have none either.
        (401, code)
            if matches!(code, Code::BadAuthToken | Code::ExpiredAuthToken)
                || code.as_str().is_empty() =>
        {
            let has_code = !code.as_str().is_empty();
            let most = 1 + u32::from(history.key_may_change && has_code);
            if history.reauthorized >= most {
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

/// Decides about an answer that is no success, for `b2_upload_file` and `b2_upload_part`.
fn on_upload_refusal(service: &ServiceError, history: &History) -> Advice {
    match (service.status, &service.code) {
        // The content was damaged on the way, because the SHA-1 is of what is sent. Nothing is
        // stored (docs/protocol.md, section 5).
        (400, code)
            if code.as_str() == "checksum_mismatch" || service.message.contains(DAMAGED) =>
        {
            Advice::FreshUploadUrl
        }
        // An earlier upload that was given up here is still running at the storage server.
        (400, ErrorCode::AuthTokenLimit) => Advice::FreshUploadUrl,
        // Whatever the code: the token belongs to the URL. Asking for another URL re-authorizes
        // where that is needed.
        (401, code) => {
            let most = match code {
                ErrorCode::BadAuthToken | ErrorCode::ExpiredAuthToken => MOST_REFUSED_TOKENS,
                // After a second refusal the key is to blame.
                _ => 1,
            };
            if history.refused_tokens < most {
                Advice::FreshUploadUrl
            } else {
                Advice::Stop
            }
        }
        // The second request does not ask with `Expect: 100-continue` any more.
        (417, _) if history.attempts == 1 => Advice::FreshUploadUrl,
        // This is the only failure after which the URL is still good.
        (429, _) => Advice::Again {
            after: asked_wait(service),
        },
        (501, _) => Advice::Stop,
        (408 | 500..=599, _) => Advice::FreshUploadUrl,
        _ => Advice::Stop,
    }
}

/// The pause that the service asked for with `Retry-After`. A pause of zero counts as none asked
/// for, so that the retry policy chooses one.
fn asked_wait(service: &ServiceError) -> Option<Duration> {
    service.retry_after.filter(|wait| !wait.is_zero())
}

/// Decides about an upload that got no answer. What became of a whole file whose answer was lost is
/// found out before this is asked (`transfer/upload/small.rs`).
fn on_upload_break(transport: &TransportError, history: &History) -> Advice {
    match transport.kind {
        TransportKind::Tls => Advice::Stop,
        TransportKind::Protocol if history.attempts >= MOST_NOT_HTTP => Advice::Stop,
        // Another URL would not help.
        TransportKind::Proxy => Advice::Again { after: None },
        _ => Advice::FreshUploadUrl,
    }
}

/// Decides about a request that got no answer. If all of it was sent, it may have taken effect, so
/// it is repeated only if that does no harm.
fn on_break(operation: Operation, transport: &TransportError, history: &History) -> Advice {
    match (transport.kind, transport.sent) {
        (TransportKind::Tls, _) => Advice::Stop,
        (TransportKind::Protocol, _) if history.attempts >= MOST_NOT_HTTP => Advice::Stop,
        (_, Sent::All) if !operation.is_repeatable() => Advice::Stop,
        // Most often the service had closed a pooled connection, and a new one works at once.
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
            reauthorized: 1,
            ..History::default()
        };
        let again_with_provider = |reauthorized| History {
            reauthorized,
            key_may_change: true,
            ..History::default()
        };
        for (history, code, advice) in [
            (again, "expired_auth_token", Advice::Stop),
            (
                again_with_provider(1),
                "bad_auth_token",
                Advice::Reauthorize,
            ),
            (again_with_provider(1), "", Advice::Stop),
            (again_with_provider(2), "bad_auth_token", Advice::Stop),
        ] {
            assert_eq!(advise(op, &refused(op, 401, code, None), &history), advice);
        }
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
