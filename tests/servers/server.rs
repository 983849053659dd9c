//! What the fleet needs of a server, whatever it is.

use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use b2sdk::account_info::{AccountInfo, PostgresAccountInfo, RedisAccountInfo};
use b2sdk::testing::Clock;

/// A server that can be disturbed.
pub(crate) trait Server: Send + Sync {
    fn url(&self) -> String;

    /// Starts it, also again after it was killed or stopped.
    fn launch(&mut self);

    fn kill(&mut self);

    /// Stops it in order.
    fn stop(&mut self);

    /// Makes it stand still, so that it answers nothing.
    fn freeze(&self);

    fn thaw(&self);

    /// Removes everything that the store keeps.
    fn empty(&self);
}

/// Kills a server that may run.
pub(crate) fn kill(child: Option<Child>) {
    if let Some(mut child) = child {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Opens the account info `default` of a server.
pub(crate) fn open(url: &str, staleness: Duration, clock: &Clock) -> Arc<dyn AccountInfo> {
    if url.starts_with("redis") {
        let builder = RedisAccountInfo::builder().staleness(staleness);
        return Arc::new(builder.clock(clock).open(url).unwrap());
    }
    let builder = PostgresAccountInfo::builder().staleness(staleness);
    Arc::new(builder.migrate(true).clock(clock).connect(url).unwrap())
}
