//! Which names of files in a bucket may become paths on this machine. Names come from whoever may
//! write to the bucket: what they would do to a file system is decided here, by looking at the name
//! alone.
//!
//! | rule | `Native` on Unix | `Portable` |
//! | --- | --- | --- |
//! | empty, starts with `/`, an empty segment, `.` or `..` | refused | refused |
//! | control characters, a segment of more than 255 bytes | refused | refused |
//! | a segment that begins as our temporary files do | refused | refused |
//! | `\`, `:`, a drive letter, `< > " \| ? *` | accepted | refused |
//! | a device of Windows, a dot or space at the end of a segment | accepted | refused |
//! | two names that differ only in case, Unicode form or invisible characters | two files | the second one is refused |

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

/// How the names of all files begin that downloads leave beside their destinations for a while.
pub(crate) const TEMPORARY: &str = ".b2-download-";
/// How many random letters and digits follow in the name of a file that a process that was killed leaves. So
/// many that nobody else gives a file such a name: it is removed without a question.
pub(crate) const TEMPORARY_RANDOM: usize = 24;
/// How such a name ends.
pub(crate) const TEMPORARY_END: &str = ".tmp";

/// Whether a name is one of those that a download without `resume` gives its temporary file.
pub(crate) fn is_temporary(name: &str) -> bool {
    let random = name.strip_prefix(TEMPORARY);
    random
        .and_then(|rest| rest.strip_suffix(TEMPORARY_END))
        .is_some_and(|random| {
            random.len() == TEMPORARY_RANDOM
                && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// The most that file systems take for one part of a path, in bytes.
const MAX_SEGMENT: usize = 255;

/// The names of bucket files that a download below a [`LocalDirectory`](crate::local::LocalDirectory) accepts
/// as local paths. No rule accepts names that lead out of the directory, such as `../x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LocalNameRules {
    /// Accepts names that Windows, macOS and Linux all store unchanged and distinguish from each
    /// other.
    #[default]
    Portable,
    /// On Unix also accepts names that only other systems change or reject (`:`, `\`, `aux.txt`, a
    /// dot at the end), and names that differ only in case or Unicode form. Use it for file systems
    /// that distinguish these. On other systems it is the same as [`Portable`](Self::Portable).
    Native,
}

impl LocalNameRules {
    /// Whether names are held to what all systems store.
    const fn is_portable(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Native => !cfg!(unix),
        }
    }
}

/// The error for a file whose name in the bucket must not, or cannot, become a path on this
/// machine. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file name {name:?} cannot be used below a directory of this machine: {reason}")]
#[non_exhaustive]
pub struct UnsafeName {
    /// The name of the file in the bucket.
    pub name: Box<str>,
    /// The reason why the name is refused: what it would do on this or another system.
    pub reason: UnsafeNameReason,
}

/// The reason why a name is refused as a local path, in [`UnsafeName`]. Names come from whoever may write to
/// the bucket, so each reason is something that such a name would do to this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnsafeNameReason {
    /// The name is empty.
    Empty,
    /// The name starts with `/`.
    Absolute,
    /// The name has two slashes in a row, or one at its end, so that different names would mean the
    /// same path.
    EmptySegment,
    /// A segment of the name is `.` or `..`, which leads elsewhere.
    DotSegment,
    /// The name contains `\`, which separates folders on Windows.
    Backslash,
    /// The name starts with a drive letter, such as `C:`.
    DriveLetter,
    /// The name contains a control character (below U+0020, or U+007F to U+009F), which can end a
    /// name early or control a terminal.
    ControlCharacter,
    /// The name contains one of `< > : " | ? *`, which Windows rejects or gives another meaning.
    ForbiddenCharacter(char),
    /// A segment of the name is a device on Windows, such as `CON` or `lpt1.txt`.
    DeviceName,
    /// A segment of the name ends with a dot or a space, which Windows drops.
    TrailingDotOrSpace,
    /// A segment of the name has more than 255 bytes of UTF-8.
    SegmentTooLong,
    /// A segment of the name starts with `.b2-download-`, as the temporary files of downloads do.
    TemporaryName,
    /// An earlier file would have the same path on a system that ignores case or Unicode form, or
    /// would have to be a folder.
    Collision {
        /// The name of the earlier file.
        with: Box<str>,
    },
    /// A symbolic link is where a folder of the path, or the file itself, would be.
    Link,
}

