//! Cancelling.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::control::cancel::{Attachment, CancelToken};

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

/// Counts how often it was interrupted.
struct Counting(Arc<AtomicU32>);

impl Attachment for Counting {
    fn interrupt(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

#[test]
fn what_is_attached_is_made_once_and_interrupted_once() {
    let (token, interrupted) = (CancelToken::new(), Arc::new(AtomicU32::new(0)));
    let attach = |owner| {
        let made = || Ok(Counting(Arc::clone(&interrupted)));
        token.attach(owner, made).unwrap()
    };
    assert!(Arc::ptr_eq(&attach(1), &attach(1)));
    assert!(!Arc::ptr_eq(&attach(1), &attach(2)));
    token.cancel();
    token.cancel();
    assert_eq!(interrupted.load(Ordering::SeqCst), 2);
    let _late = attach(3);
    let now = interrupted.load(Ordering::SeqCst);
    assert_eq!(now, 3, "attached to a cancelled token");
}

#[test]
fn what_is_abandoned_is_let_go_with_the_next_attachment() {
    let token = CancelToken::new();
    let attach = |owner, count: Arc<AtomicU32>| {
        let attached = token.attach(owner, || Ok(Counting(count))).unwrap();
        Arc::downgrade(&attached)
    };
    let count = Arc::new(AtomicU32::new(0));
    let held = attach(1, Arc::clone(&count));
    let abandoned = attach(2, Arc::default());
    attach(3, Arc::default());
    assert!(held.upgrade().is_some() && abandoned.upgrade().is_none());
}
