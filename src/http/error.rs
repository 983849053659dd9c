//! Turns what `ureq` and the service report into the crate's errors.
//!
//! Two facts decide what can be done about a failure, so they are determined here: whether anything
//! was sent ([`Sent`]), and what kind of failure it is ([`TransportKind`]). Messages of the service
//! are cleaned of tokens and control characters before they become part of an error.
//!
//! | what is reported | kind | sent |
//! | --- | --- | --- |
//! | the name is unknown, or looking it up takes too long | `Dns` | nothing |
//! | refused, unreachable, no connection in time | `Connect` | nothing |
//! | the proxy cannot be reached or refuses the tunnel | `Proxy` | nothing |
//! | no file descriptor is left | `NoDescriptors` | nothing |
//! | the certificate is not accepted, no common TLS version | `Tls` | nothing |
//! | no byte moved for the idle limit | `Stalled` | as far as the body had gone |
//! | the connection was closed or reset, a TLS alert or a damaged record | `Reset` | as far as the body had gone |
//! | what came is not HTTP, or not TLS | `Protocol` | as far as the body had gone |
//!
//! An answer with a status becomes a [`ServiceError`] first, and then the outcome that its code
//! means for what the request is about (`error/service.rs`).
//!
//! What is never in such an error: the token of the request, the query of the URL, and more than
//! 1,024 characters of any text that the other side sent. The host is named for failures of the
//! connection, and the path of the URL for refusals.
//!
//! A body that cannot be read does not hide the status: a refusal whose text broke off is reported
//! with its status and an empty code.

use std::io;
use std::time::Duration;

use ureq::Timeout;

use crate::control::clock::Clock;
use crate::error::service::Subject;
use crate::error::words::is_out_of_descriptors;
use crate::error::{Error, ErrorCode, Sent, ServiceError, TransportError, TransportKind};
use crate::http::connector::NotConnected;
use crate::http::retry_after::retry_after;
use crate::http::{Response, path_of};
use crate::model::operation::Operation;

/// The largest part of a refusal's body that is read, in bytes.
const REFUSAL_LIMIT: u64 = 64 * 1024;
/// The largest part of a message that is kept, in characters; of an answer that is not the
/// service's JSON, in bytes.
const EXCERPT: usize = 1024;

/// The error of a connection that could not be made. Nothing was sent. A proxy that asks for a
/// password is an error of the configuration, which is not repeated.
///
/// The kind is `Proxy` if the failure is the proxy's, except that a lack of descriptors keeps its
/// own kind, because it is this machine's.
pub(super) fn from_connecting(operation: Operation, host: &str, failure: NotConnected) -> Error {
    let NotConnected { error, proxy } = failure;
    let kind = kind_of(&error);
    let Some(proxy) = proxy else {
        let error = TransportError::new(operation, kind, Sent::Nothing, error);
        return connection(error.at(host));
    };
    match &error {
        ureq::Error::ConnectProxyFailed(answer) if answer.contains("407") => {
            let reason = format!(
                "the proxy {proxy} asks for a user name and a password, or does not accept those in its URL (407)"
            );
            Error::invalid_input("proxy", reason)
        }
        _ => {
            let kind = match kind {
                TransportKind::NoDescriptors => kind,
                _ => TransportKind::Proxy,
            };
            connection(TransportError::new(operation, kind, Sent::Nothing, error).at_proxy(&proxy))
        }
    }
}

/// The error of a request that got no answer over an existing connection.
///
/// `sent` tells how much of the body had left, if the request has one. Without a body all of the
/// request counts as sent. An error that one of our own readers raised becomes itself again.
///
/// Such an error is `Cancelled`, or that of the source of an upload. It travelled through `ureq`
/// inside an `io::Error`.
pub(super) fn from_ureq(
    operation: Operation,
    host: &str,
    error: ureq::Error,
    sent: Option<Sent>,
) -> Error {
    let kind = kind_of(&error);
    let sent = match kind {
        // A name is looked up for each request, even if a connection is open.
        TransportKind::Dns => Sent::Nothing,
        _ => sent.unwrap_or(Sent::All),
    };
    let transport = match error {
        ureq::Error::Io(error) => match Error::from_io(error) {
            Ok(own) => return own,
            Err(error) => TransportError::new(operation, kind, sent, error),
        },
        error => TransportError::new(operation, kind, sent, error),
    };
    connection(transport.at(host))
}

