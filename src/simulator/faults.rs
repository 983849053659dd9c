//! Faults that a test injects into the simulator: what fails, for which requests, and how often.
//!
//! This module does not use sockets. A [`Fault`] selects requests and has a [`Plan`]; the server
//! asks [`Faults::take`] once per request and carries the plan out.

mod answer;
mod chance;
mod chaos;
mod list;
mod plan;
mod replacement;
mod requests;
mod shaping;
mod text;

pub use list::{FaultId, Faults};
pub use shaping::Shaping;
pub use text::FaultSyntaxError;

use crate::model::operation::Operation;
use chance::Chance;
pub(crate) use plan::{Edits, Ending, Framing, Plan, Replacement};
pub(crate) use shaping::RateLimiter;

/// A failure that the simulator produces, once or several times.
///
/// A fault has three parts, each with a default:
///
/// - **which requests** it meets: [`on`](Self::on) one operation or [`on_any`](Self::on_any), with
///   [`method`](Self::method), [`file_name`](Self::file_name), [`chance`](Self::chance), [`after`](Self::after) (skip the first ones) and
///   [`times`](Self::times) (once by default) or [`always`](Self::always);
/// - **what happens instead** of the service's answer: [`status`](Self::status),
///   [`body`](Self::body), [`redirect`](Self::redirect), [`drop_connection`](Self::drop_connection),
///   [`half_close_connection`](Self::half_close_connection),
///   [`reset_connection`](Self::reset_connection) or [`stall`](Self::stall). It happens before the
///   request has any effect and before a byte of its body is read, unless
///   [`after_continue`](Self::after_continue), [`after_reading`](Self::after_reading) or
///   [`after_effect`](Self::after_effect) says otherwise. Of several the last one counts;
/// - **what happens to the answer**, whoever wrote it: [`header`](Self::header),
///   [`retry_after`](Self::retry_after), [`edit_json`](Self::edit_json),
///   [`corrupt_byte`](Self::corrupt_byte), [`without_content_length`](Self::without_content_length),
///   [`chunked`](Self::chunked), [`lengthen_answer`](Self::lengthen_answer),
///   [`truncate_answer`](Self::truncate_answer), [`half_close_answer`](Self::half_close_answer),
///   [`reset_answer`](Self::reset_answer), [`stall_answer`](Self::stall_answer). With only these,
///   the service answers as ever.
///
/// A fault can also take time: [`delay`](Self::delay), [`slow_request`](Self::slow_request),
/// [`slow_answer`](Self::slow_answer).
///
/// ```
/// use b2sdk::{Operation, simulator::{Fault, Simulator}};
///
/// let simulator = Simulator::start()?;
/// // The third upload finds its pod busy, twice.
/// simulator.faults().inject(
///     Fault::on(Operation::UploadFile)
///         .after(2)
///         .times(2)
///         .status(503, "service_unavailable", "tome is too busy")
///         .retry_after(2),
/// );
/// // A listing is answered by a proxy.
/// simulator.faults().inject(
///     Fault::on(Operation::ListFileNames).body(502, "text/html", "<html>Bad gateway</html>"),
/// );
/// // A part is stored, but nobody hears of it.
/// simulator
///     .faults()
///     .inject(Fault::on(Operation::UploadPart).after_effect().drop_connection());
/// assert_eq!(simulator.faults().remaining(), 4);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    operation: Option<Operation>,
    method: Option<String>,
    file_name: Option<String>,
    chance: Option<Chance>,
    skip: usize,
    /// `None` if the fault stays until it is removed.
    left: Option<usize>,
    plan: Plan,
}
