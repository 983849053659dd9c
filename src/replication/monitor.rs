//! How far replication is: the newest version of each name in the source beside that in the
//! destination. Both buckets are listed at the same pace in the order of names, so a page of each is
//! in memory, however many files there are.
//!
//! The order of requests: a page of `b2_list_file_versions` of the source, one of the destination,
//! and then further pages of whichever side runs out of rows first. Nothing is changed on either
//! side, and nothing is downloaded.
//!
//! | what goes wrong | what follows |
//! | --- | --- |
//! | a page is refused, cut or not answered | the session repeats it, as in any listing |
//! | a side fails for good | the error is the last item, and what was compared before it is valid |
//! | the names of one side are not in order | `UnexpectedReply`: compared side by side, all of them would seem to be missing |
//! | files change while the sides are listed | each name is as it was when its page was listed |
//! | the call is cancelled | `Cancelled` is the last item |

use std::cmp::Ordering;
use std::iter::Peekable;

use crate::bucket::Bucket;
use crate::bucket::list::FileVersions;
use crate::control::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::model::file::{FileAction, FileVersion};
use crate::model::operation::Operation;
use crate::model::replication::ReplicationRule;
use crate::replication::report::{PairState, Report, Side};

/// Compares the source and the destination of a replication rule, to see how far its replication
/// is.
///
/// It lists all versions of the files that the rule applies to, on both sides. Each started 1,000
/// versions are billed as one call of class C. The keys need `listFiles` for both buckets. Both are listed at
/// the same pace, so memory does not grow with the number of files.
#[derive(Debug, Clone)]
pub struct Monitor {
    /// The bucket that the rule belongs to.
    source: Bucket,
    /// The rule, whose prefix limits both listings.
    rule: ReplicationRule,
    /// The bucket that is compared with the source, if there is one.
    destination: Option<Bucket>,
    /// Cancels both listings.
    cancel: Option<CancelToken>,
}

impl Monitor {
    /// Creates a monitor that lists only the source bucket and reports the replication status of
    /// its files.
    #[must_use]
    pub fn new(source: &Bucket, rule: &ReplicationRule) -> Self {
        Self {
            source: source.clone(),
            rule: rule.clone(),
            destination: None,
            cancel: None,
        }
    }

    /// Lists the rule's destination bucket as well, and compares both sides. The bucket may belong to another
    /// `B2Api`.
    #[must_use]
    pub fn destination(mut self, bucket: &Bucket) -> Self {
        self.destination = Some(bucket.clone());
        self
    }

    /// Sets a token that cancels the listings. They then end with [`Error::Cancelled`].
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }

    /// Returns an iterator over all names, in order, with the newest version on both sides.
    ///
    /// ```
    /// # #[cfg(feature = "simulator")] {
    /// # let service = b2sdk::simulator::Simulator::start().unwrap();
    /// # let b2_api = b2sdk::B2Api::new(b2sdk::InMemoryAccountInfo::new());
    /// # b2_api.authorize_account(service.url(), service.application_key_id(), service.application_key())?;
    /// # let east = b2_api.create_bucket("example-east-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// # let west = b2_api.create_bucket("example-west-b2-1", b2sdk::BucketType::AllPrivate)?;
    /// use b2sdk::replication::{Monitor, Side, set_up};
    ///
    /// let replication = set_up(&east, &west)?;
    /// east.upload_bytes(b"hello", "hello.txt")?;
    /// for pair in Monitor::new(&east, &replication.rule).destination(&west).pairs()? {
    ///     let pair = pair?;
    ///     let name = pair.source.as_ref().map(|version| version.file_name.as_str());
    ///     assert_eq!((name, pair.state().destination), (Some("hello.txt"), Side::Missing)); // not yet
    /// }
    /// # }
    /// # Ok::<_, b2sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the destination is not the rule's; nothing is sent before the first pair is
    /// asked for. The pairs are [`Error::NotAllowed`], or the [errors of any
    /// call](crate::Error#errors-of-any-call); an error is the last of them.
    pub fn pairs(&self) -> Result<Pairs> {
        let Self {
            source,
            rule,
            destination,
            cancel,
        } = self;
        if let Some(other) = destination
            && other.id() != rule.destination_bucket_id
        {
            return Err(Error::invalid_input(
                "destination",
                format!(
                    "the rule {:?} replicates into bucket {}, not into {:?}",
                    rule.replication_rule_name,
                    rule.destination_bucket_id,
                    other.name()
                ),
            ));
        }
        let newest = |bucket: &Bucket| {
            Newest::new(bucket.versions_with_prefix(&rule.file_name_prefix, cancel.as_ref()))
                .peekable()
        };
        Ok(Pairs {
            source: newest(source),
            destination: destination.as_ref().map(newest),
            failed: false,
        })
    }

    /// Lists all names and counts them by state. For a large bucket this takes many requests.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the destination is not the rule's; [`Error::NotAllowed`] if a key may not
    /// list its bucket; [`Error::Cancelled`]; the [errors of any call](crate::Error#errors-of-any-call).
    /// Nothing of the count is returned then.
    pub fn scan(&self) -> Result<Report> {
        let mut report = Report::default();
        for pair in self.pairs()? {
            let pair = pair?;
            let version = pair.source.as_ref().or(pair.destination.as_ref());
            let (bytes, name) = version.map_or((0, ""), |version| {
                (version.content_length, version.file_name.as_str())
            });
            report.add(pair.state(), bytes, name);
        }
        Ok(report)
    }
}

