//! Every fault at every stage of an upload: it ends in the right file, once, or in an error with nothing
//! stored; and unless the error says so no parts are left that somebody would have to pay for.

use std::time::Duration;

use b2sdk::simulator::{Fault, Simulator};
use b2sdk::{
    CopyOptions, Error, FileAction, FileId, FileVersion, Operation, Resume, Timeouts, UploadOptions,
};

use crate::support::{World, noise};

const PART: usize = 10_000;
/// More requests than any of these uploads takes, whatever happens to it once, or again and again.
const MOST: [usize; 2] = [30, 60];

/// Which request meets the fault.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    UploadUrl,
    File,
    /// What tells whether a file is there whose answer was lost.
    LookForFile,
    /// Of a file in parts that goes on with an unfinished one.
    ListUnfinished,
    ListParts,
    Start,
    PartUrl,
    Part,
    /// Of a file that the service copies in parts.
    CopyPart,
    Finish,
    /// What tells whether a finish took effect whose answer was lost.
    LookForFinish,
}

const STAGES: [Stage; 11] = [
    Stage::UploadUrl,
    Stage::File,
    Stage::LookForFile,
    Stage::ListUnfinished,
    Stage::ListParts,
    Stage::Start,
    Stage::PartUrl,
    Stage::Part,
    Stage::CopyPart,
    Stage::Finish,
    Stage::LookForFinish,
];

impl Stage {
    fn operation(self) -> Operation {
        match self {
            Self::UploadUrl => Operation::GetUploadUrl,
            Self::File => Operation::UploadFile,
            Self::LookForFile => Operation::ListFileVersions,
            Self::ListUnfinished => Operation::ListUnfinishedLargeFiles,
            Self::ListParts => Operation::ListParts,
            Self::Start => Operation::StartLargeFile,
            Self::PartUrl => Operation::GetUploadPartUrl,
            Self::Part => Operation::UploadPart,
            Self::CopyPart => Operation::CopyPart,
            Self::Finish => Operation::FinishLargeFile,
            Self::LookForFinish => Operation::GetFileInfo,
        }
    }

    fn is_small(self) -> bool {
        matches!(self, Self::UploadUrl | Self::File | Self::LookForFile)
    }

    fn is_resumed(self) -> bool {
        matches!(self, Self::ListUnfinished | Self::ListParts)
    }

    fn content(self) -> Vec<u8> {
        match self.is_small() {
            true => noise(PART / 2),
            false => noise(3 * PART + 123),
        }
    }
}

/// Tries all stages at once, because some of them wait for a service that is silent.
fn at_every_stage(trial: impl Fn(Stage) + Sync) {
    std::thread::scope(|scope| {
        for stage in STAGES {
            let trial = &trial;
            scope.spawn(move || trial(stage));
        }
    });
}

/// An upload that is about to meet a fault.
struct Trial {
    world: World,
    stage: Stage,
    /// What is copied.
    source: Option<FileId>,
}

impl Trial {
    fn at(stage: Stage) -> Self {
        let service = Simulator::builder()
            .minimum_part_size(1000)
            .recommended_part_size(PART as u64)
            .start()
            .unwrap();
        let silence = Duration::from_secs(1);
        let timeouts = Timeouts::default().idle(silence).slow_idle(silence);
        let world = World::of(service, |builder| builder.workers(2).timeouts(timeouts));
        let source = (stage == Stage::CopyPart).then(|| {
            let uploaded = world.bucket.upload_bytes(&stage.content(), "source");
            uploaded.unwrap().into_version().file_id
        });
        let trial = Self {
            world,
            stage,
            source,
        };
        let lost = |operation| Fault::on(operation).after_effect().drop_connection();
        match stage {
            Stage::LookForFile => trial.world.inject(lost(Operation::UploadFile)),
            Stage::LookForFinish => trial.world.inject(lost(Operation::FinishLargeFile)),
            _ => {}
        }
        if stage.is_resumed() {
            let refused = Fault::on(Operation::FinishLargeFile).status(400, "bad_request", "");
            trial.world.inject(refused);
            trial.upload().unwrap_err();
        }
        trial.world.service.log().clear();
        trial
    }

