//! What a measured process has to do. It travels to the process as its arguments.

use std::fmt;

use anyhow::{Context as _, Result, bail};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    Sqlite,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// One large file.
    Large {
        direction: Direction,
        workers: usize,
        /// Upload: whether the whole is hashed before.
        whole_sha1: bool,
    },
    /// Many small files, one after the other on each thread.
    Small {
        direction: Direction,
        files: usize,
        threads: usize,
        store: Store,
    },
    /// One small upload.
    Start,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |direction: &Direction| match direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        match self {
            Self::Large {
                direction,
                workers,
                whole_sha1,
            } => write!(f, "large:{}:{workers}:{whole_sha1}", of(direction)),
            Self::Small {
                direction,
                files,
                threads,
                store,
            } => {
                let store = match store {
                    Store::Memory => "memory",
                    Store::Sqlite => "sqlite",
                };
                write!(f, "small:{}:{files}:{threads}:{store}", of(direction))
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
            ["large", way, workers, whole_sha1] => Self::Large {
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
                    _ => Store::Sqlite,
                },
            },
            ["start"] => Self::Start,
            _ => bail!("unknown task {text}"),
        })
    }
}
