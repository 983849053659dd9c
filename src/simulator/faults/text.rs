//! Faults as words, for command lines: `b2_upload_file:3 status=503 retry-after=2`. The words are
//! described at [`Fault`]'s `FromStr`; `Display` writes them, JSON edits left out.

use std::fmt::{self, Write as _};
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use super::{Edits, Ending, Fault, Framing, Plan, Replacement};
use crate::model::operation::Operation;
use crate::simulator::protocol::decode;

/// The reason why a text is not a [`Fault`]: which word is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSyntaxError(String);

impl fmt::Display for FaultSyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FaultSyntaxError {}

/// `TARGET[:N] WORD...`, separated by spaces. `TARGET` is an endpoint such as `b2_upload_file`, or
/// `*`. With `:N` the fault begins at the N-th matching request. All words except the flags have a
/// value, in which `%20` stands for a space:
///
/// - which requests: `method=HEAD`, `file=PATTERN`, `times=N`, `always`, `chance=PERCENT` with
///   `seed=N`;
/// - what happens instead: `status=N` with `code=C` and `message=M`, or with `type=T` and `body=B`;
///   `close`, `half-close`, `reset`, `stall`; `continue`, `read=BYTES` or `after-effect` before it;
/// - what happens to the answer: `retry-after=SECONDS`, `header=NAME:VALUE`, `corrupt=OFFSET`,
///   `no-length`, `chunked`, `surplus=BYTES`, `truncate=BYTES`, `half-close-at=BYTES`,
///   `reset-at=BYTES`, `stall-at=BYTES`;
/// - how long it takes: `delay=MILLISECONDS`, `read-rate=N` and `rate=N` (bytes per second).
///
/// ```
/// use b2sdk::simulator::Fault;
///
/// let fault: Fault = "b2_upload_file:3 times=2 status=503 retry-after=2".parse()?;
/// let page: Fault = "* chance=5 seed=1 always status=502 type=text/html body=<h1>Bad%20gateway</h1>".parse()?;
/// assert!("b2_upload_file status=many".parse::<Fault>().is_err());
/// # Ok::<(), b2sdk::simulator::FaultSyntaxError>(())
/// ```
impl FromStr for Fault {
    type Err = FaultSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_ascii_whitespace();
        let mut fault = target(words.next().unwrap_or_default())?;
        let mut answer = AnswerWords::default();
        for word in words {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            let word = Word { name, value };
            if !answer.take(&word)? {
                fault = with(fault, &word)?;
            }
        }
        answer.add_to(fault)
    }
}

fn wrong(text: impl Into<String>) -> FaultSyntaxError {
    FaultSyntaxError(text.into())
}

fn target(word: &str) -> Result<Fault, FaultSyntaxError> {
    let (name, nth) = match word.split_once(':') {
        Some((name, nth)) => (name, Some(nth)),
        None => (word, None),
    };
    let fault = match (name, Operation::from_name(name)) {
        ("*", _) => Fault::on_any(),
        (_, Some(operation)) => Fault::on(operation),
        _ => return Err(wrong(format!("{name:?} is no endpoint, nor *"))),
    };
    let Some(nth) = nth else { return Ok(fault) };
    nth.parse()
        .ok()
        .and_then(|nth: usize| nth.checked_sub(1))
        .map(|before| fault.after(before))
        .ok_or_else(|| wrong(format!("{nth:?} is no number from 1 on")))
}

struct Word<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl Word<'_> {
    fn text(&self) -> Result<String, FaultSyntaxError> {
        self.value
            .and_then(|value| decode::percent(&value.replace('+', "%2B")))
            .ok_or_else(|| wrong(format!("{} needs a value, percent-encoded", self.name)))
    }

    fn number<N: FromStr>(&self) -> Result<N, FaultSyntaxError> {
        self.value
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| wrong(format!("{} needs a number that fits", self.name)))
    }
}

