//! Bytes that pass at several limiters at once: the request's own and everybody's.

use std::time::Duration;

use crate::simulator::faults::RateLimiter;

/// How many of these bytes pass as one piece.
pub(super) fn piece(limiters: &[RateLimiter], bytes: usize) -> usize {
    limiters
        .iter()
        .map(RateLimiter::piece)
        .fold(bytes, usize::min)
}

/// Lets a piece in; says after what time it has passed at every limiter.
pub(super) fn enter(limiters: &[RateLimiter], bytes: usize) -> Duration {
    let times = limiters.iter().map(|limiter| limiter.enter(bytes));
    times.max().unwrap_or_default()
}

/// Waits until the piece has passed.
pub(super) async fn pass(limiters: &[RateLimiter], bytes: usize) {
    let time = enter(limiters, bytes);
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