/// The error of a response whose body broke off.
///
/// All of the request had been sent by then, because the head of its answer had arrived.
pub(super) fn from_body(operation: Operation, error: io::Error) -> Error {
    match Error::from_io(error) {
        Ok(own) => own,
        Err(error) => {
            let kind = kind_of_io(&error);
            connection(TransportError::new(operation, kind, Sent::All, error))
        }
    }
}

/// Wraps a failure of the connection.
fn connection(error: TransportError) -> Error {
    Error::Connection(Box::new(error))
}

/// The kind of a failure that `ureq` reports.
///
/// What is not listed here is something that `ureq` could not understand in the answer.
fn kind_of(error: &ureq::Error) -> TransportKind {
    match error {
        ureq::Error::Io(error) => kind_of_io(error),
        ureq::Error::Timeout(Timeout::Resolve) | ureq::Error::HostNotFound => TransportKind::Dns,
        ureq::Error::Timeout(Timeout::Connect) | ureq::Error::ConnectionFailed => {
            TransportKind::Connect
        }
        ureq::Error::Timeout(_) => TransportKind::Stalled,
        ureq::Error::Tls(_) | ureq::Error::Pem(_) => TransportKind::Tls,
        ureq::Error::Rustls(error) => kind_of_tls(error),
        _ => TransportKind::Protocol,
    }
}

/// The kind of a failure of input or output. `ureq` wraps its own errors and those of TLS in it.
///
/// The text of the error is looked at in one case only: the resolver of the standard library
/// reports an unknown name without a kind.
fn kind_of_io(error: &io::Error) -> TransportKind {
    if let Some(inner) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<ureq::Error>())
    {
        return kind_of(inner);
    }
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return kind_of_tls(tls);
    }
    if is_out_of_descriptors(error) {
        return TransportKind::NoDescriptors;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => TransportKind::Connect,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TransportKind::Stalled,
        // The resolver's failure has no kind of its own.
        _ if error.to_string().contains("lookup address") => TransportKind::Dns,
        _ => TransportKind::Reset,
    }
}

/// The kind of a failure of TLS. Only a certificate that is not accepted will not be accepted later
/// either. A damaged record, an alert, or data that is not TLS at all may be due to something on
/// the way, and counts as a broken connection.
fn kind_of_tls(error: &rustls::Error) -> TransportKind {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(_)
        | Tls::NoCertificatesPresented
        | Tls::UnsupportedNameType
        | Tls::PeerIncompatible(_) => TransportKind::Tls,
        Tls::InvalidMessage(_) => TransportKind::Protocol,
        _ => TransportKind::Reset,
    }
}

/// The error of an answer that is no success. A short body is read to its end, so that the
/// connection can be used again. A body that breaks off still gives the error of its status.
///
/// The error counts one attempt and no elapsed time; the retry loop fills in how often and for how
/// long it tried. `subject` decides what a code such as `not_found` means: the bucket, the file or
/// the version that the request was about.
pub(super) fn from_refusal(
    mut response: Response,
    url: &str,
    authorization: &str,
    subject: Subject<'_>,
    clock: &Clock,
) -> Error {
    let retry_after = retry_after(&response.headers, clock);
    let status = response.status;
    let body = response.body.read_what_comes(REFUSAL_LIMIT);
    let (code, message) = code_and_message(&body);
    ServiceError {
        operation: response.operation,
        status,
        code: ErrorCode::from(code.as_str()),
        message: scrub(&message, authorization),
        url_path: path_of(url),
        retry_after,
        attempts: 1,
        elapsed: Duration::ZERO,
        after_lost_answer: false,
    }
    .into_error(subject)
}

