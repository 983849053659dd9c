//! What steers a call.

mod cancel;

use std::num::NonZeroU64;
use std::time::Duration;

use super::Control;
use crate::control::cancel::CancelToken;
use crate::control::clock::Clock;
use crate::control::rate_limit::RateLimiter;
use crate::error::Error;

/// Whether a wait of an hour ends with the token.
fn ends_with(token: &CancelToken, control: &Control) {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| control.sleep(&Clock::default(), Duration::from_secs(3600)));
        token.cancel();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
    });
}

#[test]
fn a_wait_ends_with_its_call_and_with_a_shutdown() {
    let (call, closing) = (CancelToken::new(), CancelToken::new());
    ends_with(&closing, &Control::default().closed_by(&closing));
    let (call_of_another, closing) = (CancelToken::new(), CancelToken::new());
    let control = Control::new(Some(&call_of_another)).closed_by(&closing);
    ends_with(&closing, &control);
    let control = Control::new(Some(&call)).closed_by(&CancelToken::new());
    ends_with(&call, &control);
}

#[test]
fn a_shutdown_ends_the_wait_for_bandwidth() {
    let (limiter, closing) = (RateLimiter::default(), CancelToken::new());
    limiter.set_limit(NonZeroU64::new(1));
    closing.cancel();
    let control = Control::default().closed_by(&closing);
    let outcome = limiter.moved(1 << 40, &Clock::default(), &control);
    assert!(matches!(outcome, Err(Error::Cancelled)));
}
