//! What a fault does to the one request that met it, for the server to carry out and for the log to
//! tell.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

/// What the server does for one request that met a fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Nothing happens for so long.
    pub(crate) delay: Duration,
    /// How many bytes of the request's body are read in a second.
    pub(crate) read_rate: Option<NonZeroU64>,
    /// The service handles the request first.
    pub(crate) after_effect: bool,
    /// A client that waits for `100 Continue` gets it first (without `after_effect`).
    pub(crate) continues: bool,
    /// This many bytes of the body are read first (without `after_effect`).
    pub(crate) read: u64,
    pub(crate) replacement: Option<Replacement>,
    pub(crate) edits: Edits,
}

/// What replaces the service's answer.
#[derive(Debug, Clone)]
pub(crate) enum Replacement {
    Answer {
        status: u16,
        content_type: String,
        body: Vec<u8>,
    },
    End(Ending),
}

/// How a connection ends that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// FIN, and nothing is read any more.
    Close,
    /// FIN, and what comes is read until the client closes its side too.
    HalfClose,
    /// RST.
    Reset,
    /// Nothing moves until the client goes away or the simulator stops.
    Stall,
}

/// What is done to an answer on its way out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edits {
    /// Each replaces the header of its name.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) json: Option<JsonEdit>,
    /// The offset of a body byte to change.
    pub(crate) corrupt: Option<u64>,
    /// The body ends here, in this way.
    pub(crate) cut: Option<(u64, Ending)>,
    /// So many bytes too many.
    pub(crate) surplus: u64,
    pub(crate) framing: Framing,
    /// How many bytes of the body are sent in a second.
    pub(crate) rate: Option<NonZeroU64>,
}

/// How a client knows where the body of an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Framing {
    #[default]
    ContentLength,
    Chunked,
    /// Where the connection ends, as in HTTP/1.0.
    Close,
}

/// A caller's change to a JSON answer.
#[derive(Clone)]
pub(crate) struct JsonEdit(pub(super) Arc<dyn Fn(&mut Value) + Send + Sync>);

impl JsonEdit {
    pub(crate) fn apply(&self, value: &mut Value) {
        (self.0)(value);
    }
}

impl fmt::Debug for JsonEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonEdit")
    }
}

impl Plan {
    /// One line for the request log.
    pub(crate) fn describe(&self) -> String {
        let mut words = Vec::new();
        if !self.delay.is_zero() {
            words.push(format!("{} ms late", self.delay.as_millis()));
        }
        if let Some(rate) = self.read_rate {
            words.push(format!("read at {rate} bytes/s"));
        }
        if self.after_effect {
            words.push("after the effect".to_owned());
        } else if self.read > 0 {
            words.push(format!("after {} bytes", self.read));
        } else if self.continues {
            words.push("after 100 Continue".to_owned());
        }
        match &self.replacement {
            Some(Replacement::Answer { status, .. }) => words.push(format!("answer {status}")),
            Some(Replacement::End(ending)) => words.push(ending.to_string()),
            None => {}
        }
        words.extend(self.edits.describe());
        words.join(", ")
    }
}

impl Edits {
    fn describe(&self) -> Vec<String> {
        let headers = self
            .headers
            .iter()
            .map(|(name, _)| format!("header {name}"));
        let rest = [
            self.json.as_ref().map(|_| "JSON edited".to_owned()),
            self.corrupt.map(|offset| format!("byte {offset} changed")),
            match self.framing {
                Framing::ContentLength => None,
                Framing::Chunked => Some("chunked".to_owned()),
                Framing::Close => Some("no Content-Length".to_owned()),
            },
            (self.surplus > 0).then(|| format!("{} bytes too many", self.surplus)),
            self.cut
                .map(|(at, ending)| format!("{ending} at byte {at}")),
            self.rate.map(|rate| format!("sent at {rate} bytes/s")),
        ];
        headers.chain(rest.into_iter().flatten()).collect()
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Close => "closed",
            Self::HalfClose => "half-closed",
            Self::Reset => "reset",
            Self::Stall => "stalled",
        })
    }
}
