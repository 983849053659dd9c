//! What happens before the first step: everything that can be refused is refused, and both scans
//! are set up.
//!
//! 1. The places: two local ones, or one inside of the other, are refused. A destination as it was
//!    at a time, too.
//! 2. The options: what contradicts itself, or does not fit the kind of the destination.
//! 3. The keys: listing at both sides, and what the options ask for at the destination. A key that
//!    the store holds is asked for; with an expired token this authorizes, which is the only
//!    request that this makes.
//! 4. The source: its root is a directory, and the marker file is there.
//! 5. The filters: expressions are compiled.
//!
//! A plan and a run prepare alike, except that a run also removes the temporary files of killed
//! runs while it scans a local destination (`clean`). Nothing else is changed before the first step. A local
//! destination that does not exist is scanned as an empty one, and created for the first file.
//!
//! | what happens | error | requests sent |
//! |---|---|---|
//! | the places, the options | `LocalToLocal`, `Overlap`, `Contradiction` | none |
//! | the expressions | `Regex`, `Contradiction` | at most an authorization |
//! | a key may not do what is asked for, or nothing is authorized | `NotAllowed` | at most an authorization |
//! | the source is missing, is a file, cannot be read | `Directory` | at most an authorization |
//! | the marker file is missing | `MarkerMissing` | at most an authorization |
//! | the destination is missing | none: it is scanned as an empty one | |
//!
//! Whether the key may read what is downloaded or copied is not looked at here. If it may not, each
//! file fails.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::control::cancel::CancelToken;
use crate::control::clock::Clock;
use crate::control::workers::Workers;
use crate::error::Error;
use crate::model::operation::Operation;
use crate::session::capabilities::Requirements;
use crate::sync::Synchronizer;
use crate::sync::act::Actor;
use crate::sync::clean::Cleaner;
use crate::sync::content::ContentReader;
use crate::sync::error::{Refused, SyncError};
use crate::sync::filter::Filters;
use crate::sync::observe::SyncRun;
use crate::sync::options::{OldVersions, Orphans};
use crate::sync::place::{BucketFolder, Direction, LocalFolder, SyncPlace};
use crate::sync::plan::{Now, PlanContext, Planner};
use crate::sync::reporter::Reporter;
use crate::sync::scan::Scan;
use crate::sync::scan::bucket::{BucketScan, ScanOptions, View};
use crate::sync::scan::local::{LocalScan, Rules};
use crate::sync::scan::rows::KeptDetails;
use crate::sync::source::SourceGuard;
use crate::sync::unfinished::UnfinishedFiles;
use crate::sync::write::LocalTree;
use crate::transfer::parts::part_sizes;

/// What a plan or a run is made of.
///
/// Its parts share one token, one reporter and one set of filters.
pub(super) struct Prepared {
    /// Yields the steps.
    pub(super) planner: Planner,
    /// Makes them.
    pub(super) actor: Actor,
    /// Looks at the source again before anything is removed.
    pub(super) guard: SourceGuard,
    /// The workers of the `B2Api`, whose number is that of the threads.
    pub(super) workers: Arc<Workers>,
    pub(super) clock: Clock,
}

/// What the parts of a plan or a run share.
///
/// They are made once, so that a cancellation reaches both scans, the planner and every transfer.
struct Parts {
    direction: Direction,
    filters: Arc<Filters>,
    reporter: Arc<Reporter>,
    cancel: CancelToken,
    /// From this size on, files are uploaded in parts.
    large_from: u64,
    clock: Clock,
    /// What removes the rests of killed downloads from a local destination, if they are removed.
    cleaner: Option<Arc<Cleaner>>,
}

impl Synchronizer {
    /// Looks at everything that can be refused, and sets both scans up. With `cleans`, the scan of
    /// a local destination also removes what killed downloads left there.
    ///
    /// The cancel token of the settings becomes the parent of the run's own, so that a run that
    /// ends early can stop its transfers without cancelling anything else of the caller.
    pub(super) fn prepare(&self, settings: &SyncRun, cleans: bool) -> Result<Prepared, SyncError> {
        let options = &self.options;
        let direction = self.direction()?;
        let to_bucket = !matches!(direction, Direction::Down { .. });
        options.check(to_bucket)?;
        if let (Direction::Down { root }, Some(aside)) = (&direction, &options.set_aside) {
            let (root, aside) = (resolved(root), resolved(aside));
            if aside.starts_with(&root) || root.starts_with(&aside) {
                return Err(Refused::contradiction(
                    "the directory for files set aside and the destination lie in each other, so that what is set aside would be synchronized",
                ));
            }
        }
        let part_size = self.check_keys()?;
        let cancel = settings
            .cancel
            .as_ref()
            .map_or_else(CancelToken::new, CancelToken::child);
        let guard = match &self.source {
            SyncPlace::Local(folder) => SourceGuard::new(folder)?,
            SyncPlace::Bucket(_) => SourceGuard::default(),
        };
        let Some(client) = self.a_bucket().map(Bucket::client) else {
            return Err(SyncError::Refused(Refused::LocalToLocal));
        };
        let clock = client.session.clock().clone();
        let parts = Parts {
            direction,
            filters: Arc::new(Filters::new(options, self.source.folder().is_some())?),
            reporter: Arc::new(Reporter::new(settings.observer.as_ref(), &clock)),
            cleaner: self.cleaner(cleans, &clock),
            clock: clock.clone(),
            large_from: options.upload.part_size.unwrap_or(part_size),
            cancel,
        };
        let (source, destination) = self.scans(&parts)?;
        Ok(Prepared {
            planner: Planner::new(source, destination, self.context(&parts)),
            actor: self.actor(&parts),
            guard,
            workers: Arc::clone(&client.workers),
            clock,
        })
    }

