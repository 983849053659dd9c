//! What this crate does in a process of its own.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use b2sdk::sync::{
    LocalFolder, OldVersions, Orphans, PlaceName, RemovalLimit, SyncOptions, SyncPlace,
    Synchronizer,
};
use b2sdk::{B2Api, InMemoryAccountInfo};

/// The argument that makes this program the one that is measured.
pub(crate) const ROLE: &str = "ours";

/// Does a job: its kind, the directory or the folder of the source, the folder, and how many threads.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    let mut text = || -> Result<String> {
        let argument = arguments.next().context("an argument is missing")?;
        let text = argument.into_string();
        text.ok().context("an argument is not UTF-8")
    };
    let (kind, local, folder) = (text()?, text()?, text()?);
    let b2_api = B2Api::builder(InMemoryAccountInfo::new())
        .workers(text()?.parse::<usize>()?)
        .build()?;
    let variable = |name| env::var(name).context(name);
    b2_api.authorize_account(
        variable("B2_ENVIRONMENT")?,
        variable("B2_APPLICATION_KEY_ID")?,
        variable("B2_APPLICATION_KEY")?,
    )?;
    let SyncPlace::Bucket(folder) = folder.parse::<PlaceName>()?.open(&b2_api)? else {
        bail!("{folder} is no folder of a bucket");
    };
    let directory = LocalFolder::new(PathBuf::from(&local));
    match kind.as_str() {
        "up" => drop(Synchronizer::new(directory, folder).run()?),
        "down" => drop(Synchronizer::new(folder, directory).run()?),
        "copy" => {
            let source = folder.bucket().folder(&local);
            Synchronizer::new(source, folder).run()?;
        }
        "scan" => {
            for step in Synchronizer::new(directory, folder).plan()? {
                step?;
            }
        }
        "orphans" | "versions" => {
            // Planned as a run would plan them: the removals wait in a spool until both scans have ended.
            let options = SyncOptions::new()
                .orphans(Orphans::Delete)
                .old_versions(OldVersions::Delete)
                .removal_limit(RemovalLimit::None);
            let sync = Synchronizer::new(directory, folder).options(options);
            let mut removals = 0_u64;
            for step in sync.plan()? {
                removals += u64::from(step?.is_removal());
            }
            anyhow::ensure!(removals > 0, "nothing would be removed");
        }
        other => bail!("there is no job {other}"),
    }
    Ok(())
}
