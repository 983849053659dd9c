//! One acts, and the others share its outcome.

use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use shuttle::sync::{Arc, mpsc};
use shuttle::thread;

use super::cancel::CancelToken;
use super::in_every_order;
use super::single_flight::SingleFlight;
use crate::error::{Error, Result};

/// What is replaced once, and how often somebody went about it.
#[derive(Default)]
struct Token {
    flight: SingleFlight<u64>,
    generation: AtomicU64,
    asked: AtomicU64,
    is_busy: AtomicBool,
}

impl Token {
    /// Replaces the generation that was found dead; `answer` is what the service says.
    fn refresh(&self, stale: u64, tokens: &[CancelToken], answer: Result<()>) -> Result<()> {
        self.flight.run(tokens, stale, || {
            if self.generation.load(Ordering::SeqCst) != stale {
                return Ok(());
            }
            assert!(!self.is_busy.swap(true, Ordering::SeqCst), "two at once");
            self.asked.fetch_add(1, Ordering::SeqCst);
            thread::yield_now();
            self.is_busy.store(false, Ordering::SeqCst);
            answer.inspect(|()| _ = self.generation.fetch_add(1, Ordering::SeqCst))
        })
    }
}

#[test]
fn many_that_find_the_token_dead_ask_once() {
    in_every_order(|| {
        let token = Arc::new(Token::default());
        let threads = [(); 3].map(|()| {
            let token = Arc::clone(&token);
            thread::spawn(move || token.refresh(0, &[], Ok(())))
        });
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
        assert_eq!(token.asked.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_failure_is_everybodys_who_waited_for_it() {
    in_every_order(|| {
        let token = Arc::new(Token::default());
        let threads = [(); 3].map(|()| {
            let token = Arc::clone(&token);
            thread::spawn(move || token.refresh(0, &[], Err(Error::NotAuthorized)))
        });
        for thread in threads {
            let outcome = thread.join().unwrap();
            assert!(matches!(outcome, Err(Error::NotAuthorized)));
        }
        let asked = token.asked.load(Ordering::SeqCst);
        assert!((1..=3).contains(&asked));
    });
}

#[test]
fn a_failure_about_something_else_is_nobodys() {
    in_every_order(|| {
        let token = Arc::new(Token::default());
        let other = {
            let token = Arc::clone(&token);
            thread::spawn(move || token.flight.run([], 7, || Err(Error::NotAuthorized)))
        };
        token.refresh(0, &[], Ok(())).unwrap();
        assert!(matches!(other.join().unwrap(), Err(Error::NotAuthorized)));
    });
}

#[test]
fn who_is_cancelled_while_acting_leaves_it_to_the_next() {
    in_every_order(|| {
        let token = Arc::new(Token::default());
        let threads = [Err(Error::Cancelled), Ok(()), Ok(())].map(|answer| {
            let token = Arc::clone(&token);
            thread::spawn(move || (answer.is_ok(), token.refresh(0, &[], answer)))
        });
        for thread in threads {
            let (lives, outcome) = thread.join().unwrap();
            assert!(outcome.is_ok() || !lives);
        }
        assert_eq!(token.generation.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_cancelled_caller_stops_waiting_although_nobody_lands() {
    in_every_order(|| {
        let flight = Arc::new(SingleFlight::default());
        let (landing, may_land) = mpsc::channel();
        let (acting, is_acting) = mpsc::channel();
        let leader = {
            let flight = Arc::clone(&flight);
            thread::spawn(move || {
                flight.run([], 0, || {
                    acting.send(()).unwrap();
                    may_land.recv().unwrap();
                    Ok(())
                })
            })
        };
        is_acting.recv().unwrap();
        let token = CancelToken::new();
        let waiting = {
            let (flight, token) = (Arc::clone(&flight), token.child());
            thread::spawn(move || flight.run([&token], 0, || Ok(())))
        };
        token.cancel();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Cancelled)));
        landing.send(()).unwrap();
        leader.join().unwrap().unwrap();
    });
}