    /// What the planner needs besides the scans.
    fn context(&self, parts: &Parts) -> PlanContext {
        PlanContext {
            direction: parts.direction.clone(),
            options: Arc::clone(&self.options),
            filters: Arc::clone(&parts.filters),
            prefix: self
                .destination
                .folder()
                .map(|folder| folder.prefix.clone()),
            now: match self.destination.folder() {
                Some(folder) => Now::At(folder.bucket.clone()),
                None => Now::Never,
            },
            source_prefix: self.source.folder().map(|folder| folder.prefix.clone()),
            content: ContentReader {
                root: match &parts.direction {
                    Direction::Up { root } | Direction::Down { root } => Some(root.clone()),
                    Direction::Copy => None,
                },
                cancel: parts.cancel.clone(),
                reporter: Arc::clone(&parts.reporter),
            },
            reporter: Arc::clone(&parts.reporter),
        }
    }

    /// What makes the steps, whose calls are cancelled with the run.
    fn actor(&self, parts: &Parts) -> Actor {
        let in_bucket = |place: &SyncPlace| {
            let folder = place.folder()?;
            let bucket = folder.bucket.with_cancel(&parts.cancel);
            Some((bucket, folder.prefix.clone()))
        };
        let aside = self.options.set_aside.as_deref();
        Actor {
            direction: parts.direction.clone(),
            options: Arc::clone(&self.options),
            destination: in_bucket(&self.destination),
            source: in_bucket(&self.source),
            as_of: self.source.folder().and_then(|folder| folder.as_of),
            filters: Arc::clone(&parts.filters),
            tree: match &self.destination {
                SyncPlace::Local(folder) => Some(LocalTree::new(
                    &folder.root,
                    aside,
                    &parts.clock,
                    &parts.cancel,
                )),
                SyncPlace::Bucket(_) => None,
            },
            local_source: match &self.source {
                SyncPlace::Local(folder) => Some(folder.clone()),
                SyncPlace::Bucket(_) => None,
            },
            cancel: parts.cancel.clone(),
            unfinished: UnfinishedFiles::default(),
            large_from: parts.large_from,
            reporter: Arc::clone(&parts.reporter),
            cleaner: parts.cleaner.clone(),
            is_saved: false,
        }
    }

    /// What removes the rests of killed downloads, for a run into a local directory.
    fn cleaner(&self, cleans: bool, clock: &Clock) -> Option<Arc<Cleaner>> {
        match &self.destination {
            SyncPlace::Local(folder) if cleans => {
                Some(Arc::new(Cleaner::new(folder.root.clone(), clock.now())))
            }
            _ => None,
        }
    }

    /// The bucket of the destination, or of the source: one of them is in a bucket.
    fn a_bucket(&self) -> Option<&Bucket> {
        let folder = self.destination.folder().or_else(|| self.source.folder());
        folder.map(|folder| &folder.bucket)
    }

    /// The direction, from the kinds of the places. Fails for two local places, and for overlapping
    /// folders of one bucket, which are compared by the bucket's id and their prefixes.
    fn direction(&self) -> Result<Direction, SyncError> {
        match (&self.source, &self.destination) {
            (SyncPlace::Local(_), SyncPlace::Local(_)) => {
                Err(SyncError::Refused(Refused::LocalToLocal))
            }
            (SyncPlace::Local(folder), SyncPlace::Bucket(_)) => Ok(Direction::Up {
                root: folder.root.clone(),
            }),
            (SyncPlace::Bucket(_), SyncPlace::Local(folder)) => Ok(Direction::Down {
                root: folder.root.clone(),
            }),
            (SyncPlace::Bucket(source), SyncPlace::Bucket(destination)) => {
                let is_same = source.bucket.id() == destination.bucket.id();
                let is_inside = |one: &BucketFolder, other: &BucketFolder| {
                    is_same && one.prefix.starts_with(&other.prefix)
                };
                let overlap = |inner: &BucketFolder, outer: &BucketFolder| {
                    Err(SyncError::Refused(Refused::Overlap {
                        inner: inner.to_string().into(),
                        outer: outer.to_string().into(),
                    }))
                };
                if is_inside(source, destination) {
                    overlap(source, destination)
                } else if is_inside(destination, source) {
                    overlap(destination, source)
                } else {
                    Ok(Direction::Copy)
                }
            }
        }
    }

