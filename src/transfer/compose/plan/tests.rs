//! Plans against naive assembly.

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};

use super::limits::Limits;
use super::slices::{PlannedPart, Slice};
use super::{PartPlan, Placed, plan};
use crate::error::{Error, Result};
use crate::transfer::options::Overlap;

const LIMITS: Limits = Limits {
    min: 5,
    upload: 12,
    copy: 20,
    max: 64,
    max_parts: 30,
};

/// Pieces are numbered; each has its own bytes, so that one can tell where a byte came from.
type Piece = Placed<usize>;

fn place(pieces: &[(u64, u64, bool)]) -> Vec<Piece> {
    let place = |(piece, &(offset, length, is_remote)): (usize, &(u64, u64, bool))| Placed {
        offset,
        length,
        is_remote,
        piece,
    };
    pieces.iter().enumerate().map(place).collect()
}

/// Where each byte of the result comes from: piece and offset in it.
fn assembled(parts: &[PlannedPart<usize>]) -> Vec<(usize, u64)> {
    let of = |slice: &Slice<usize>| slice.range.clone().map(move |at| (at, ()));
    let mut bytes = Vec::new();
    for part in parts {
        let slices = match part {
            PlannedPart::Copy { slice, .. } => std::slice::from_ref(slice),
            PlannedPart::Upload(slices) => slices,
        };
        for slice in slices {
            bytes.extend(of(slice).map(|(at, ())| (slice.piece, at)));
        }
    }
    bytes
}

/// Pieces without a hole: each begins at most where those before it end.
fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let lengths = prop_oneof![0..4_u64, 4..7_u64, 0..30_u64, Just(64), 0..200_u64];
    vec((lengths, any::<bool>(), 0..=100_u64), 1..25).prop_map(|drawn| {
        let (mut end, mut from) = (0, 0);
        let mut pieces = Vec::new();
        for (length, is_remote, percent) in drawn {
            let offset = from + (end - from) * percent / 100;
            pieces.push((offset, length, is_remote));
            (from, end) = (offset, end.max(offset + length));
        }
        place(&pieces)
    })
}

fn overlaps() -> impl Strategy<Value = Overlap> {
    prop_oneof![
        Just(Overlap::Remote),
        Just(Overlap::Local),
        Just(Overlap::Verify)
    ]
}

fn streamed(pieces: &[Piece], overlap: Overlap) -> Result<Vec<PlannedPart<usize>>> {
    PartPlan::new(pieces.iter().cloned().map(Ok), LIMITS, overlap).collect()
}

/// The result is the naive one, and the parts are what the service takes.
fn check(pieces: &[Piece], parts: &[PlannedPart<usize>]) {
    let end = pieces.iter().map(Placed::end).max().unwrap_or(0);
    let bytes = assembled(parts);
    assert_eq!(bytes.len() as u64, end);
    for (offset, (piece, at)) in (0..).zip(bytes) {
        let piece = &pieces[piece];
        assert!(at < piece.length);
        assert_eq!(piece.offset + at, offset, "a byte of another place");
    }
    assert!(parts.len() as u64 <= LIMITS.max_parts);
    for (number, part) in (1..).zip(parts) {
        assert!(part.length() <= LIMITS.max);
        assert!(part.length() > 0);
        assert!(part.length() >= LIMITS.min || number == parts.len());
        if let PlannedPart::Copy { slice, witness } = part {
            assert!(pieces[slice.piece].is_remote);
            assert!(slice.length() >= LIMITS.min);
            check_witness(pieces, slice, witness);
        }
    }
}

/// A copy is compared with the local bytes of the same place, and all of them.
fn check_witness(pieces: &[Piece], slice: &Slice<usize>, witness: &[Slice<usize>]) {
    let place = |slice: &Slice<usize>| pieces[slice.piece].offset + slice.range.start;
    let mut offset = place(slice);
    for local in witness {
        assert!(!pieces[local.piece].is_remote);
        assert_eq!(place(local), offset);
        offset += local.length();
    }
    assert!(witness.is_empty() || offset == place(slice) + slice.length());
}