    fn upload(&self) -> Result<FileVersion, Error> {
        let bucket = &self.world.bucket;
        if let Some(source) = &self.source {
            let options = CopyOptions::new().part_size(PART as u64);
            return bucket.copy_with(source, "x", &options);
        }
        let mut options = UploadOptions::new();
        if self.stage.is_resumed() {
            options = options.resume(Resume::Matching);
        }
        let uploaded = bucket.upload_bytes_with(&self.stage.content(), "x", &options)?;
        let left = bucket.list_unfinished_large_files("").unwrap();
        for file in left.map(Result::unwrap) {
            // What the service says it does not find is not completed; the result names it.
            if self.stage == Stage::ListParts {
                assert!(uploaded.passed_over().contains(&file.file_id));
            }
        }
        Ok(uploaded.into_version())
    }

    /// Uploads after this has been made to happen; at most so many requests are to be sent.
    fn meet(&self, fault: Fault, most: usize) -> Result<FileVersion, Error> {
        self.world.inject(fault);
        let outcome = self.upload();
        let requests = self.world.total();
        let stage = self.stage;
        assert!(requests <= most, "{stage:?}: {requests} requests");
        assert!(self.world.count(stage.operation()) > 0, "{stage:?}");
        outcome
    }

    /// How many versions are there, each of which must be right, and how many unfinished files.
    fn left(&self) -> (usize, usize) {
        self.world.service.faults().clear();
        let mut versions = self.world.versions("x");
        versions.retain(|version| version.action == FileAction::Upload);
        for version in &versions {
            let download = self.world.bucket.download_file_by_id(&version.file_id);
            let content = download.unwrap().read_to_vec().unwrap();
            let stage = self.stage;
            assert!(content == stage.content(), "{stage:?}: wrong bytes");
        }
        let unfinished = self.world.bucket.list_unfinished_large_files("").unwrap();
        (versions.len(), unfinished.map(Result::unwrap).count())
    }

    /// The unfinished files that have parts.
    fn costly(&self) -> usize {
        let unfinished = self.world.bucket.list_unfinished_large_files("").unwrap();
        let ids = unfinished.map(|file| file.unwrap().file_id);
        ids.filter(|id| self.world.api.list_parts(id).unwrap().next().is_some())
            .count()
    }
}

type Make = fn(Fault) -> Fault;

#[test]
fn what_passes_by_ends_in_one_right_file() {
    let faults: [(&str, Make); 20] = [
        ("closed", |f| f.drop_connection()),
        ("half-closed", |f| f.half_close_connection()),
        ("reset", |f| f.reset_connection()),
        ("silent", |f| f.stall()),
        ("closed in the body", |f| {
            f.after_reading(40).drop_connection()
        }),
        ("reset in the body", |f| {
            f.after_reading(40).reset_connection()
        }),
        ("silent in the body", |f| f.after_reading(40).stall()),
        ("closed after the effect", |f| {
            f.after_effect().drop_connection()
        }),
        ("reset after the effect", |f| {
            f.after_effect().reset_connection()
        }),
        ("silent after the effect", |f| f.after_effect().stall()),
        ("answer cut", |f| f.truncate_answer(20)),
        ("answer reset", |f| f.reset_answer(20)),
        ("answer silent", |f| f.stall_answer(20)),
        ("gateway after the effect", |f| {
            f.after_effect().body(504, "text/html", "<html>")
        }),
        ("gateway", |f| f.body(502, "text/html", "<html>")),
        ("busy", |f| {
            f.status(503, "service_unavailable", "").retry_after(3)
        }),
        ("too many", |f| {
            f.status(429, "too_many_requests", "").retry_after(3)
        }),
        ("internal", |f| f.status(500, "internal_error", "")),
        ("too slow", |f| f.status(408, "request_timeout", "")),
        ("an old token", |f| f.status(401, "expired_auth_token", "")),
    ];
    at_every_stage(|stage| {
        for (what, make) in faults {
            let trial = Trial::at(stage);
            let outcome = trial.meet(make(Fault::on(stage.operation())), MOST[0]);
            outcome.unwrap_or_else(|error| panic!("{stage:?}, {what}: {error:?}"));
            let remaining = trial.world.service.faults().remaining();
            assert_eq!(remaining, 0, "{stage:?}, {what}: it met no fault");
            // What was started without anybody learning its id has no parts.
            let had_effect = what.contains("effect") || what.starts_with("answer");
            let orphans = usize::from(stage == Stage::Start && had_effect);
            assert_eq!(trial.left(), (1, orphans), "{stage:?}, {what}");
            assert_eq!(trial.costly(), 0, "{stage:?}, {what}");
        }
    });
}

