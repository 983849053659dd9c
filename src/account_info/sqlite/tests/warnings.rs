//! What a store says to `tracing`, and what it never says.

use std::fmt::{self, Write as _};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::Scratch;

/// Collects warnings, each as one text.
#[derive(Debug, Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.0.lock().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The warnings of this thread during `work`.
pub(super) fn warnings(work: impl FnOnce()) -> Vec<String> {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), work);
    let said = warnings.0.lock();
    said.clone()
}

#[test]
fn a_file_that_others_can_use_is_warned_about() {
    let scratch = Scratch::new();
    drop(scratch.authorized());
    for (mode, expected) in [(0o600, 0), (0o640, 1), (0o602, 1), (0o666, 1)] {
        fs::set_permissions(scratch.path(), Permissions::from_mode(mode)).unwrap();
        let said = warnings(|| drop(scratch.open()));
        assert_eq!(said.len(), expected, "{mode:o}: {said:?}");
        for warning in said {
            let mode = format!("{mode:03o}");
            assert!(
                warning.contains("chmod 600") && warning.contains(&mode),
                "{warning}"
            );
            assert!(!warning.contains("application-key-in-clear"), "{warning}");
        }
    }
}

#[test]
fn nothing_is_warned_about_when_all_is_well() {
    let scratch = Scratch::new();
    let said = warnings(|| {
        let (store, _) = scratch.authorized();
        drop(store);
        drop(scratch.open());
    });
    assert_eq!(said, [""; 0]);
}