    /// Refuses what the application keys may certainly not do: by their capabilities, the bucket
    /// and the prefix of names that they are restricted to. Returns the part size that the service
    /// recommends for uploads, if there are any.
    fn check_keys(&self) -> Result<u64, SyncError> {
        if let SyncPlace::Bucket(folder) = &self.source {
            require(folder, Operation::ListFileNames)?;
        }
        let SyncPlace::Bucket(folder) = &self.destination else {
            return Ok(u64::MAX);
        };
        if folder.as_of.is_some() {
            return Err(Refused::contradiction(
                "a destination is synchronized as it is now",
            ));
        }
        require(folder, Operation::ListFileNames)?;
        let part_size = require(folder, Operation::UploadFile)?;
        let options = &self.options;
        if options.orphans == Orphans::Delete || options.old_versions != OldVersions::Keep {
            require(folder, Operation::DeleteFileVersion)?;
        }
        Ok(part_size)
    }

    /// Sets up both scans. The root of a local place is read here, a bucket is not listed yet.
    fn scans(&self, parts: &Parts) -> Result<(Scan, Scan), SyncError> {
        let Parts {
            filters,
            cancel,
            reporter,
            ..
        } = parts;
        let local = |folder: &LocalFolder, rules| {
            LocalScan::new(&folder.root, rules, filters, cancel, reporter)
                .map(|scan| Scan::Local(Box::new(scan)))
        };
        let bucket = |folder: &BucketFolder, options| {
            let scan = BucketScan::new(folder, cancel, options, filters, reporter);
            Scan::Bucket(Box::new(scan))
        };
        let unreadable = |folder: &LocalFolder, error: io::Error| {
            Refused::directory(&folder.root, error.to_string())
        };
        let source = match &self.source {
            SyncPlace::Bucket(folder) => bucket(folder, Self::options_of_source(parts)),
            SyncPlace::Local(folder) => {
                let prefix = self.destination.folder().map(|folder| &*folder.prefix);
                local(folder, Rules::of_source(folder, prefix.unwrap_or_default()))
                    .map_err(|error| unreadable(folder, error))?
            }
        };
        let destination = match &self.destination {
            SyncPlace::Bucket(folder) => bucket(folder, self.options_of_destination()),
            SyncPlace::Local(folder) => {
                match local(folder, Rules::of_destination(folder, parts.cleaner.clone())) {
                    Ok(scan) => scan,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Scan::Nothing,
                    Err(error) => return Err(unreadable(folder, error)),
                }
            }
        };
        Ok((source, destination))
    }

    /// How a bucket is scanned as a source: the newest versions, with the metadata that copies
    /// repeat.
    const fn options_of_source(parts: &Parts) -> ScanOptions {
        ScanOptions {
            view: View::Newest,
            is_source: true,
            details: KeptDetails {
                // A copy repeats them, with the time at which the file was uploaded.
                without_time: matches!(parts.direction, Direction::Copy),
                ..KeptDetails::NONE
            },
        }
    }

    /// How a bucket is scanned as a destination: all versions if some may be deleted, with the
    /// metadata of files that copies may be made from.
    fn options_of_destination(&self) -> ScanOptions {
        let options = &self.options;
        let lists_all =
            options.orphans == Orphans::Delete || options.old_versions != OldVersions::Keep;
        let copies_from = [options.touched.from(), options.renames.from()];
        ScanOptions {
            view: if lists_all { View::All } else { View::Newest },
            is_source: false,
            details: KeptDetails {
                from: copies_from.into_iter().flatten().min().unwrap_or(u64::MAX),
                without_time: false,
            },
        }
    }
}

/// A path without links, as far as there is something at it. What is not there yet is taken as it
/// is written, because it will be made of plain directories.
fn resolved(path: &Path) -> PathBuf {
    // Fails only for an empty path, or without a working directory: then nothing can be read there.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut resolved = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            // What comes before has no links left, or is not there.
            resolved.pop();
            continue;
        }
        resolved.push(component);
        if let Ok(found) = resolved.canonicalize() {
            resolved = found;
        }
    }
    resolved
}

/// Refuses what the key may certainly not do with the files of a folder. Returns the part size that
/// the service recommends.
fn require(folder: &BucketFolder, operation: Operation) -> Result<u64, SyncError> {
    let bucket: &Bucket = &folder.bucket;
    let id = bucket.id();
    let needs = Requirements::from(operation)
        .about(bucket.name())
        .bucket(&id)
        .named(&folder.prefix);
    let control = bucket.control("sync", None, None);
    let session = &bucket.client().session;
    let refused = |error: Error| SyncError::Refused(Refused::NotAllowed(Box::new(error)));
    let snapshot = session.require(&needs, &control).map_err(refused)?;
    Ok(part_sizes(snapshot.auth()).1)
}