proptest! {
    #[test]
    fn any_pieces_give_what_naive_assembly_gives(pieces in pieces(), overlap in overlaps()) {
        match plan(&pieces, LIMITS, overlap) {
            Ok(parts) => check(&pieces, &parts),
            // The test's limits have no room for everything.
            Err(error) => assert!(error.to_string().contains("more parts"), "{error}"),
        }
    }

    #[test]
    fn a_stream_of_pieces_gives_the_same_bytes(pieces in pieces(), overlap in overlaps()) {
        let mut pieces = pieces;
        pieces.sort_by_key(|piece| piece.offset);
        for (index, piece) in pieces.iter_mut().enumerate() {
            piece.piece = index;
        }
        match streamed(&pieces, overlap) {
            Ok(parts) => check(&pieces, &parts),
            Err(error) => assert!(error.to_string().contains("more parts"), "{error}"),
        }
    }

    #[test]
    fn local_bytes_win_where_they_are_preferred(pieces in pieces()) {
        let Ok(parts) = plan(&pieces, LIMITS, Overlap::Local) else { return Ok(()) };
        for (offset, (chosen, _)) in (0..).zip(assembled(&parts)) {
            let has = |piece: &&Piece| (piece.offset..piece.end()).contains(&offset);
            let there_is_local = pieces.iter().filter(has).any(|piece| !piece.is_remote);
            assert_eq!(there_is_local, !pieces[chosen].is_remote);
        }
    }

    #[test]
    fn nothing_is_uploaded_that_a_long_remote_piece_has(offset in 0..40_u64, length in 10..50_u64) {
        // All of it local, and one remote piece somewhere in the middle.
        let pieces = place(&[(0, 100, false), (offset, length, true)]);
        let parts = plan(&pieces, LIMITS, Overlap::Remote).unwrap();
        let copied: u64 = parts.iter().filter(|part| matches!(part, PlannedPart::Copy { .. })).map(PlannedPart::length).sum();
        let borrowed = if (1..LIMITS.min).contains(&offset) { LIMITS.min - offset } else { 0 };
        assert!(copied == length - borrowed, "{copied} of {length}");
    }
}

