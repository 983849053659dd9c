//! What a fault does instead of the service's answer, and when.

use std::num::NonZeroU64;
use std::time::Duration;

use super::{Ending, Fault, Replacement};

/// What happens instead of the service's answer.
impl Fault {
    /// Answers an error in the service's form.
    pub fn status(self, status: u16, code: &str, message: &str) -> Self {
        let error = serde_json::json!({ "code": code, "message": message, "status": status });
        let body = format!("{error:#}");
        self.body(status, "application/json;charset=utf-8", body)
    }

    /// Answers any body: an error page, nothing, incomplete JSON.
    pub fn body(mut self, status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.plan.replacement = Some(Replacement::Answer {
            status,
            content_type: content_type.to_owned(),
            body: body.into(),
        });
        self
    }

    /// Answers a redirect to `location`.
    pub fn redirect(self, status: u16, location: &str) -> Self {
        self.body(status, "text/plain", "")
            .header("Location", location)
    }

    /// Closes the connection without an answer.
    ///
    /// A client whose body is still unread sees the connection reset soon after that, as with a
    /// server that crashes.
    pub fn drop_connection(self) -> Self {
        self.leave(Ending::Close)
    }

    /// Closes the sending side of the connection without an answer (FIN), and continues to read
    /// until the client closes its side. Unlike [`drop_connection`](Self::drop_connection), this
    /// never resets the connection.
    pub fn half_close_connection(self) -> Self {
        self.leave(Ending::HalfClose)
    }

    /// Resets the connection (RST) without an answer.
    pub fn reset_connection(self) -> Self {
        self.leave(Ending::Reset)
    }

    /// Neither reads nor answers, until the client closes the connection or the simulator stops.
    /// With [`after_continue`](Self::after_continue) or [`after_reading`](Self::after_reading), it
    /// stops reading at that point.
    pub fn stall(self) -> Self {
        self.leave(Ending::Stall)
    }

    fn leave(mut self, ending: Ending) -> Self {
        self.plan.replacement = Some(Replacement::End(ending));
        self
    }

    /// First sends `100 Continue` to a client that waits for it, and reads nothing of the body that
    /// follows.
    pub fn after_continue(mut self) -> Self {
        self.plan.continues = true;
        self
    }

    /// First reads so many bytes of the request's body, or the whole body if it is shorter.
    pub fn after_reading(mut self, bytes: u64) -> Self {
        self.plan.read = bytes;
        self
    }

    /// First reads the whole body and lets the request take effect. The service's answer is then
    /// lost.
    pub fn after_effect(mut self) -> Self {
        self.plan.after_effect = true;
        self
    }
}

/// How long the request takes.
impl Fault {
    /// Waits for this time before anything else happens, in whole milliseconds.
    pub fn delay(mut self, time: Duration) -> Self {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.plan.delay = Duration::from_millis(millis);
        self
    }

    /// Reads the request's body at this rate in bytes per second (at least 1), in small pieces. The
    /// system buffers some bytes of the client, so only a longer body is slowed down.
    pub fn slow_request(mut self, bytes_per_second: u64) -> Self {
        self.plan.read_rate = Some(NonZeroU64::new(bytes_per_second).unwrap_or(NonZeroU64::MIN));
        self
    }

    /// Sends the answer's body at this rate in bytes per second (at least 1), in small pieces.
    pub fn slow_answer(mut self, bytes_per_second: u64) -> Self {
        self.plan.edits.rate = Some(NonZeroU64::new(bytes_per_second).unwrap_or(NonZeroU64::MIN));
        self
    }
}