impl fmt::Display for UnsafeNameReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Absolute => "it begins with '/'",
            Self::EmptySegment => "it has an empty part between slashes, or at its end",
            Self::DotSegment => "a part of it is '.' or '..'",
            Self::Backslash => "it has a '\\'",
            Self::DriveLetter => "it begins with a drive letter",
            Self::ControlCharacter => "it has a control character",
            Self::ForbiddenCharacter(character) => {
                return write!(f, "it has a {character:?}, which not every system keeps");
            }
            Self::DeviceName => "a part of it is the name of a device on Windows",
            Self::TrailingDotOrSpace => "a part of it ends with a dot or a space",
            Self::SegmentTooLong => "a part of it has more than 255 bytes",
            Self::TemporaryName => "a part of it is a name of temporary files of downloads",
            Self::Collision { with } => {
                return write!(f, "on some systems it is the same as {with:?}, or is in it");
            }
            Self::Link => "a link stands in its way",
        })
    }
}

/// Checks the name by itself.
pub(crate) fn check_local_name(name: &str, rules: LocalNameRules) -> Result<(), UnsafeNameReason> {
    if name.is_empty() {
        return Err(UnsafeNameReason::Empty);
    }
    if name.starts_with('/') {
        return Err(UnsafeNameReason::Absolute);
    }
    if name.chars().any(char::is_control) {
        return Err(UnsafeNameReason::ControlCharacter);
    }
    if rules.is_portable() {
        check_characters(name)?;
    }
    name.split('/')
        .try_for_each(|segment| check_segment(segment, rules))
}

/// Refuses characters that end a name early, control a terminal, or mean something else on Windows.
fn check_characters(name: &str) -> Result<(), UnsafeNameReason> {
    let mut start = name.chars();
    let letter = start
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic());
    if letter && start.next() == Some(':') {
        return Err(UnsafeNameReason::DriveLetter);
    }
    match name.chars().find(|c| r#"\<>:"|?*"#.contains(*c)) {
        Some('\\') => Err(UnsafeNameReason::Backslash),
        Some(other) => Err(UnsafeNameReason::ForbiddenCharacter(other)),
        None => Ok(()),
    }
}

/// Refuses one part between slashes that leads elsewhere, is too long, or is a device or changed on
/// Windows.
fn check_segment(segment: &str, rules: LocalNameRules) -> Result<(), UnsafeNameReason> {
    let reason = if segment.is_empty() {
        UnsafeNameReason::EmptySegment
    } else if segment == "." || segment == ".." {
        UnsafeNameReason::DotSegment
    } else if segment.len() > MAX_SEGMENT {
        UnsafeNameReason::SegmentTooLong
    } else if segment_key(segment).starts_with(TEMPORARY) {
        UnsafeNameReason::TemporaryName
    } else if rules.is_portable() && segment.ends_with(['.', ' ']) {
        UnsafeNameReason::TrailingDotOrSpace
    } else if rules.is_portable() && is_device(segment) {
        UnsafeNameReason::DeviceName
    } else {
        return Ok(());
    };
    Err(reason)
}

/// Whether Windows takes it for a device, whatever follows the first dot.
fn is_device(segment: &str) -> bool {
    let base = segment.split('.').next().unwrap_or_default();
    let base = base.trim_end_matches(' ').to_ascii_uppercase();
    if matches!(
        base.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) {
        return true;
    }
    let port = base.strip_prefix("COM").or(base.strip_prefix("LPT"));
    let mut number = port.unwrap_or_default().chars();
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³');
    number.next().is_some_and(is_number) && number.next().is_none()
}

/// What is the same for all names that some system takes for the same path.
pub(crate) fn collision_key(name: &str, rules: LocalNameRules) -> String {
    match rules.is_portable() {
        true => segment_key(name),
        false => name.to_owned(),
    }
}

/// Without what file systems ignore: the Unicode form, characters that are not seen, the case.
fn segment_key(text: &str) -> String {
    let seen = text.nfd().filter(|c| !is_ignorable(*c));
    // There and back: letters that share one upper case are one letter.
    let upper = seen.flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfd().collect()
}

