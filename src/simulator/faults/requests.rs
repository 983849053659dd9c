//! The requests to which a fault applies.

use super::chance::{Chance, matches};
use super::{Fault, Plan};
use crate::model::operation::Operation;

/// The requests to which the fault applies.
impl Fault {
    /// Applies to the requests of one operation.
    pub fn on(operation: Operation) -> Self {
        Self::new(Some(operation))
    }

    /// Applies to every request, even if there is no such operation.
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

    /// Applies only to requests of this HTTP method, such as `"HEAD"`.
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// Applies only to uploads of small files and to downloads by name whose file name matches
    /// `pattern`, where `*` stands for any characters. Other requests name their file in the body
    /// or not at all, and the simulator chooses the fault before it reads the body.
    pub fn file_name(mut self, pattern: &str) -> Self {
        self.file_name = Some(pattern.to_owned());
        self
    }

    /// Applies only to this share of the matching requests, drawn from `seed`: with equal seeds,
    /// equal requests in equal order get equal draws. More than 100 percent count as 100.
    pub fn chance(mut self, percent: u8, seed: u64) -> Self {
        self.chance = Some(Chance {
            percent: percent.min(100),
            state: seed,
        });
        self
    }

    /// Skips the first `requests` matching requests.
    pub fn after(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// Happens this many times. The default is once.
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
