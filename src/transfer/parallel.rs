//! Runs the pieces of one transfer at the same time, each on a thread that holds a permit.
//!
//! The calling thread makes the pieces one after the other, takes a permit for each, and starts a
//! thread for it. The first piece that fails for a reason of its own stops all others through a
//! token that they share. All threads are joined before the call returns, and that reason is the
//! caller's error. Pieces that were stopped do not count as failures.
//!
//! If the system refuses a thread, the calling thread runs the piece itself, under the permit that
//! was taken for it.
//!
//! | a piece | the others |
//! | --- | --- |
//! | fails for a reason of its own | are stopped, and the call fails with that reason |
//! | fails with `Cancelled` because the caller cancelled | are stopped as well; the call fails with `Cancelled` |
//! | panics | are stopped; the panic continues on the calling thread after all have ended |
//!
//! Waiting for a permit is also what limits how far ahead the pieces are made: no piece is made before the
//! one before it has its permit, so an iterator of any length is read only as far as it is used.
//!
//! While the next piece is made, which may read from the caller's code, the others run. A failure
//! of making it counts like that of a piece.

use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use crate::control::Control;
use crate::control::cancel::CancelToken;
use crate::control::workers::{Permit, Workers};
use crate::error::{Error, Result};

/// Runs all pieces and returns their results in order, or the first failure. The pieces run under a
/// control of their own, which is cancelled together with the caller's.
pub(crate) fn run<'p, T, J>(
    workers: &Workers,
    control: &Control,
    pieces: impl FnOnce(Control) -> Box<dyn Iterator<Item = Result<J>> + 'p>,
) -> Result<Vec<T>>
where
    T: Send,
    J: FnOnce(&Control) -> Result<T> + Send,
{
    let parent = control.cancel.as_ref();
    let own = parent.map_or_else(CancelToken::new, CancelToken::child);
    run_under(own, workers, control, pieces)
}

/// Runs all pieces under a token that a failure cancels, and returns their results in order. Whatever
/// else runs under that token stops, too.
pub(crate) fn run_under<'p, T, J>(
    own: CancelToken,
    workers: &Workers,
    control: &Control,
    pieces: impl FnOnce(Control) -> Box<dyn Iterator<Item = Result<J>> + 'p>,
) -> Result<Vec<T>>
where
    T: Send,
    J: FnOnce(&Control) -> Result<T> + Send,
{
    run_on(thread::Builder::new, own, workers, control, pieces)
}

/// Runs all pieces under a token, with threads that are made in this way.
fn run_on<'p, T, J>(
    new_thread: impl Fn() -> thread::Builder,
    own: CancelToken,
    workers: &Workers,
    control: &Control,
    pieces: impl FnOnce(Control) -> Box<dyn Iterator<Item = Result<J>> + 'p>,
) -> Result<Vec<T>>
where
    T: Send,
    J: FnOnce(&Control) -> Result<T> + Send,
{
    let control = Control {
        cancel: Some(own.clone()),
        ..control.clone()
    };
    let outcome = Results {
        done: Mutex::default(),
        failure: Mutex::default(),
        stop: own,
    };
    thread::scope(|scope| {
        // The caller's code makes the pieces; a panic in it would wait for those that run.
        let _stop = StopOnPanic(&outcome.stop);
        let mut pieces = pieces(control.clone()).enumerate();
        while !control.is_cancelled() {
            let Some((index, piece)) = pieces.next() else {
                break;
            };
            let ready = match piece.and_then(|piece| Ok((piece, workers.take(&control)?))) {
                Ok(ready) => ready,
                Err(error) => return outcome.fail(error),
            };
            // Shared with the thread, so that both are still here if the system refuses a thread.
            let piece = Arc::new(Mutex::new(Some(ready)));
            let (handed, outcome, control) = (Arc::clone(&piece), &outcome, &control);
            let act = move |piece: &Mutex<Option<(J, Permit<'_>)>>| {
                let ready = piece.lock().take();
                if let Some((piece, _permit)) = ready {
                    outcome.note(index, piece(control));
                }
            };
            let started = new_thread().spawn_scoped(scope, move || {
                let _stop = StopOnPanic(&outcome.stop);
                act(&handed);
            });
            if started.is_err() {
                act(&piece);
            }
        }
    });
    outcome.into_result()
}