/// Whether a character is invisible, so that some file systems ignore it and people cannot tell two
/// names apart.
const fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::LocalNameRules::{Native, Portable};
    use super::{UnsafeNameReason, check_local_name, collision_key};

    #[test]
    fn names_that_every_system_keeps_are_let_through() {
        for name in [
            "a",
            "a/b/c.txt",
            ".hidden",
            "..a",
            "a..b/...c",
            "é/𝄞",
            "console",
            "com",
            "com10",
            "nul_",
            "a b",
            " a",
            "b2-download-x",
        ] {
            for rules in [Portable, Native] {
                assert_eq!(check_local_name(name, rules), Ok(()), "{name:?}");
            }
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused_by_all_rules() {
        let long = "x".repeat(256);
        for (name, reason) in [
            ("", UnsafeNameReason::Empty),
            ("/x", UnsafeNameReason::Absolute),
            ("//x", UnsafeNameReason::Absolute),
            ("../x", UnsafeNameReason::DotSegment),
            ("a/../../x", UnsafeNameReason::DotSegment),
            ("a/..", UnsafeNameReason::DotSegment),
            ("./x", UnsafeNameReason::DotSegment),
            ("a//b", UnsafeNameReason::EmptySegment),
            ("a/", UnsafeNameReason::EmptySegment),
            ("a\0", UnsafeNameReason::ControlCharacter),
            ("\u{1b}[2J", UnsafeNameReason::ControlCharacter),
            ("a\u{9b}b", UnsafeNameReason::ControlCharacter),
            (long.as_str(), UnsafeNameReason::SegmentTooLong),
            (".b2-download-x.part", UnsafeNameReason::TemporaryName),
            ("a/.B2-Download-x/b", UnsafeNameReason::TemporaryName),
            (".b2\u{200c}-download-x", UnsafeNameReason::TemporaryName),
        ] {
            for rules in [Portable, Native] {
                assert_eq!(
                    check_local_name(name, rules),
                    Err(reason.clone()),
                    "{name:?}"
                );
            }
        }
    }

    #[test]
    fn what_some_system_does_not_keep_is_refused_by_the_portable_rules() {
        for (name, reason) in [
            ("C:x", UnsafeNameReason::DriveLetter),
            ("c:/x", UnsafeNameReason::DriveLetter),
            (r"a\..\b", UnsafeNameReason::Backslash),
            (r"\\server\share", UnsafeNameReason::Backslash),
            ("a/b:stream", UnsafeNameReason::ForbiddenCharacter(':')),
            ("what?", UnsafeNameReason::ForbiddenCharacter('?')),
            ("a/x.", UnsafeNameReason::TrailingDotOrSpace),
            ("x /a", UnsafeNameReason::TrailingDotOrSpace),
            ("...", UnsafeNameReason::TrailingDotOrSpace),
            ("CON", UnsafeNameReason::DeviceName),
            ("a/aux.txt", UnsafeNameReason::DeviceName),
            ("nul .tar.gz", UnsafeNameReason::DeviceName),
            ("Lpt1", UnsafeNameReason::DeviceName),
            ("com³.x/y", UnsafeNameReason::DeviceName),
            ("conin$", UnsafeNameReason::DeviceName),
        ] {
            assert_eq!(check_local_name(name, Portable), Err(reason), "{name:?}");
            assert_eq!(
                check_local_name(name, Native).is_ok(),
                cfg!(unix),
                "{name:?}"
            );
        }
    }

    #[test]
    fn names_that_some_system_takes_for_the_same_have_the_same_key() {
        for (one, other) in [
            ("a/B", "A/b"),
            ("é", "e\u{301}"),
            ("É", "e\u{301}"),
            ("Å", "\u{212b}"),
            ("straße", "STRASSE"),
            ("ς", "σ"),
            ("K", "\u{212a}"),
            ("a\u{200d}b", "ab"),
        ] {
            let keys = [one, other].map(|name| collision_key(name, Portable));
            assert_eq!(keys[0], keys[1], "{one} {other}");
        }
        assert_ne!(collision_key("a", Portable), collision_key("á", Portable));
        assert_eq!(
            collision_key("a", Native) == collision_key("A", Native),
            !cfg!(unix)
        );
    }
}
