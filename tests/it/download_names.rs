//! Saving below a directory under the names that files have in their bucket, whatever these are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use b2sdk::local::{LocalDirectory, LocalNameRules, UnsafeNameReason};
use b2sdk::simulator::Fault;
use b2sdk::{DownloadOptions, Error, Operation, Saved};
use tempfile::TempDir;

use crate::support::{World, noise};

/// A directory in another one, in which nothing else may ever appear.
struct Place {
    world: World,
    outer: TempDir,
    target: LocalDirectory,
}

impl Place {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        let target = LocalDirectory::new(outer.path().join("target"));
        Self {
            world: World::new(),
            outer,
            target,
        }
    }

    fn root(&self) -> PathBuf {
        self.outer.path().join("target")
    }

    fn upload(&self, name: &str, data: &[u8]) {
        self.world.bucket.upload_bytes(data, name).unwrap();
    }

    fn save(&self, name: &str) -> Result<Saved, Error> {
        let download = self.world.bucket.download_file_by_name(name)?;
        download.save_under(&self.target)
    }

    /// As if the service had a file of that name, which it would not take from us.
    fn save_as(&self, name: &str) -> Result<Saved, Error> {
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.world
            .inject(Fault::on(Operation::DownloadFileById).header("X-Bz-File-Name", &encoded));
        let file_id = self.world.versions("x").remove(0).file_id;
        let download = self.world.bucket.download_file_by_id(file_id)?;
        download.save_under(&self.target)
    }
}

/// All files, with their content, and all folders, without one.
fn tree(root: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            let name = name.replace('\\', "/");
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
                found.insert(name, None);
            } else {
                found.insert(name, Some(std::fs::read(path).unwrap_or_default()));
            }
        }
    }
    found
}

fn refused(outcome: Result<Saved, Error>) -> UnsafeNameReason {
    match outcome {
        Err(Error::UnsafeName(refused)) => refused.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_are_saved_in_folders_as_they_are_named() {
    let place = Place::new();
    for name in ["photos/2026/photo.jpg", "photos/other.jpg", "top.txt"] {
        place.upload(name, name.as_bytes());
        place.save(name).unwrap();
        // Again, over what is there.
        place.save(name).unwrap();
    }
    let found = tree(&place.root());
    let files: Vec<_> = found
        .iter()
        .filter_map(|(name, content)| Some((name.as_bytes(), content.as_deref()?)))
        .collect();
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|(name, content)| name == content));
}

#[test]
fn hostile_names_write_nothing_anywhere() {
    let place = Place::new();
    place.upload("x", b"evil");
    for (name, reason) in [
        ("../x", UnsafeNameReason::DotSegment),
        ("a/../../x", UnsafeNameReason::DotSegment),
        ("/x", UnsafeNameReason::Absolute),
        ("a//b", UnsafeNameReason::EmptySegment),
        ("a/", UnsafeNameReason::EmptySegment),
        ("C:x", UnsafeNameReason::DriveLetter),
        ("a/CON", UnsafeNameReason::DeviceName),
        (r"a\..\b", UnsafeNameReason::Backslash),
        ("a\u{1b}[2J", UnsafeNameReason::ControlCharacter),
        ("a./b", UnsafeNameReason::TrailingDotOrSpace),
        (".b2-download-x.part", UnsafeNameReason::TemporaryName),
    ] {
        assert_eq!(refused(place.save_as(name)), reason, "{name:?}");
    }
    assert!(tree(place.outer.path()).is_empty());
}

#[test]
fn a_refused_name_is_told_without_its_control_characters() {
    let place = Place::new();
    place.upload("x", b"evil");
    let error = place.save_as("a\u{1b}[2J").unwrap_err().to_string();
    assert!(!error.contains('\u{1b}') && error.contains("a"), "{error}");
}

#[test]
fn a_file_that_is_the_same_on_some_systems_does_not_replace_another() {
    let place = Place::new();
    for name in ["Readme", "README", "é", "e\u{301}"] {
        place.upload(name, name.as_bytes());
    }
    place.save("Readme").unwrap();
    place.save("é").unwrap();
    for (name, first) in [("README", "Readme"), ("e\u{301}", "é")] {
        let with = first.into();
        let reason = refused(place.save(name));
        assert_eq!(reason, UnsafeNameReason::Collision { with });
    }
    assert_eq!(tree(&place.root()).len(), 2);
}