#[test]
fn bytes_that_were_damaged_on_their_way_are_sent_again() {
    for stage in [Stage::File, Stage::Part] {
        for (code, message) in [
            ("bad_request", "Sha1 did not match data received"),
            ("bad_request", "Checksum did not match data received"),
            ("checksum_mismatch", ""),
        ] {
            let refused = Fault::on(stage.operation()).status(400, code, message);
            let trial = Trial::at(stage);
            trial.meet(refused.clone(), MOST[0]).unwrap();
            let parts = stage.content().len().div_ceil(PART);
            assert_eq!(trial.world.count(stage.operation()), parts + 1, "{stage:?}");
            assert_eq!(trial.left(), (1, 0), "{stage:?}");
            let trial = Trial::at(stage);
            let error = trial.meet(refused.always(), MOST[1]).unwrap_err();
            assert_eq!((error.status(), error.attempts()), (Some(400), 8));
            assert_eq!(trial.left(), (0, 0), "{stage:?}");
        }
    }
}

#[test]
fn whatever_is_answered_once_nothing_is_left_that_the_error_does_not_tell() {
    let faults: [(&str, Make); 10] = [
        ("refused", |f| f.status(400, "bad_request", "")),
        ("capped", |f| f.status(403, "storage_cap_exceeded", "")),
        ("gone", |f| f.status(404, "not_found", "")),
        ("a conflict", |f| f.status(409, "conflict", "")),
        ("not allowed", |f| f.status(401, "unauthorized", "")),
        ("a page", |f| f.body(200, "text/html", "<html>")),
        ("a page after the effect", |f| {
            f.after_effect().body(200, "text/html", "<html>")
        }),
        ("nothing", |f| f.body(200, "application/json", "{}")),
        ("garbled", |f| f.corrupt_byte(0)),
        ("moved", |f| f.redirect(302, "https://127.0.0.1:1/")),
    ];
    at_every_stage(|stage| {
        for (what, make) in faults {
            // Who may not look goes on without: that is documented, and has tests of its own.
            let looks = matches!(stage, Stage::LookForFile | Stage::ListUnfinished);
            if looks && what == "not allowed" {
                continue;
            }
            let trial = Trial::at(stage);
            let outcome = trial.meet(make(Fault::on(stage.operation())), MOST[0]);
            let (versions, unfinished) = trial.left();
            let case = format!("{stage:?}, {what}: {versions} {unfinished} {outcome:?}");
            let (may_exist, may_stay) = match &outcome {
                Ok(_) => {
                    assert_eq!(versions, 1, "{case}");
                    (true, stage == Stage::ListParts)
                }
                Err(Error::LargeFileLeft(_)) => (true, true),
                // Of the upload before this one.
                Err(_) if stage.is_resumed() => (false, true),
                Err(error) => {
                    let words = error.to_string();
                    (words.contains("may have taken effect"), false)
                }
            };
            assert!(versions <= usize::from(may_exist), "{case}");
            let orphans = usize::from(stage == Stage::Start && unfinished > trial.costly());
            assert!(unfinished <= usize::from(may_stay) + orphans, "{case}");
        }
    });
}

