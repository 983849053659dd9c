//! What is left at the end of a soak, beside what was reported: versions that are missing, doubled or
//! wrong, unfinished large files, and what the process still holds.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use anyhow::Result;
use b2sdk::{FileAction, FileVersion, LsOptions, Versions};
use sha1::{Digest as _, Sha1};

use crate::ledger::{Ledger, Name};
use crate::service::Service;

#[derive(Debug, Default)]
pub(crate) struct Checked {
    versions: u64,
    /// Stored for certain, and not there.
    lost: Vec<String>,
    /// There, and reported by no call.
    doubled: Vec<String>,
    /// There with other bytes.
    wrong: Vec<String>,
    /// Deleted for certain, and there.
    undead: Vec<String>,
    /// Large files with parts that were neither finished nor cancelled, and that no error named.
    leaked: Vec<String>,
    /// Unfinished large files that an error named, or that have no part and so cost nothing.
    unfinished: u64,
}

impl Checked {
    pub(crate) const fn is_clean(&self) -> bool {
        self.lost.is_empty()
            && self.doubled.is_empty()
            && self.wrong.is_empty()
            && self.undead.is_empty()
            && self.leaked.is_empty()
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "versions {}, lost {}, doubled {}, wrong {}, deleted but there {}, leaked {}, \
             other unfinished {}",
            self.versions,
            self.lost.len(),
            self.doubled.len(),
            self.wrong.len(),
            self.undead.len(),
            self.leaked.len(),
            self.unfinished
        )?;
        let all = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("wrong", &self.wrong),
            ("deleted but there", &self.undead),
            ("leaked", &self.leaked),
        ];
        for (what, names) in all {
            for name in names.iter().take(10) {
                writeln!(f, "{what}: {name}")?;
            }
        }
        Ok(())
    }
}

/// Compares all that the bucket holds with the ledger, and downloads each version that should be there.
pub(crate) fn compare(service: &Service, ledger: &Ledger) -> Result<Checked> {
    let api = service.owner()?;
    let bucket = api.get_bucket_by_name("soak-bucket")?;
    let mut checked = Checked::default();
    let mut held: BTreeMap<String, Vec<FileVersion>> = BTreeMap::new();
    let options = LsOptions::new().recursive(true).versions(Versions::All);
    for entry in bucket.ls_with("", &options)? {
        let version = entry?.version;
        // A large file that was started and not finished is listed too, with its SHA-1: it is looked at below.
        if version.action != FileAction::Upload {
            continue;
        }
        checked.versions += 1;
        held.entry(version.file_name.clone())
            .or_default()
            .push(version);
    }
    for unfinished in bucket.list_unfinished_large_files("")? {
        let FileVersion {
            file_id, file_name, ..
        } = unfinished?;
        let is_told = ledger.left.contains(file_id.as_str());
        if is_told || api.list_parts(&file_id)?.next().is_none() {
            checked.unfinished += 1;
        } else {
            checked.leaked.push(format!("{file_name} {file_id}"));
        }
    }
    for (name, reported) in &ledger.names {
        let rows = held.remove(name).unwrap_or_default();
        compare_name(&mut checked, name, reported, &rows);
        for known in reported.versions.iter().filter(|known| !known.may_be_gone) {
            let bytes = bucket
                .download_file_by_id(known.id.as_str())
                .and_then(b2sdk::Download::read_to_vec);
            let right = bytes.is_ok_and(|bytes| {
                bytes.len() as u64 == known.length && hex::encode(Sha1::digest(bytes)) == known.sha1
            });
            if !right {
                checked.wrong.push(format!("{name} {}", known.id));
            }
        }
    }
    checked.doubled.extend(held.into_keys());
    Ok(checked)
}

fn compare_name(checked: &mut Checked, name: &str, reported: &Name, rows: &[FileVersion]) {
    let mut perhaps = reported.perhaps.clone();
    for known in reported.versions.iter().filter(|known| !known.may_be_gone) {
        if !rows.iter().any(|row| row.file_id.as_str() == known.id) {
            checked.lost.push(format!("{name} {}", known.id));
        }
    }
    for row in rows {
        let id = row.file_id.as_str();
        if reported.versions.iter().any(|known| known.id == id) {
            continue;
        }
        if reported.deleted.iter().any(|deleted| deleted == id) {
            checked.undead.push(format!("{name} {id}"));
            continue;
        }
        // What a failed call may have stored is there once, for each such call.
        let sha1 = row
            .content_sha1
            .digest()
            .map(|digest| digest.to_string())
            .or_else(|| row.file_info.get("large_file_sha1").map(str::to_owned));
        match perhaps
            .iter()
            .position(|digest| Some(digest) == sha1.as_ref())
        {
            Some(at) => drop(perhaps.swap_remove(at)),
            None => {
                // What else has this content tells which call made it twice.
                let twins = reported.versions.iter();
                let twins: Vec<_> = twins
                    .filter(|known| Some(&known.sha1) == sha1.as_ref())
                    .map(|known| format!("{} by {}", known.id, known.made_by))
                    .collect();
                let (length, time) = (row.content_length, row.upload_timestamp);
                let text = format!("{name} {id}, {length} bytes of {time}, like {twins:?}");
                checked.doubled.push(text);
            }
        }
    }
}

/// What is resident of a process, in KiB; 0 where the system does not say.
pub(crate) fn resident_kib(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    resident.unwrap_or(0)
}

/// What the process holds.
pub(crate) struct Usage {
    descriptors: usize,
    threads: usize,
    resident_kib: u64,
}

impl Usage {
    /// Zeros where the system does not say.
    pub(crate) fn now() -> Self {
        let count = |path| fs::read_dir(path).map_or(0, Iterator::count);
        Self {
            descriptors: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
            resident_kib: resident_kib("self"),
        }
    }

    /// With all handles dropped, neither descriptors nor threads may have become more.
    pub(crate) const fn is_no_more_than(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors && self.threads <= before.threads
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            descriptors,
            threads,
            resident_kib,
        } = self;
        write!(
            f,
            "{descriptors} descriptors, {threads} threads, {resident_kib} KiB resident"
        )
    }
}