fn with(fault: Fault, word: &Word<'_>) -> Result<Fault, FaultSyntaxError> {
    if word.value.is_none() {
        return Ok(match word.name {
            "always" => fault.always(),
            "close" => fault.drop_connection(),
            "half-close" => fault.half_close_connection(),
            "reset" => fault.reset_connection(),
            "stall" => fault.stall(),
            "continue" => fault.after_continue(),
            "after-effect" => fault.after_effect(),
            "no-length" => fault.without_content_length(),
            "chunked" => fault.chunked(),
            name => return Err(wrong(format!("{name:?} is no word, or needs a value"))),
        });
    }
    Ok(match word.name {
        "method" => fault.method(&word.text()?),
        "file" => fault.file_name(&word.text()?),
        "times" => fault.times(word.number()?),
        "chance" => match word.number()? {
            percent @ 0..=100 => {
                let seed = fault.chance.map_or(0, |chance| chance.state);
                fault.chance(percent, seed)
            }
            percent => return Err(wrong(format!("chance={percent} is more than 100"))),
        },
        "seed" => {
            let percent = fault.chance.map_or(100, |chance| chance.percent);
            fault.chance(percent, word.number()?)
        }
        "delay" => fault.delay(Duration::from_millis(word.number()?)),
        "read-rate" => fault.slow_request(word.number::<NonZeroU64>()?.get()),
        "rate" => fault.slow_answer(word.number::<NonZeroU64>()?.get()),
        "read" => fault.after_reading(word.number()?),
        "retry-after" => fault.retry_after(word.number()?),
        "header" => match word.text()?.split_once(':') {
            Some((name, value)) => fault.header(name, value),
            None => return Err(wrong("header needs NAME:VALUE")),
        },
        "corrupt" => fault.corrupt_byte(word.number()?),
        "surplus" => fault.lengthen_answer(word.number()?),
        "truncate" => fault.truncate_answer(word.number()?),
        "half-close-at" => fault.half_close_answer(word.number()?),
        "reset-at" => fault.reset_answer(word.number()?),
        "stall-at" => fault.stall_answer(word.number()?),
        name => return Err(wrong(format!("{name:?} is no word that takes a value"))),
    })
}

/// The words that make one answer together.
#[derive(Default)]
struct AnswerWords {
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    content_type: Option<String>,
    body: Option<String>,
}

