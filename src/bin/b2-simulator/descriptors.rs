//! The file descriptors that the system lends the program.

/// Each connection may hold a file besides its socket, and the program holds a few itself.
fn needed(connections: usize) -> u64 {
    (connections as u64).saturating_mul(2).saturating_add(64)
}

/// Allows the program to open as many files as so many connections need. Returns how many
/// connections the system allows, if those are fewer.
#[cfg(unix)]
pub(super) fn allow(connections: usize) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let needed = needed(connections);
    let limit = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if is_enough(limit.current) {
        return None;
    }
    let wanted = limit.maximum.map_or(needed, |most| most.min(needed));
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => Some(wanted),
        Err(_) => limit.current,
    };
    (!is_enough(allowed)).then(|| allowed.unwrap_or(0).saturating_sub(64) / 2)
}

/// Other systems have no such limit for sockets.
#[cfg(not(unix))]
pub(super) fn allow(_connections: usize) -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::allow;

    #[test]
    fn what_the_system_allows_is_said_if_it_is_too_little() {
        assert_eq!(allow(1), None);
        let most = allow(usize::MAX);
        assert!(most.is_some_and(|most| most > 1), "{most:?}");
    }
}