#[test]
fn what_comes_again_and_again_ends_in_an_error_that_says_what_is_left() {
    let faults: [(&str, Make, &str); 6] = [
        ("closed", |f| f.drop_connection(), "Connection"),
        ("silent", |f| f.stall(), "Connection"),
        ("busy", |f| f.status(503, "service_unavailable", ""), "Busy"),
        (
            "busy for long",
            |f| f.status(503, "service_unavailable", "").retry_after(600),
            "Busy",
        ),
        (
            "capped",
            |f| f.status(403, "storage_cap_exceeded", ""),
            "CapExceeded",
        ),
        ("refused", |f| f.status(400, "bad_request", ""), "Service"),
    ];
    at_every_stage(|stage| {
        for (what, make, kind) in faults {
            let is_broken = kind == "Connection";
            let (words, left) = match stage {
                // Nobody can tell whether it is there, or is about to be.
                Stage::LookForFile => ("Connection", (1, 0)),
                Stage::LookForFinish => ("LargeFileLeft MayBeFinished Connection", (1, 0)),
                Stage::Finish if is_broken => ("LargeFileLeft MayBeFinished Connection", (0, 1)),
                // What was there before stays.
                Stage::ListUnfinished | Stage::ListParts => (kind, (0, 1)),
                _ => (kind, (0, 0)),
            };
            let trial = Trial::at(stage);
            let outcome = trial.meet(make(Fault::on(stage.operation())).always(), MOST[1]);
            // That answer says that the file that was listed is gone: another one is started.
            if stage == Stage::ListParts && what == "refused" {
                outcome.unwrap();
                assert_eq!(trial.left(), (1, 1));
                continue;
            }
            let error = outcome.unwrap_err();
            assert_eq!(told(&error), words, "{stage:?}, {what}: {error:?}");
            assert_eq!(trial.left(), left, "{stage:?}, {what}: {error:?}");
        }
    });
}

/// The kind of an error, and if it left something, why. What programs ask it does not depend on the latter.
fn told(error: &Error) -> String {
    let asked = |error: &Error| {
        let answers = [
            error.is_retryable(),
            error.is_not_found(),
            error.is_auth(),
            error.is_answer_lost(),
        ];
        let service = error.service().cloned();
        (answers, service, error.attempts(), error.code().cloned())
    };
    assert_eq!(asked(error), asked(error.failure()));
    let causes = |error: &Error| std::error::Error::source(error).map(ToString::to_string);
    assert_eq!(causes(error), causes(error.failure()));
    assert!(error.to_string().starts_with(&error.failure().to_string()));
    let debug = format!("{:?}", error.failure());
    let kind = debug.split(['(', ' ']).next().unwrap_or_default();
    match error {
        Error::LargeFileLeft(left) => format!("LargeFileLeft {:?} {kind}", left.why),
        _ => kind.to_owned(),
    }
}

#[test]
fn an_answer_about_other_bytes_is_not_taken() {
    for stage in [Stage::File, Stage::Part] {
        for (member, value) in [
            ("contentSha1", serde_json::json!("0".repeat(40))),
            ("contentSha1", serde_json::Value::Null),
            ("contentLength", serde_json::json!(7)),
        ] {
            let trial = Trial::at(stage);
            let value = value.clone();
            let edited = move |json: &mut serde_json::Value| json[member] = value.clone();
            let fault = Fault::on(stage.operation()).edit_json(edited);
            let uploaded = trial.meet(fault, MOST[0]);
            let uploaded = uploaded.unwrap_or_else(|error| panic!("{stage:?}: {error:?}"));
            let length = trial.stage.content().len() as u64;
            assert_eq!(uploaded.content_length, length, "{stage:?}");
            assert_eq!(trial.left(), (1, 0), "{stage:?}, {member}");
        }
    }
}

