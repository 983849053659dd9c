//! A mixture of faults from a seed, for long-running tests. A client must survive each of them, or
//! fail without damage.

use super::{Fault, Faults};
use crate::model::operation::Operation;
use crate::simulator::random::draw;

impl Faults {
    /// Injects a mixture of faults, which stays until [`clear`](Self::clear): busy and failing
    /// services, expired tokens, connections that end inside a request's body, lost answers to
    /// requests that took effect, and downloads that end early or are wrong in one byte. A client
    /// cannot detect a wrong byte if it downloads a range. With equal seeds, equal requests in
    /// equal order have equal faults. No connection stalls, so clients do not have to wait for a
    /// time-out.
    ///
    /// ```
    /// use b2sdk::simulator::Simulator;
    ///
    /// let simulator = Simulator::start()?;
    /// simulator.faults().chaos(42);
    /// // ... run for an hour what must lose nothing
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn chaos(&self, seed: u64) {
        self.inject_mixture(seed, |_| true);
    }

    /// Injects the mixture of [`chaos`](Self::chaos) without answers that are wrong in one byte. A
    /// client can verify a whole file, but a range has no checksum. Use this method for tests that
    /// download ranges and compare them.
    pub fn chaos_without_corruption(&self, seed: u64) {
        self.inject_mixture(seed, |fault| fault.plan.edits.corrupt.is_none());
    }

    fn inject_mixture(&self, seed: u64, is_wanted: impl Fn(&Fault) -> bool) {
        let mut state = seed;
        for (percent, fault) in mixture(&mut state) {
            let seed = draw(&mut state);
            if is_wanted(&fault) {
                self.inject(fault.always().chance(percent, seed));
            }
        }
    }
}

fn mixture(state: &mut u64) -> Vec<(u8, Fault)> {
    let mut offset = || draw(state) % 4096;
    let busy = |fault: Fault| fault.status(503, "service_unavailable", "no tomes available");
    let mut faults = vec![
        (5, busy(Fault::on(Operation::UploadFile))),
        (5, busy(Fault::on(Operation::UploadPart))),
        (3, busy(Fault::on(Operation::GetUploadUrl)).retry_after(1)),
        (
            3,
            Fault::on(Operation::UploadFile)
                .after_reading(offset())
                .reset_connection(),
        ),
        (
            3,
            Fault::on(Operation::UploadPart)
                .after_reading(offset())
                .drop_connection(),
        ),
        (
            2,
            Fault::on(Operation::UploadFile)
                .after_effect()
                .drop_connection(),
        ),
        (
            2,
            Fault::on(Operation::UploadPart)
                .after_effect()
                .drop_connection(),
        ),
    ];
    for download in [Operation::DownloadFileByName, Operation::DownloadFileById] {
        faults.extend([
            (5, Fault::on(download).truncate_answer(offset())),
            (3, Fault::on(download).reset_answer(offset())),
            (1, Fault::on(download).corrupt_byte(offset())),
        ]);
    }
    let expired = Fault::on(Operation::GetUploadUrl);
    faults.push((2, expired.status(401, "expired_auth_token", "expired")));
    faults.push((
        1,
        Fault::on_any().status(500, "internal_error", "internal error"),
    ));
    faults
}

#[cfg(test)]
mod tests {
    use crate::model::operation::Operation;
    use crate::simulator::faults::Faults;

    fn happenings(seed: u64) -> Vec<Option<String>> {
        let faults = Faults::default();
        faults.chaos(seed);
        (0..500)
            .map(|_| faults.take(Some(Operation::UploadFile), "POST", None))
            .map(|plan| plan.map(|plan| plan.describe()))
            .collect()
    }

    #[test]
    fn without_corruption_all_but_the_wrong_bytes_are_there() {
        let words = |inject: fn(&Faults, u64)| -> Vec<String> {
            let faults = Faults::default();
            inject(&faults, 7);
            let list = faults.list().into_iter();
            list.map(|(_, fault)| fault.to_string()).collect()
        };
        let (all, milder) = (
            words(Faults::chaos),
            words(Faults::chaos_without_corruption),
        );
        let (wrong, others): (Vec<String>, Vec<String>) = all
            .into_iter()
            .partition(|fault| fault.contains("corrupt="));
        assert_eq!((wrong.len(), others), (2, milder));
    }

    #[test]
    fn a_seed_gives_its_own_faults_again_and_most_requests_pass() {
        assert_eq!(happenings(1), happenings(1));
        assert_ne!(happenings(1), happenings(2));
        let harmed = happenings(1).iter().flatten().count();
        assert!((10..150).contains(&harmed), "{harmed}");
    }
}
