//! Which requests a fault meets, and when it is whose turn.

use super::chance::{Chance, matches};
use super::{Fault, Plan};
use crate::model::operation::Operation;

/// Which requests.
impl Fault {
    /// Meets the requests of one operation.
    pub fn on(operation: Operation) -> Self {
        Self::new(Some(operation))
    }

    /// Meets every request, also those of no operation that exists.
    pub fn on_any() -> Self {
        Self::new(None)
    }

    fn new(operation: Option<Operation>) -> Self {
        Self {
            operation,
            method: None,
            file_name: None,
            chance: None,
            skip: 0,
            left: Some(1),
            plan: Plan::default(),
        }
    }

    /// Meets only requests of this HTTP method, such as `"HEAD"`.
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// Meets only uploads of small files and downloads by name whose file name is `pattern`, where
    /// `*` stands for any characters. Other requests name their file in the body, if at all, and a
    /// fault is decided before that is read.
    pub fn file_name(mut self, pattern: &str) -> Self {
        self.file_name = Some(pattern.to_owned());
        self
    }

    /// Meets only this share of the requests that it would meet, drawn from `seed`: the same seed
    /// and the same order of requests give the same draws. More than 100 percent are 100.
    pub fn chance(mut self, percent: u8, seed: u64) -> Self {
        self.chance = Some(Chance {
            percent: percent.min(100),
            state: seed,
        });
        self
    }

    /// Lets the first `requests` that it would meet pass.
    pub fn after(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// Happens this many times; once, if nothing is said.
    pub fn times(mut self, times: usize) -> Self {
        self.left = Some(times);
        self
    }

    /// Happens until [`Faults::clear`](super::Faults::clear).
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }

    pub(super) fn meets(
        &self,
        operation: Option<Operation>,
        method: &str,
        file_name: Option<&str>,
    ) -> bool {
        self.operation
            .is_none_or(|wanted| operation == Some(wanted))
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self
                .file_name
                .as_deref()
                .is_none_or(|wanted| file_name.is_some_and(|name| matches(wanted, name)))
    }

    /// Whether it is this request's turn; counts it off.
    pub(super) fn fires(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.chance.as_mut().is_some_and(|chance| !chance.hits()) {
            return false;
        }
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}