#[cfg(unix)]
#[test]
fn names_of_this_system_are_saved_where_that_is_wanted() {
    let mut place = Place::new();
    place.target = LocalDirectory::new(place.root()).rules(LocalNameRules::Native);
    for name in ["12:00", "aux.txt", "dot.", "a"] {
        place.upload(name, name.as_bytes());
        place.save(name).unwrap();
    }
    assert_eq!(tree(&place.root()).len(), 4);
}

#[cfg(unix)]
#[test]
fn links_below_the_directory_are_not_followed() {
    let place = Place::new();
    let outside = place.outer.path().join("outside");
    std::fs::create_dir_all(outside.join("deep")).unwrap();
    std::fs::write(outside.join("file"), b"precious").unwrap();
    let root = place.root();
    std::fs::create_dir_all(root.join("folder")).unwrap();
    for (link, to) in [
        ("link", outside.clone()),
        ("folder/link", outside.clone()),
        ("file", outside.join("file")),
        ("dangling", outside.join("new")),
    ] {
        std::os::unix::fs::symlink(to, root.join(link)).unwrap();
    }
    let before = tree(&outside);
    for name in [
        "link/file",
        "link/new",
        "link/deep/new",
        "link/newer/file",
        "folder/link/file",
        "file",
        "dangling",
    ] {
        place.upload(name, b"evil");
        assert_eq!(refused(place.save(name)), UnsafeNameReason::Link, "{name}");
    }
    assert_eq!(tree(&outside), before);
}

#[cfg(unix)]
#[test]
fn a_folder_that_becomes_a_link_meanwhile_is_noticed() {
    let place = Place::new();
    let outside = place.outer.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    place.upload("folder/x", &noise(300_000));
    let (folder, moved) = (place.root().join("folder"), outside.clone());
    // The last bytes arrive, the file is not renamed yet.
    let options =
        DownloadOptions::new().progress(move |progress: &b2sdk::progress::TransferProgress| {
            if Some(progress.bytes) == progress.total && !folder.is_symlink() {
                std::fs::rename(&folder, folder.with_file_name("old")).unwrap();
                std::os::unix::fs::symlink(&moved, &folder).unwrap();
            }
        });
    let download = place
        .world
        .bucket
        .download_file_by_name_with("folder/x", &options);
    let outcome = download.unwrap().save_under(&place.target);
    assert_eq!(refused(outcome), UnsafeNameReason::Link);
    assert!(tree(&outside).is_empty());
}

#[test]
fn a_file_where_a_folder_should_be_stays() {
    let place = Place::new();
    std::fs::create_dir_all(place.root().join("folder")).unwrap();
    std::fs::write(place.root().join("file"), b"precious").unwrap();
    for name in ["file/x", "folder"] {
        place.upload(name, b"new");
        let error = place.save(name).unwrap_err();
        assert!(matches!(error, Error::LocalFile { .. }), "{error:?}");
    }
    let content = std::fs::read(place.root().join("file")).unwrap();
    assert_eq!(content, b"precious");
}

#[test]
fn a_download_below_a_directory_can_be_resumed() {
    let place = Place::new();
    let data = noise(95_123);
    place.upload("a/b", &data);
    let options = DownloadOptions::new().part_size(10_000).resume(true);
    let save = || {
        let download = place
            .world
            .bucket
            .download_file_by_name_with("a/b", &options);
        download.unwrap().save_under(&place.target)
    };
    // One worker for all would be needed to know how much is there.
    let refusal = Fault::on(Operation::DownloadFileById).after(8);
    place
        .world
        .inject(refusal.status(403, "download_cap_exceeded", ""));
    save().unwrap_err();
    let saved = save().unwrap();
    assert_eq!(saved.received_bytes() + saved.resumed_bytes(), 95_123);
    let found = tree(&place.root());
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "a/b"]);
    assert!(found["a/b"].as_deref() == Some(&data));
}
