//! One page of a bucket's names or versions: its order, prefix, folders, and where the next page
//! starts (docs/protocol.md, section 9). It skips the content of a folder and the older versions of
//! a name, so a page costs its number of rows times the logarithm of the bucket's size.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::simulator::account::records::{Action, Version};
use crate::simulator::account::state::{AtPlace, ByPlace, Place};

/// What a page contains.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    pub(crate) prefix: &'a str,
    /// Names outside this prefix are passed over although asked for: what version 1 of the API
    /// does for restricted keys (docs/protocol.md, section 9.5). Otherwise empty.
    pub(crate) visible_prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    pub(crate) start: Place,
    pub(crate) limit: usize,
    /// Whether all versions are listed, or the latest visible version of each name.
    pub(crate) all_versions: bool,
    /// After this many hidden names a page of names ends early.
    pub(crate) scan_limit: usize,
}

#[derive(Debug)]
pub(crate) enum Row {
    File(Arc<Version>),
    Folder(String),
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    /// Name, and id where the next row is a version.
    pub(crate) next: Option<(String, Option<String>)>,
}

pub(crate) fn read(versions: &BTreeSet<ByPlace>, query: &Query<'_>) -> Page {
    let mut page = Page {
        rows: Vec::new(),
        next: None,
    };
    let Some(within) = narrower(query.prefix, query.visible_prefix) else {
        return page;
    };
    let first = Place::first(within);
    let start = if query.start.place() < first.place() {
        first
    } else {
        query.start.clone()
    };
    let mut from = Bound::Included(start);
    let mut hidden = 0;
    while let Some(ByPlace(version)) = next_from(versions, &from) {
        if !version.name.starts_with(within) {
            break;
        }
        if let Some(beyond) = beyond_hidden(query, version) {
            if version.action == Action::Hide {
                if hidden == query.scan_limit.max(1) {
                    page.next = Some((version.name.to_string(), None));
                    break;
                }
                hidden += 1;
            }
            from = beyond;
            continue;
        }
        let folder = folder_of(&version.name, query);
        if page.rows.len() == query.limit {
            page.next = Some(match folder {
                Some(folder) => (folder.to_owned(), None),
                None => (version.name.to_string(), Some(version.file_id())),
            });
            break;
        }
        let beyond = match folder {
            Some(folder) => beyond_prefix(folder),
            None if query.all_versions => Some(Bound::Excluded(Place::of(version))),
            None => Some(Bound::Excluded(Place::last(&version.name))),
        };
        page.rows.push(match folder {
            Some(folder) => Row::Folder(folder.to_owned()),
            None => Row::File(Arc::clone(version)),
        });
        let Some(beyond) = beyond else { break };
        from = beyond;
    }
    page
}

fn next_from<'v>(versions: &'v BTreeSet<ByPlace>, from: &Bound<Place>) -> Option<&'v ByPlace> {
    let from = from.as_ref().map(|place| place as &dyn AtPlace);
    versions
        .range::<dyn AtPlace, _>((from, Bound::Unbounded))
        .next()
}

/// Where to go on if a listing of names does not show this version: an unfinished file may stand
/// before the finished one, a hide marker hides all that is older.
fn beyond_hidden(query: &Query<'_>, version: &Version) -> Option<Bound<Place>> {
    match version.action {
        _ if query.all_versions => None,
        Action::Upload => None,
        Action::Start => Some(Bound::Excluded(Place::of(version))),
        Action::Hide => Some(Bound::Excluded(Place::last(&version.name))),
    }
}

/// The prefix up to and including the first delimiter after what was asked for.
fn folder_of<'n>(name: &'n str, query: &Query<'_>) -> Option<&'n str> {
    let delimiter = query.delimiter?;
    let begin = query.prefix.len();
    let at = name.get(begin..)?.find(delimiter)?;
    name.get(..begin + at + delimiter.len())
}

/// Names that match both prefixes match the longer one; `None` if no name can.
fn narrower<'p>(one: &'p str, other: &'p str) -> Option<&'p str> {
    if one.starts_with(other) {
        Some(one)
    } else {
        other.starts_with(one).then_some(other)
    }
}

/// The first place after all names with this prefix; `None` if nothing sorts after them. The order
/// of UTF-8 bytes is the order of characters.
fn beyond_prefix(prefix: &str) -> Option<Bound<Place>> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            other => u32::from(other).checked_add(1).and_then(char::from_u32),
        };
        if let Some(next) = next {
            characters.push(next);
            let name: String = characters.into_iter().collect();
            return Some(Bound::Included(Place::first(&name)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_beyond_a_prefix_is_right_after_its_names() {
        let beyond = |prefix: &str| match beyond_prefix(prefix) {
            Some(Bound::Included(place)) => Some(place.name),
            _ => None,
        };
        assert_eq!(beyond("a/").as_deref(), Some("a0"));
        assert_eq!(beyond("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(beyond("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(beyond("\u{10ffff}"), None);
    }
}
