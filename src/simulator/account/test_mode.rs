//! `X-Bz-Test-Mode` (docs/protocol.md, section 1.4): requests with this header fail on purpose, so
//! that clients can test how they handle it. A seed determines which requests fail; equal requests
//! in equal order fail again.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::simulator::protocol::message::Request;
use crate::simulator::protocol::reply::Refusal;
use crate::simulator::random::draw;

/// One of so many uploads fails.
const UPLOADS: u64 = 3;
/// One of so many calls is an account token's last, but not one of the first.
const CALLS: u64 = 10;
const FIRST_CALLS: u64 = 3;

/// What has been drawn so far.
#[derive(Debug, Default)]
pub(crate) struct TestModes {
    state: Mutex<Draws>,
}

#[derive(Debug, Default)]
struct Draws {
    draws: u64,
    /// How many calls each account token was used for.
    tokens: HashMap<String, u64>,
}

impl TestModes {
    pub(crate) fn new(seed: u64) -> Self {
        let state = Draws {
            draws: seed,
            tokens: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Begins the draws again from this seed.
    pub(crate) fn restart(&self, seed: u64) {
        self.state.lock().draws = seed;
    }

    fn upload_fails(&self) -> bool {
        let mut state = self.state.lock();
        draw(&mut state.draws).is_multiple_of(UPLOADS)
    }

    /// Counts a call; says whether the token expires with it.
    fn token_expires(&self, token: &str) -> bool {
        let mut state = self.state.lock();
        let Draws { draws, tokens } = &mut *state;
        let calls = tokens.entry(token.to_owned()).or_default();
        *calls += 1;
        let expires = *calls > FIRST_CALLS && draw(draws).is_multiple_of(CALLS);
        if expires {
            tokens.remove(token);
        }
        expires
    }
}

/// `force_cap_exceeded`: every call that is otherwise allowed exceeds a cap.
pub(crate) fn force_cap(request: &Request) -> Result<(), Refusal> {
    if mode(request) == Some("force_cap_exceeded") {
        return Err(Refusal::new(403, "cap_exceeded", "Cap exceeded"));
    }
    Ok(())
}

/// `fail_some_uploads`: some upload URLs are busy. Nothing is read and nothing is stored.
pub(crate) fn fail_some_uploads(modes: &TestModes, request: &Request) -> Result<(), Refusal> {
    if mode(request) == Some("fail_some_uploads") && modes.upload_fails() {
        let (_, pod) = request.path.rsplit_once('/').unwrap_or_default();
        let message = format!("{pod} is too busy");
        return Err(Refusal::new(503, "service_unavailable", message));
    }
    Ok(())
}

/// `expire_some_account_authorization_tokens`: some account tokens expire before their day is over.
/// Returns the token that expires with this request.
pub(crate) fn expiring_token<'r>(
    modes: &TestModes,
    request: &'r Request,
    is_account_token: impl FnOnce(&str) -> bool,
) -> Option<&'r str> {
    if mode(request) != Some("expire_some_account_authorization_tokens") {
        return None;
    }
    let token = request.header("authorization")?;
    (is_account_token(token) && modes.token_expires(token)).then_some(token)
}

fn mode(request: &Request) -> Option<&str> {
    request.header("x-bz-test-mode")
}