/// An upload whose second part fails for good.
fn failing() -> Trial {
    let trial = Trial::at(Stage::Part);
    let capped = Fault::on(Operation::UploadPart).status(403, "storage_cap_exceeded", "");
    trial.world.inject(capped.after(1).always());
    trial
}

#[test]
fn what_befalls_the_clearing_up_is_told_and_hides_no_cause() {
    const LEFT: &str = "LargeFileLeft NotCancelled CapExceeded";
    let faults: [(&str, Make, &str, usize); 14] = [
        ("nothing", |f| f.after(100), "CapExceeded", 0),
        ("closed", |f| f.drop_connection(), "CapExceeded", 0),
        ("reset", |f| f.reset_connection(), "CapExceeded", 0),
        (
            "busy",
            |f| f.status(503, "service_unavailable", ""),
            "CapExceeded",
            0,
        ),
        (
            "a gateway",
            |f| f.body(502, "text/html", "<html>"),
            "CapExceeded",
            0,
        ),
        (
            "an old token",
            |f| f.status(401, "expired_auth_token", ""),
            "CapExceeded",
            0,
        ),
        (
            "closed after the effect",
            |f| f.after_effect().drop_connection(),
            "CapExceeded",
            0,
        ),
        (
            "cancelled by somebody",
            |f| f.after_effect().status(400, "bad_request", ""),
            "CapExceeded",
            0,
        ),
        ("always closed", |f| f.drop_connection().always(), LEFT, 1),
        ("always silent", |f| f.stall().always(), LEFT, 1),
        (
            "always busy",
            |f| f.status(503, "service_unavailable", "").always(),
            LEFT,
            1,
        ),
        (
            "busy for long",
            |f| f.status(503, "service_unavailable", "").retry_after(3600),
            LEFT,
            1,
        ),
        (
            "not allowed",
            |f| f.status(401, "unauthorized", "").always(),
            LEFT,
            1,
        ),
        (
            "a page",
            |f| f.body(200, "text/html", "<html>").always(),
            LEFT,
            1,
        ),
    ];
    for (what, make, words, unfinished) in faults {
        let trial = failing();
        trial
            .world
            .inject(make(Fault::on(Operation::CancelLargeFile)));
        let error = trial.upload().unwrap_err();
        assert_eq!(told(&error), words, "{what}: {error:?}");
        assert!(trial.world.count(Operation::CancelLargeFile) <= 8, "{what}");
        assert_eq!(trial.left(), (0, unfinished), "{what}");
    }
}

#[test]
fn the_error_names_the_file_that_is_left_to_be_resumed() {
    let trial = failing();
    let resuming = UploadOptions::new().resume(Resume::Matching);
    let upload = |options: &UploadOptions| {
        let bucket = &trial.world.bucket;
        bucket.upload_bytes_with(&trial.stage.content(), "x", options)
    };
    let error = upload(&resuming).unwrap_err();
    let Error::LargeFileLeft(left) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(left.why, b2sdk::error::WhyLeft::ForResuming);
    assert!(matches!(left.failure, Error::CapExceeded(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("cap") && text.contains(left.file_id.as_str()),
        "{text}"
    );
    assert_eq!((error.status(), error.attempts()), (Some(403), 1));
    trial.world.service.faults().clear();
    // The part beside the one that failed may have been broken off.
    let parts = trial.world.api.list_parts(&left.file_id).unwrap();
    let stored = parts
        .map(|part| part.map(|_| 1))
        .sum::<b2sdk::Result<u32>>();
    let uploaded = upload(&UploadOptions::new().resume(Resume::From(left.file_id.clone())));
    let uploaded = uploaded.unwrap();
    assert_eq!(uploaded.version().file_id, left.file_id);
    assert_eq!(uploaded.resumed_parts(), stored.unwrap());
    assert_eq!(trial.left(), (1, 0));
}
