//! The arguments of the program.

use std::num::NonZeroUsize;

use b2sdk::credentials::Credentials;
use b2sdk::listing::Filter;
use b2sdk::sync::{
    Compare, Links, Newer, OldVersions, Orphans, PlaceName, RemovalLimit, SyncOptions, SyncPlace,
    Synchronizer,
};
use b2sdk::{B2Api, DownloadOptions, InMemoryAccountInfo, SqliteAccountInfo};

use super::Account;
use super::console::told;

pub(super) const USAGE: &str = "\
usage: sync [OPTION]... SOURCE DESTINATION

  -n, --dry-run             only print what would be done
  --delete                  delete what the source does not have
  --hide                    hide what the source does not have
  --keep-days N             delete versions that were superseded more than N days ago
  --exclude PATTERN         leave out names that match, and what is below such a directory;
                            a name is the whole path below the place, * also matches /, and
                            a / at the end stands for directories alone (may be repeated)
  --compare HOW             size-and-time, time, size, sha1 or name
  --newer WHAT              report, skip or replace what is newer at the destination
  --links WHAT              follow, files-only or skip
  --allow-empty-source      go on if the source has no file
  --removal-limit N|none    how many names may be removed; half of them without this
  --threads N               how many transfers at a time
  -h, --help                print this

SOURCE and DESTINATION are b2://bucket/folder, or a path. The key is that of
B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY.";
pub(super) const SEE_HELP: &str = "see --help";

/// What was asked for.
pub(super) struct Arguments {
    pub(super) is_dry_run: bool,
    options: SyncOptions,
    /// The patterns as they were given.
    pub(super) excluded: Vec<String>,
    links: Links,
    threads: Option<NonZeroUsize>,
    source: PlaceName,
    destination: PlaceName,
}

impl Arguments {
    /// Reads the arguments; the error says which of them is wrong.
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = SyncOptions::new().download(DownloadOptions::new().resume(true));
        let mut excluded = Vec::new();
        let (mut is_dry_run, mut links, mut threads) = (false, Links::Follow, None);
        let mut places = Vec::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (option, own_value) = match argument.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option, Some(value)),
                _ => (argument.as_str(), None),
            };
            let mut value = || {
                let value = own_value.or_else(|| rest.next().map(String::as_str));
                value.ok_or_else(|| format!("{option} takes a value"))
            };
            match option {
                _ if own_value.is_some() && FLAGS.contains(&option) => {
                    return Err(format!("{option} takes no value"));
                }
                "-n" | "--dry-run" => is_dry_run = true,
                "--delete" if options.orphans != Orphans::Hide => {
                    options.orphans = Orphans::Delete;
                }
                "--hide" if options.orphans != Orphans::Delete => {
                    options.orphans = Orphans::Hide;
                }
                "--delete" | "--hide" => {
                    return Err("--delete and --hide exclude each other".to_owned());
                }
                "--keep-days" => options.old_versions = OldVersions::days(number(value()?)?),
                "--exclude" => {
                    let pattern = value()?;
                    options.filters.extend(exclude(pattern));
                    excluded.push(pattern.to_owned());
                }
                "--compare" => options.compare = compare(value()?)?,
                "--newer" => options.newer = newer(value()?)?,
                "--links" => links = links_from(value()?)?,
                "--allow-empty-source" => options.allow_empty_source = true,
                "--removal-limit" => {
                    options.removal_limit = match value()? {
                        "none" => RemovalLimit::None,
                        count => RemovalLimit::Count(number(count)?),
                    };
                }
                "--threads" => {
                    let threads_given = NonZeroUsize::new(number(value()?)?);
                    threads = Some(threads_given.ok_or("at least one thread is needed")?);
                }
                option if option.starts_with('-') && option.len() > 1 => {
                    return Err(format!("there is no option {option}"));
                }
                _ => places.push(argument.parse().map_err(told)?),
            }
        }
        match <[PlaceName; 2]>::try_from(places) {
            Ok([source, destination]) => Ok(Self {
                is_dry_run,
                options,
                excluded,
                links,
                threads,
                source,
                destination,
            }),
            Err(places) => Err(format!(
                "two places are needed, a source and a destination, and the number of those given is {}",
                places.len()
            )),
        }
    }

    /// Authorizes, and opens both places.
    pub(super) fn synchronizer(&self, account: &Account) -> Result<Synchronizer, String> {
        let builder = match &account.store {
            Some(path) => B2Api::builder(
                SqliteAccountInfo::builder()
                    .path(path)
                    .open()
                    .map_err(told)?,
            ),
            None => B2Api::builder(InMemoryAccountInfo::new()),
        };
        let builder = match self.threads {
            Some(threads) => builder.workers(threads.get()),
            None => builder,
        };
        let b2_api = builder.build().map_err(told)?;
        let Credentials {
            realm,
            application_key_id,
            application_key,
            ..
        } = account.credentials.clone();
        b2_api
            .authorize_account(realm, application_key_id, application_key)
            .map_err(told)?;
        let mut source = self.source.open(&b2_api).map_err(told)?;
        if let SyncPlace::Local(folder) = &mut source {
            folder.links = self.links;
        }
        let destination = self.destination.open(&b2_api).map_err(told)?;
        Ok(Synchronizer::new(source, destination).options(self.options.clone()))
    }
}

/// The options that take no value.
const FLAGS: [&str; 4] = ["--dry-run", "--delete", "--hide", "--allow-empty-source"];

/// The filters that leave out what a pattern names, and what is below it.
pub(super) fn exclude(pattern: &str) -> Vec<Filter> {
    let name = pattern.trim_end_matches('/');
    let below = Filter::exclude(format!("{name}/*"));
    match name == pattern {
        true => vec![Filter::exclude(name), below],
        false => vec![below],
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no number that fits here"))
}

fn compare(text: &str) -> Result<Compare, String> {
    Ok(match text {
        "size-and-time" => Compare::SIZE_AND_TIME,
        "time" => Compare::TIME,
        "size" => Compare::SIZE,
        "sha1" => Compare::Sha1,
        "name" => Compare::Name,
        other => return Err(format!("files are not compared by {other:?}")),
    })
}

fn newer(text: &str) -> Result<Newer, String> {
    Ok(match text {
        "report" => Newer::Report,
        "skip" => Newer::Skip,
        "replace" => Newer::Replace,
        other => return Err(format!("{other:?} is none of report, skip, replace")),
    })
}

fn links_from(text: &str) -> Result<Links, String> {
    Ok(match text {
        "follow" => Links::Follow,
        "files-only" => Links::FilesOnly,
        "skip" => Links::Skip,
        other => return Err(format!("{other:?} is none of follow, files-only, skip")),
    })
}
