//! Cancelling.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::control::cancel::CancelToken;

#[test]
fn cancelling_wakes_a_waiter() {
    let token = CancelToken::new();
    let waiter = token.child();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || waiter.wait(Duration::from_secs(3600)));
        token.cancel();
        waiting.join().unwrap();
    });
}

#[test]
fn either_of_two_cancels_what_is_under_both() {
    for nth in 0..2 {
        let parents = [CancelToken::new(), CancelToken::new()];
        let [one, other] = &parents;
        let before = CancelToken::either(one, other);
        assert!(!before.is_cancelled());
        parents[nth].cancel();
        assert!(before.is_cancelled());
        assert!(CancelToken::either(one, other).is_cancelled());
        assert!(!parents[1 - nth].is_cancelled());
    }
}

#[test]
fn what_is_attached_is_made_once_and_interrupted_once() {
    let token = CancelToken::new();
    let interrupted = Arc::new(AtomicU32::new(0));
    let attach = |owner: usize| {
        let interrupted = Arc::clone(&interrupted);
        token
            .resource(
                owner,
                || Ok(owner),
                move |_| _ = interrupted.fetch_add(1, Ordering::SeqCst),
            )
            .unwrap()
    };
    assert!(Arc::ptr_eq(&attach(1), &attach(1)));
    assert_eq!(*attach(2), 2);
    token.cancel();
    token.cancel();
    assert_eq!(interrupted.load(Ordering::SeqCst), 2);
    let _late = attach(3);
    assert_eq!(
        interrupted.load(Ordering::SeqCst),
        3,
        "attached to a cancelled token"
    );
}