/// A name and its newest version on both sides, from [`Monitor::pairs`]. At least one side has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pair {
    /// The newest version in the source bucket, which may be a hide marker; `None` if the source does not have
    /// the name.
    pub source: Option<FileVersion>,
    /// The newest version in the destination bucket, which may be a hide marker; `None` if the destination does
    /// not have the name, or is not listed.
    pub destination: Option<FileVersion>,
    /// Whether the destination was listed, so that a missing version there means something.
    is_compared: bool,
}

impl Pair {
    /// Compares the two versions: their replication status, content (by size and, where both are known, SHA-1),
    /// type and file info. Nothing is sent.
    #[must_use]
    pub fn state(&self) -> PairState {
        let both = match (&self.source, &self.destination) {
            (Some(source), Some(destination)) if is_file(source) && is_file(destination) => {
                Some((source, destination))
            }
            _ => None,
        };
        PairState {
            source: side(self.source.as_ref()),
            destination: match self.is_compared {
                true => side(self.destination.as_ref()),
                false => Side::NotScanned,
            },
            content_differs: both.is_some_and(|(a, b)| content_differs(a, b)),
            metadata_differs: both.is_some_and(|(a, b)| {
                a.content_type != b.content_type || a.file_info != b.file_info
            }),
        }
    }
}

/// What one side has of a name.
///
/// Only the newest version counts, whatever lies below it.
fn side(version: Option<&FileVersion>) -> Side {
    match version {
        None => Side::Missing,
        Some(version) if is_file(version) => Side::File(version.replication_status.clone()),
        Some(_) => Side::Hidden,
    }
}

/// Whether the version is a file and not a hide marker.
fn is_file(version: &FileVersion) -> bool {
    version.action != FileAction::Hide
}

/// A checksum that one side does not have says nothing.
///
/// A large file has a checksum only if its uploader recorded one.
fn content_differs(source: &FileVersion, destination: &FileVersion) -> bool {
    let sums = source.sha1().zip(destination.sha1());
    source.content_length != destination.content_length || sums.is_some_and(|(a, b)| a != b)
}

/// An iterator over the names of a replication in their order, from [`Monitor::pairs`]. It requests pages of
/// both buckets as it needs them, each started 1,000 versions a call of class C. After an error it ends.
#[derive(Debug)]
pub struct Pairs {
    /// The newest versions of the source, by name.
    source: Peekable<Newest>,
    /// Those of the destination, if it is listed.
    destination: Option<Peekable<Newest>>,
    /// Whether an error was returned, after which there is nothing more.
    failed: bool,
}

impl Pairs {
    /// Which side has the lower name; an error comes first, wherever it is.
    fn first(&mut self) -> Option<Ordering> {
        let source = self.source.peek();
        let destination = self.destination.as_mut().and_then(Peekable::peek);
        Some(match (source, destination) {
            (None, None) => return None,
            (Some(Err(_)), _) | (Some(_), None) => Ordering::Less,
            (_, Some(Err(_))) | (None, Some(_)) => Ordering::Greater,
            (Some(Ok(source)), Some(Ok(destination))) => {
                source.file_name.cmp(&destination.file_name)
            }
        })
    }

    /// Takes the lower name from its side, or from both if they are equal.
    fn next_pair(&mut self) -> Result<Option<Pair>> {
        let Some(first) = self.first() else {
            return Ok(None);
        };
        let source = match first {
            Ordering::Less | Ordering::Equal => self.source.next().transpose()?,
            Ordering::Greater => None,
        };
        let destination = match (&mut self.destination, first) {
            (Some(destination), Ordering::Greater | Ordering::Equal) => {
                destination.next().transpose()?
            }
            _ => None,
        };
        Ok(Some(Pair {
            source,
            destination,
            is_compared: self.destination.is_some(),
        }))
    }
}

/// Each item may cost a request of each side, or none.
impl Iterator for Pairs {
    type Item = Result<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_pair().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

impl std::iter::FusedIterator for Pairs {}

/// Of the versions of each name the newest that is a file or a hide marker.
///
/// Versions come newest first within a name, so the first one that counts decides, and the others
/// are read and passed over: they are billed all the same.
#[derive(Debug)]
struct Newest {
    /// All versions, newest first within each name.
    versions: FileVersions,
    /// The name that was returned last.
    name: Option<String>,
}

impl Newest {
    const fn new(versions: FileVersions) -> Self {
        Self {
            versions,
            name: None,
        }
    }
}

impl Iterator for Newest {
    type Item = Result<FileVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let version = match self.versions.next()? {
                Ok(version) => version,
                Err(error) => return Some(Err(error)),
            };
            // Not there yet, or no file at all.
            if matches!(version.action, FileAction::Start | FileAction::Folder) {
                continue;
            }
            match self
                .name
                .as_deref()
                .map(|name| name.cmp(&version.file_name))
            {
                Some(Ordering::Equal) => continue,
                // Side by side, names out of order would all seem to be missing.
                Some(Ordering::Greater) => {
                    return Some(Err(Error::UnexpectedReply {
                        operation: Operation::ListFileVersions,
                        source: "the names are not in order".into(),
                    }));
                }
                Some(Ordering::Less) | None => {}
            }
            self.name = Some(version.file_name.clone());
            return Some(Ok(version));
        }
    }
}