impl AnswerWords {
    /// Whether the word is one of these.
    fn take(&mut self, word: &Word<'_>) -> Result<bool, FaultSyntaxError> {
        match word.name {
            "status" => self.status = Some(word.number()?),
            "code" => self.code = Some(word.text()?),
            "message" => self.message = Some(word.text()?),
            "type" => self.content_type = Some(word.text()?),
            "body" => self.body = Some(word.text()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn add_to(self, fault: Fault) -> Result<Fault, FaultSyntaxError> {
        let Self {
            status,
            code,
            message,
            content_type,
            body,
        } = self;
        let own_form = code.is_some() || message.is_some();
        let raw = content_type.is_some() || body.is_some();
        match status {
            None if own_form || raw => Err(wrong("code, message, type and body need a status")),
            None => Ok(fault),
            Some(status) if !(200..=599).contains(&status) => {
                Err(wrong(format!("status={status} is no final status")))
            }
            Some(_) if fault.plan.replacement.is_some() => {
                Err(wrong("status excludes close, half-close, reset and stall"))
            }
            Some(_) if own_form && raw => Err(wrong("code and message exclude type and body")),
            Some(status) if raw => Ok(fault.body(
                status,
                &content_type.unwrap_or_else(|| "text/plain".to_owned()),
                body.unwrap_or_default(),
            )),
            Some(status) => {
                let code = code.unwrap_or_else(|| usual_code(status).to_owned());
                Ok(fault.status(status, &code, &message.unwrap_or_default()))
            }
        }
    }
}

/// The code that the service most often gives with a status (docs/protocol.md, section 11).
fn usual_code(status: u16) -> &'static str {
    match status {
        400 => "bad_request",
        401 => "expired_auth_token",
        403 => "access_denied",
        404 => "not_found",
        408 => "request_timeout",
        429 => "too_many_requests",
        503 => "service_unavailable",
        _ => "internal_error",
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            method,
            file_name,
            chance,
            skip,
            left,
            plan,
        } = self;
        write!(f, "{}:", operation.map_or("*", Operation::name))?;
        write!(f, "{}", skip.saturating_add(1))?;
        match left {
            None => f.write_str(" always")?,
            Some(left) => write!(f, " times={left}")?,
        }
        let texts = [("method", method), ("file", file_name)];
        for (name, text) in texts {
            if let Some(text) = text {
                write!(f, " {name}={}", encoded(text))?;
            }
        }
        if let Some(chance) = chance {
            write!(f, " chance={} seed={}", chance.percent, chance.state)?;
        }
        write_plan(f, plan)
    }
}

fn write_plan(f: &mut fmt::Formatter<'_>, plan: &Plan) -> fmt::Result {
    let Plan {
        delay,
        read_rate,
        after_effect,
        continues,
        read,
        replacement,
        edits,
    } = plan;
    if !delay.is_zero() {
        write!(f, " delay={}", delay.as_millis())?;
    }
    if let Some(rate) = read_rate {
        write!(f, " read-rate={rate}")?;
    }
    if *continues {
        f.write_str(" continue")?;
    }
    if *read > 0 {
        write!(f, " read={read}")?;
    }
    if *after_effect {
        f.write_str(" after-effect")?;
    }
    write_replacement(f, replacement.as_ref())?;
    write_edits(f, edits)
}

fn write_replacement(f: &mut fmt::Formatter<'_>, replacement: Option<&Replacement>) -> fmt::Result {
    match replacement {
        None => Ok(()),
        Some(Replacement::End(Ending::Close)) => f.write_str(" close"),
        Some(Replacement::End(Ending::HalfClose)) => f.write_str(" half-close"),
        Some(Replacement::End(Ending::Reset)) => f.write_str(" reset"),
        Some(Replacement::End(Ending::Stall)) => f.write_str(" stall"),
        Some(Replacement::Answer {
            status,
            content_type,
            body,
        }) => {
            if let Some((code, message)) = own_form(*status, content_type, body) {
                write!(f, " status={status} code={}", encoded(&code))?;
                return match message.as_str() {
                    "" => Ok(()),
                    message => write!(f, " message={}", encoded(message)),
                };
            }
            let body = encoded(&String::from_utf8_lossy(body));
            let content_type = encoded(content_type);
            write!(f, " status={status} type={content_type} body={body}")
        }
    }
}

/// Code and message of an answer that [`Fault::status`] makes.
fn own_form(status: u16, content_type: &str, body: &[u8]) -> Option<(String, String)> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = |member: &str| Some(value.get(member)?.as_str()?.to_owned());
    let (code, message) = (text("code")?, text("message")?);
    let same = Fault::on_any().status(status, &code, &message);
    match same.plan.replacement {
        Some(Replacement::Answer {
            content_type: its_type,
            body: its_body,
            ..
        }) if its_type == content_type && its_body == body => Some((code, message)),
        _ => None,
    }
}

fn write_edits(f: &mut fmt::Formatter<'_>, edits: &Edits) -> fmt::Result {
    let Edits {
        headers,
        json: _,
        corrupt,
        cut,
        surplus,
        framing,
        rate,
    } = edits;
    for (name, value) in headers {
        match value.parse::<u64>() {
            Ok(seconds) if name == "Retry-After" && seconds.to_string() == *value => {
                write!(f, " retry-after={seconds}")?;
            }
            _ => write!(f, " header={}", encoded(&format!("{name}:{value}")))?,
        }
    }
    if let Some(offset) = corrupt {
        write!(f, " corrupt={offset}")?;
    }
    match framing {
        Framing::ContentLength => {}
        Framing::Chunked => f.write_str(" chunked")?,
        Framing::Close => f.write_str(" no-length")?,
    }
    if *surplus > 0 {
        write!(f, " surplus={surplus}")?;
    }
    if let Some(rate) = rate {
        write!(f, " rate={rate}")?;
    }
    match cut {
        None => Ok(()),
        Some((at, Ending::Close)) => write!(f, " truncate={at}"),
        Some((at, Ending::HalfClose)) => write!(f, " half-close-at={at}"),
        Some((at, Ending::Reset)) => write!(f, " reset-at={at}"),
        Some((at, Ending::Stall)) => write!(f, " stall-at={at}"),
    }
}

/// A value with what a word cannot hold percent-encoded: spaces, percent signs, and all that is not
/// printable ASCII.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