fn text(parts: &[PlannedPart<usize>]) -> String {
    let slice = |slice: &Slice<usize>| format!("{}[{:?}]", slice.piece, slice.range);
    let list = |slices: &[Slice<usize>]| slices.iter().map(slice).collect::<Vec<_>>().join("+");
    let part = |part: &PlannedPart<usize>| match part {
        PlannedPart::Copy {
            slice: from,
            witness,
        } if witness.is_empty() => format!("copy {}", slice(from)),
        PlannedPart::Copy {
            slice: from,
            witness,
        } => format!("copy {} = {}", slice(from), list(witness)),
        PlannedPart::Upload(slices) => format!("upload {}", list(slices)),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

#[test]
fn overlapping_pieces_are_used_as_the_caller_prefers() {
    // A stored file, a local piece inside it, and a local piece that goes on after it.
    let pieces = place(&[(0, 30, true), (10, 8, false), (24, 16, false)]);
    for (overlap, expected) in [
        (
            Overlap::Remote,
            "copy 0[0..15], copy 0[15..30], upload 2[6..16]",
        ),
        (
            Overlap::Local,
            "copy 0[0..10], upload 1[0..8], copy 0[18..24], upload 2[0..16]",
        ),
        (
            Overlap::Verify,
            "copy 0[0..10], copy 0[10..18] = 1[0..8], copy 0[18..24], copy 0[24..30] = 2[0..6], upload 2[6..16]",
        ),
    ] {
        let made = text(&plan(&pieces, LIMITS, overlap).unwrap());
        assert_eq!(made, expected, "{overlap:?}");
    }
}

#[test]
fn small_remote_pieces_go_up_with_their_neighbours() {
    for (pieces, expected) in [
        // Too small alone, wherever it is.
        (vec![(0, 4, true), (4, 7, false)], "upload 0[0..4]+1[0..7]"),
        (vec![(0, 9, false), (9, 4, true)], "upload 0[0..9]+1[0..4]"),
        // What comes before a copy borrows from it, or takes all of it.
        (
            vec![(0, 2, false), (2, 9, true)],
            "upload 0[0..2]+1[0..3], copy 1[3..9]",
        ),
        (vec![(0, 2, false), (2, 7, true)], "upload 0[0..2]+1[0..7]"),
        // The last part may be small.
        (
            vec![(0, 9, true), (9, 2, false)],
            "copy 0[0..9], upload 1[0..2]",
        ),
        // Alone it is copied, or not.
        (vec![(0, 4, true)], "upload 0[0..4]"),
        (vec![(0, 0, false)], ""),
    ] {
        let made = plan(&place(&pieces), LIMITS, Overlap::Remote).unwrap();
        assert_eq!(text(&made), expected);
    }
}

#[test]
fn holes_and_disorder_are_errors() {
    let hole = place(&[(0, 10, false), (11, 5, true)]);
    let error = plan(&hole, LIMITS, Overlap::Remote).unwrap_err();
    assert!(error.to_string().contains("from 10 to 11"), "{error}");
    let late = place(&[(3, 10, false)]);
    assert!(plan(&late, LIMITS, Overlap::Remote).is_err());
    let disorder = place(&[(0, 10, false), (5, 5, false), (0, 5, true)]);
    assert!(plan(&disorder, LIMITS, Overlap::Remote).is_ok());
    assert!(matches!(
        streamed(&disorder, Overlap::Remote),
        Err(Error::InvalidInput { what: "pieces", .. })
    ));
}

#[test]
fn many_pieces_find_room_in_the_parts_that_a_file_may_have() {
    // Each alone would be a part of its own, and there may be 30.
    let many: Vec<_> = (0..100).map(|n| (n * 6, 6, n % 2 == 0)).collect();
    let parts = plan(&place(&many), LIMITS, Overlap::Remote).unwrap();
    check(&place(&many), &parts);
}

#[test]
fn a_stream_can_become_the_largest_file() {
    let limits = Limits {
        min: 5_000_000,
        upload: 100_000_000,
        copy: 1_000_000_000,
        max: 5_000_000_000,
        max_parts: 10_000,
    };
    // Pieces of 100 MB, alternately stored and local, up to 10 TB.
    let piece = |n: u64| Placed {
        offset: n * 100_000_000,
        length: 100_000_000,
        is_remote: n.is_multiple_of(2),
        piece: 0_usize,
    };
    let parts = PartPlan::new((0..100_000).map(|n| Ok(piece(n))), limits, Overlap::Remote);
    let parts: Vec<_> = parts.collect::<Result<_>>().unwrap();
    assert!(parts.len() <= 10_000, "{}", parts.len());
    assert_eq!(
        parts.iter().map(PlannedPart::length).sum::<u64>(),
        10_000_000_000_000
    );
}

proptest! {
    #[test]
    fn halves_are_parts_and_have_the_same_bytes(
        start in 0_u64..20,
        length in 1_u64..60,
        is_compared in any::<bool>(),
        cuts in vec(1_u64..30, 0..6),
    ) {
        let slice = Slice { id: 0, piece: 0_usize, range: start..start + length };
        let mut witness = Vec::new();
        let mut left = if is_compared { length } else { 0 };
        for (piece, cut) in (1_usize..).zip(cuts.into_iter().chain([length])) {
            let here = cut.min(left);
            left -= here;
            if here > 0 {
                witness.push(Slice { id: piece as u64, piece, range: 7..7 + here });
            }
        }
        let bytes = assembled(&[PlannedPart::Upload(witness.clone())]);
        match (PlannedPart::Copy { slice: slice.clone(), witness }).halved(LIMITS) {
            Ok(halves) => {
                let whole = [PlannedPart::Copy { slice, witness: Vec::new() }];
                assert_eq!(assembled(&halves), assembled(&whole));
                assert!(halves[0].length() >= LIMITS.min && halves[1].length() >= 1);
                let witnesses = halves.clone().map(|half| match half {
                    PlannedPart::Copy { witness, .. } => PlannedPart::Upload(witness),
                    PlannedPart::Upload(_) => panic!("it is no copy"),
                });
                assert_eq!(assembled(&witnesses), bytes);
                for (half, witness) in halves.iter().zip(&witnesses) {
                    assert!(bytes.is_empty() || half.length() == witness.length());
                }
            }
            Err(part) => {
                assert!(length <= LIMITS.min);
                assert_eq!(part.length(), length);
            }
        }
    }
}

/// What the service takes.
const REAL: Limits = Limits {
    min: 5_000_000,
    upload: 5_000_000,
    copy: 10_000_000,
    max: 5_000_000_000,
    max_parts: 10_000,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_piece_of_any_length_fits_into_the_parts_of_a_file(
        first in 0_u64..200_000_000,
        length in 1_u64..=9_999_000_000_000,
        last in 0_u64..200_000_000,
        is_remote in any::<bool>(),
    ) {
        let end = first + length;
        let pieces = place(&[(0, first, false), (first, length, is_remote), (end, last, !is_remote)]);
        let known = plan(&pieces, REAL, Overlap::Remote).unwrap();
        let placed = pieces.iter().cloned().map(Ok);
        let stream = PartPlan::new(placed, REAL, Overlap::Remote).collect::<Result<Vec<_>>>();
        for parts in [known, stream.unwrap()] {
            assert!(parts.len() <= 10_000, "{} parts", parts.len());
            assert_eq!(parts.iter().map(PlannedPart::length).sum::<u64>(), end + last);
            for (number, part) in (1..).zip(&parts) {
                let is_last = number == parts.len();
                assert!(part.length() <= REAL.max && (is_last || part.length() >= REAL.min));
            }
        }
    }
}