/// Stops the other pieces when one panics, because nobody will use their results.
struct StopOnPanic<'a>(&'a CancelToken);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.cancel();
        }
    }
}

/// The results so far, shared by the threads.
///
/// A failure is kept before the others are stopped, so that the reports of those that were stopped
/// cannot take its place.
struct Results<T> {
    /// The results and the positions of their pieces, in the order in which they were completed.
    done: Mutex<Vec<(usize, T)>>,
    /// The first failure that was not due to the stopping of the others.
    failure: Mutex<Option<Error>>,
    /// Stops those that run, and keeps others from being started.
    stop: CancelToken,
}

impl<T> Results<T> {
    /// Notes the result of a piece.
    fn note(&self, index: usize, outcome: Result<T>) {
        match outcome {
            Ok(value) => self.done.lock().push((index, value)),
            Err(error) => self.fail(error),
        }
    }

    /// Notes a failure, and stops the other pieces. The first failure is kept, except that any
    /// failure replaces `Cancelled`.
    fn fail(&self, error: Error) {
        {
            let mut failure = self.failure.lock();
            // Those that were stopped because of the first failure report only that they were stopped.
            if matches!(*failure, None | Some(Error::Cancelled)) {
                *failure = Some(error);
            }
        }
        self.stop.cancel();
    }

    /// The results in the order of the pieces, or the failure.
    fn into_result(self) -> Result<Vec<T>> {
        if let Some(error) = self.failure.into_inner() {
            return Err(error);
        }
        if self.stop.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let mut done = self.done.into_inner();
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, value)| value).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{run, run_on};
    use crate::control::Control;
    use crate::control::cancel::CancelToken;
    use crate::control::workers::Workers;
    use crate::error::{Error, Result};

    type Piece = Box<dyn FnOnce(&Control) -> Result<usize> + Send>;

    fn pieces(
        count: usize,
        make: impl Fn(usize) -> Piece + 'static,
    ) -> impl FnOnce(Control) -> Box<dyn Iterator<Item = Result<Piece>>> {
        move |_| Box::new((0..count).map(move |n| Ok(make(n))))
    }

    #[test]
    fn results_come_in_the_order_of_the_pieces() {
        let made = pieces(100, |n| Box::new(move |_| Ok(n)));
        assert_eq!(
            run(&Workers::new(7), &Control::default(), made).unwrap(),
            (0..100).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_first_cause_is_told_and_stops_the_others() {
        let made = pieces(1000, |n| {
            Box::new(move |control: &Control| {
                if n == 5 {
                    return Err(Error::NotAuthorized);
                }
                while n < 5 && !control.is_cancelled() {
                    std::thread::yield_now();
                }
                control.check().map(|()| n)
            })
        });
        assert!(matches!(
            run(&Workers::new(7), &Control::default(), made),
            Err(Error::NotAuthorized)
        ));
    }

    #[test]
    fn a_panicking_piece_reaches_the_caller() {
        let made = pieces(3, |_| Box::new(|_| panic!("a piece panics")));
        let caught = std::panic::catch_unwind(|| run(&Workers::new(2), &Control::default(), made));
        assert!(caught.is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_piece_without_a_thread_keeps_its_permit() {
        // A stack that no system has room for.
        let refused = || std::thread::Builder::new().stack_size(1 << 60);
        let workers = Arc::new(Workers::new(1));
        let shared = Arc::clone(&workers);
        let caller = std::thread::current().id();
        let made = pieces(3, move |n| {
            let workers = Arc::clone(&shared);
            Box::new(move |_| {
                assert_eq!(std::thread::current().id(), caller);
                assert!(workers.try_take().is_none(), "the permit is free");
                Ok(n)
            })
        });
        let (own, control) = (CancelToken::new(), Control::default());
        let results = run_on(refused, own, &workers, &control, made);
        assert_eq!(results.unwrap(), [0, 1, 2]);
        assert!(workers.try_take().is_some());
    }

    #[test]
    fn a_cancelled_caller_gets_cancelled() {
        let token = CancelToken::new();
        token.cancel();
        let made = pieces(3, |n| Box::new(move |_| Ok(n)));
        assert!(matches!(
            run(&Workers::new(2), &Control::new(Some(&token)), made),
            Err(Error::Cancelled)
        ));
    }
}
