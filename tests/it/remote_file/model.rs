//! Stored files that are read, cloned and dropped in any order, over connections that break, beside a
//! cursor over the bytes.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

use b2sdk::simulator::Fault;
use b2sdk::streams::{OpenFileOptions, RemoteFile};
use b2sdk::{FileVersion, Operation, RetryPolicy, UploadOptions, Verification};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use super::BLOCK;
use crate::support::settings::key;
use crate::support::{World, in_time, other_noise};

/// Around the borders of blocks, and one in which reads ahead take several requests.
const LENGTHS: [u64; 8] = [
    0,
    1,
    BLOCK - 1,
    BLOCK,
    BLOCK + 1,
    2 * BLOCK,
    700_000,
    2_500_000,
];

/// What is done with a file.
#[derive(Debug, Clone)]
enum Step {
    Seek(SeekFrom),
    Read(usize),
    ReadAt(u64, usize),
    ToEnd,
    /// Goes on with a clone; the handle stays.
    Clone,
    /// Goes on with the handle that has waited for the longest time.
    Turn,
    /// Drops the handle, unless it is the only one.
    Drop,
}

/// Somewhere in the file or behind its end, or at the border of a block.
fn offset() -> impl Strategy<Value = u64> {
    let border = (0..5_u64, 0..5_u64);
    prop_oneof![
        0..=700_010_u64,
        0..=2_500_010_u64,
        border.prop_map(|(block, near)| (block * BLOCK + near).saturating_sub(2)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let length = || {
        let border = (BLOCK as usize - 2)..=(BLOCK as usize + 2);
        prop_oneof![0..100_usize, 0..20_000_usize, 0..300_000_usize, border]
    };
    let back = |offset: u64| -i64::try_from(offset).unwrap();
    prop_oneof![
        offset().prop_map(|offset| Step::Seek(SeekFrom::Start(offset))),
        offset().prop_map(move |offset| Step::Seek(SeekFrom::End(back(offset)))),
        (0..=5_i64).prop_map(|beyond| Step::Seek(SeekFrom::End(beyond))),
        (-300_000..=300_000_i64).prop_map(|offset| Step::Seek(SeekFrom::Current(offset))),
        length().prop_map(Step::Read),
        length().prop_map(Step::Read),
        length().prop_map(Step::Read),
        (offset(), length()).prop_map(|(offset, length)| Step::ReadAt(offset, length)),
        Just(Step::ToEnd),
        Just(Step::Clone),
        Just(Step::Turn),
        Just(Step::Drop),
    ]
}

/// A handle, and what it has to be like.
type Pair<'a> = (RemoteFile, Cursor<&'a [u8]>);

/// Does the same with both, which have to agree.
fn check((file, model): &mut Pair<'_>, step: &Step) {
    match step {
        Step::Seek(position) => {
            let (ours, theirs) = (file.seek(*position), model.seek(*position));
            assert_eq!(ours.ok(), theirs.ok(), "{position:?}");
        }
        Step::Read(length) => {
            // As many bytes as come, but some of them if there are any.
            let mut buffer = vec![0; *length];
            let read = file.read(&mut buffer).unwrap();
            let mut expected = vec![0; *length];
            let most = model.read(&mut expected).unwrap();
            assert!(read <= most && (read > 0 || most == 0), "{read} of {most}");
            assert!(buffer[..read] == expected[..read]);
            let back = i64::try_from(most - read).unwrap();
            model.seek(SeekFrom::Current(-back)).unwrap();
        }
        Step::ReadAt(offset, length) => {
            let mut buffer = vec![0; *length];
            let read = file.read_at(&mut buffer, *offset).unwrap();
            let data = *model.get_ref();
            let start = usize::try_from(*offset).unwrap().min(data.len());
            let most = (*length).min(data.len() - start);
            assert!(read <= most && (read > 0 || most == 0), "{read} of {most}");
            assert!(buffer[..read] == data[start..start + read]);
        }
        Step::ToEnd => {
            let is_whole = model.position() == 0;
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            file.read_to_end(&mut ours).unwrap();
            model.read_to_end(&mut theirs).unwrap();
            assert!(ours == theirs);
            if is_whole {
                assert_eq!(file.verification(), Verification::Verified);
            }
        }
        Step::Clone | Step::Turn | Step::Drop => {}
    }
    assert_eq!(file.stream_position().unwrap(), model.position());
}

/// Does all steps with a file and its clones.
fn run(file: RemoteFile, data: &[u8], steps: &[Step]) {
    let mut handles: Vec<Pair<'_>> = vec![(file, Cursor::new(data))];
    for step in steps {
        match step {
            Step::Clone => handles.extend(handles.last().cloned()),
            Step::Turn => handles.rotate_left(1),
            Step::Drop if handles.len() > 1 => drop(handles.pop()),
            _ => {}
        }
        check(handles.last_mut().unwrap(), step);
    }
}

/// What breaks one in six connections.
fn faults() -> [Option<Fault>; 4] {
    let on = |seed| {
        Fault::on(Operation::DownloadFileById)
            .chance(16, seed)
            .always()
    };
    [
        None,
        Some(on(1).truncate_answer(100_000)),
        Some(on(2).status(503, "service_unavailable", "")),
        Some(on(3).reset_connection()),
    ]
}

#[test]
fn it_reads_as_a_cursor_does_whatever_its_cache_is_and_whatever_breaks() {
    let world = World::with(|builder| builder.retry(RetryPolicy::default().max_attempts(20)));
    let stored: Vec<(Vec<u8>, bool, FileVersion)> = (0..LENGTHS.len() * 2)
        .map(|number| {
            let data = other_noise(LENGTHS[number / 2] as usize);
            let is_encrypted = number % 2 == 1;
            let options = match is_encrypted {
                true => UploadOptions::new().encryption(key(1)),
                false => UploadOptions::new(),
            };
            let name = number.to_string();
            let uploaded = world.bucket.upload_bytes_with(&data, &name, &options);
            (data, is_encrypted, uploaded.unwrap().into_version())
        })
        .collect();
    let (faults, runs) = (faults(), AtomicU64::new(0));
    proptest!(ProptestConfig::with_cases(60), |(
        which in 0..stored.len(),
        fault in 0..faults.len(),
        steps in prop::collection::vec(step(), 1..30),
        cache_size in prop_oneof![Just(0), Just(70_000), Just(300_000), Just(32_000_000)],
        read_ahead in any::<bool>(),
    )| {
        let (data, is_encrypted, version) = &stored[which];
        let mut options = OpenFileOptions::new().cache_size(cache_size).read_ahead(read_ahead);
        if *is_encrypted {
            options = options.encryption_key(&key(1));
        }
        let fault = faults[fault].clone().map(|fault| world.service.faults().inject(fault));
        run(world.bucket.open_version(version, &options).unwrap(), data, &steps);
        if let Some(fault) = fault {
            world.service.faults().remove(fault);
        }
        // Everything is given back, by threads that read ahead as soon as they end.
        in_time(|| {
            while world.api.memory_in_use() > 0 {
                std::thread::yield_now();
            }
        });
        runs.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(runs.into_inner(), 60);
}
