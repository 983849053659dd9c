//! Bytes that pass at several paces at once: the request's own and everybody's.

use std::time::Duration;

use crate::simulator::faults::Pace;

/// How many of these bytes pass as one piece.
pub(super) fn piece(paces: &[Pace], bytes: usize) -> usize {
    paces.iter().map(Pace::piece).fold(bytes, usize::min)
}

/// Lets a piece in; says after what time it has passed at every pace.
pub(super) fn enter(paces: &[Pace], bytes: usize) -> Duration {
    let times = paces.iter().map(|pace| pace.enter(bytes));
    times.max().unwrap_or_default()
}

/// Waits until the piece has passed.
pub(super) async fn pass(paces: &[Pace], bytes: usize) {
    let time = enter(paces, bytes);
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
