//! What a measured process has to do. It travels to the process as its arguments.

use std::fmt;

use anyhow::{Context as _, Result, bail};

/// What stands for an adaptive number of workers.
pub(crate) const ADAPTIVE: usize = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl Direction {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    Sqlite,
    /// In memory, and downloads are not flushed to disk.
    Unflushed,
}

/// How a listing is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    OnDemand,
    /// The next page is fetched while one is read.
    Ahead,
    /// The floor decodes all members of each row, not only the name.
    AllMembers,
}

impl Listing {
    const ALL: [(Self, &str); 3] = [
        (Self::OnDemand, "on_demand"),
        (Self::Ahead, "ahead"),
        (Self::AllMembers, "all_members"),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// One large file.
    Large {
        direction: Direction,
        workers: usize,
        /// Upload: whether the whole is hashed before.
        whole_sha1: bool,
        /// In bytes.
        length: u64,
        /// The bytes of a part or range that this crate, the floor and the bare program are told; 0 for what they choose.
        part: u64,
    },
    /// Many small files, one after the other on each thread.
    Small {
        direction: Direction,
        files: usize,
        threads: usize,
        store: Store,
    },
    /// Many small files, which this crate shares out among its threads.
    Many {
        direction: Direction,
        files: usize,
        workers: usize,
    },
    /// A listing of many names, of so many rows a page; 0 for the default.
    List {
        names: usize,
        page: usize,
        how: Listing,
    },
    /// One small upload.
    Start,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Large {
                direction,
                workers,
                whole_sha1,
                length,
                part,
            } => write!(
                f,
                "large:{}:{workers}:{whole_sha1}:{length}:{part}",
                direction.name()
            ),
            Self::Many {
                direction,
                files,
                workers,
            } => write!(f, "many:{}:{files}:{workers}", direction.name()),
            Self::Small {
                direction,
                files,
                threads,
                store,
            } => {
                let store = match store {
                    Store::Memory => "memory",
                    Store::Sqlite => "sqlite",
                    Store::Unflushed => "unflushed",
                };
                write!(f, "small:{}:{files}:{threads}:{store}", direction.name())
            }
            Self::List { names, page, how } => {
                let word = Listing::ALL.iter().find(|(other, _)| other == how);
                let word = word.map_or("", |(_, word)| word);
                write!(f, "list:{names}:{page}:{word}")
            }
            Self::Start => f.write_str("start"),
        }
    }
}

impl std::str::FromStr for Task {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let direction = |text| match text {
            "up" => Direction::Up,
            _ => Direction::Down,
        };
        let words: Vec<_> = text.split(':').collect();
        Ok(match words.as_slice() {
            ["many", way, files, workers] => Self::Many {
                direction: direction(way),
                files: files.parse()?,
                workers: workers.parse()?,
            },
            ["large", way, workers, whole_sha1, length, part] => Self::Large {
                length: length.parse()?,
                part: part.parse()?,
                direction: direction(way),
                workers: workers.parse()?,
                whole_sha1: whole_sha1.parse().context("true or false")?,
            },
            ["small", way, files, threads, store] => Self::Small {
                direction: direction(way),
                files: files.parse()?,
                threads: threads.parse()?,
                store: match *store {
                    "memory" => Store::Memory,
                    "unflushed" => Store::Unflushed,
                    _ => Store::Sqlite,
                },
            },
            ["list", names, page, how] => Self::List {
                names: names.parse()?,
                page: page.parse()?,
                how: Listing::ALL
                    .iter()
                    .find_map(|(listing, word)| (word == how).then_some(*listing))
                    .context("how to list")?,
            },
            ["start"] => Self::Start,
            _ => bail!("unknown task {text}"),
        })
    }
}