/// The code and the message of an error body. If the body is not the service's JSON, its beginning
/// is the message and the code is empty.
///
/// Both are cleaned of control characters. A proxy's page in HTML is cut to its first 1,024 bytes
/// before that.
fn code_and_message(body: &[u8]) -> (String, String) {
    let json = serde_json::from_slice::<serde_json::Value>(body).ok();
    let text = |name: &str| json.as_ref()?.get(name)?.as_str().map(escape);
    match text("code") {
        Some(code) => (code, text("message").unwrap_or_default()),
        None => (
            String::new(),
            escape(&String::from_utf8_lossy(
                body.get(..EXCERPT).unwrap_or(body),
            )),
        ),
    }
}

/// Replaces control characters, which would disturb a log or a terminal, and limits the length.
///
/// A line break in a message could otherwise forge a line in a log file.
fn escape(text: &str) -> String {
    text.chars()
        .take(EXCERPT)
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// Removes the request's own token from a message. The service repeats it in the message of
/// `auth_token_limit`.
///
/// An empty token is not looked for, because it would be found between all characters.
fn scrub(message: &str, secret: &str) -> String {
    if secret.is_empty() {
        message.to_owned()
    } else {
        message.replace(secret, "***")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{fs, io};

    use super::{code_and_message, kind_of, kind_of_io, scrub};
    use crate::error::{ErrorCode, TransportKind};

    #[test]
    fn failures_of_ureq_keep_their_kind_however_they_are_wrapped() {
        let stalled = || ureq::Error::Timeout(ureq::Timeout::PerRead);
        assert_eq!(kind_of(&stalled()), TransportKind::Stalled);
        assert_eq!(
            kind_of_io(&io::Error::other(stalled())),
            TransportKind::Stalled
        );
        assert_eq!(
            kind_of(&ureq::Error::Io(io::ErrorKind::ConnectionRefused.into())),
            TransportKind::Connect
        );
        assert_eq!(
            kind_of(&ureq::Error::Io(io::ErrorKind::UnexpectedEof.into())),
            TransportKind::Reset
        );
        assert_eq!(kind_of(&ureq::Error::HostNotFound), TransportKind::Dns);
        assert_eq!(
            kind_of(&ureq::Error::Timeout(ureq::Timeout::Connect)),
            TransportKind::Connect
        );
        let lookup =
            io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(kind_of(&ureq::Error::Io(lookup)), TransportKind::Dns);
    }

    #[test]
    fn each_error_fixture_gives_its_code_and_message() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/wire/error");
        let files: Vec<_> = fs::read_dir(folder).unwrap().collect();
        assert!(files.len() > 20, "the fixtures were not found");
        for file in files {
            let body = fs::read(file.unwrap().path()).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let code = json["code"].as_str().unwrap().to_owned();
            // Missing, null or of another type: no reason to lose the code (docs/protocol.md, section 1.8).
            let message = json["message"].as_str().unwrap_or_default().to_owned();
            assert_eq!(code_and_message(&body), (code.clone(), message), "{json}");
            assert_eq!(ErrorCode::from(code.as_str()).as_str(), code);
        }
    }

    #[test]
    fn any_error_body_is_survived() {
        for (body, code, message) in [
            (
                r#"{"code":"bad_request","message":"no","status":400}"#,
                "bad_request",
                "no",
            ),
            (
                r#"{"code":"bad_request","status":"service_unavailable"}"#,
                "bad_request",
                "",
            ),
            (r#"{"code":7}"#, "", r#"{"code":7}"#),
            ("<html>\n502</html>", "", "<html>\\n502</html>"),
            ("", "", ""),
            (r#"{"code":"bad_req"#, "", r#"{"code":"bad_req"#),
            ("null", "", "null"),
        ] {
            assert_eq!(
                code_and_message(body.as_bytes()),
                (code.to_owned(), message.to_owned()),
                "{body}"
            );
        }
        assert_eq!(code_and_message(&[0xff; 5000]).1.chars().count(), 1024);
    }

    #[test]
    fn the_token_is_blanked_out_of_a_message() {
        assert_eq!(
            scrub("more than one upload using auth token abc", "abc"),
            "more than one upload using auth token ***"
        );
        assert_eq!(scrub("x", ""), "x");
    }
}
