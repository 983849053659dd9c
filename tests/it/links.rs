//! Links in README, the documents and the sources lead somewhere, in the repository and on docs.rs.
//! `tests/scripts/check_links.py` does the same for the HTML that rustdoc writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{BrokenLink, Event, LinkType, Options, Parser, Tag, TagEnd};

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder and of those in it, with this extension.
pub(super) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found
}

/// README and its like, and everything in `docs`.
pub(super) fn documents() -> Vec<PathBuf> {
    let mut found = files(&root().join("docs"), "md");
    for name in [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ] {
        found.push(root().join(name));
    }
    found.push(root().join("fixtures/README.md"));
    assert!(found.len() > 12, "{found:?}");
    found
}

/// What a document has of links.
#[derive(Default)]
struct Document {
    /// The fragments that lead into it.
    anchors: BTreeSet<String>,
    /// Where its links lead, those by reference too.
    targets: Vec<String>,
    /// Where its links without a reference lead.
    inline: Vec<String>,
    /// The references that it defines.
    definitions: BTreeMap<String, String>,
    /// The references that it uses and does not define.
    undefined: Vec<String>,
}

impl Document {
    fn of(text: &str) -> Self {
        let mut own = Self::default();
        let mut heading: Option<String> = None;
        let mut undefined = Vec::new();
        let note = |link: BrokenLink<'_>| {
            undefined.push(link.reference.to_string());
            None
        };
        let options = Options::ENABLE_TABLES;
        let parser = Parser::new_with_broken_link_callback(text, options, Some(note));
        for (label, definition) in parser.reference_definitions().iter() {
            own.definitions
                .insert(label.to_owned(), definition.dest.to_string());
        }
        for event in parser {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    own.anchors.extend(heading.take().map(|text| slug(&text)));
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Start(Tag::Link {
                    link_type,
                    dest_url,
                    ..
                }) => {
                    own.targets.push(dest_url.to_string());
                    if link_type == LinkType::Inline {
                        own.inline.push(dest_url.to_string());
                    }
                }
                Event::Start(Tag::Image { dest_url, .. }) => own.targets.push(dest_url.to_string()),
                Event::Html(html) | Event::InlineHtml(html) => own.targets.extend(pictures(&html)),
                _ => {}
            }
        }
        own.undefined = undefined;
        own
    }
}

/// The files of pictures that a piece of HTML shows.
fn pictures(html: &str) -> Vec<String> {
    let attributes = [" src=\"", " srcset=\""].into_iter();
    attributes
        .flat_map(|attribute| html.split(attribute).skip(1))
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

/// The anchor of a heading, as both GitHub and rustdoc make it.
fn slug(heading: &str) -> String {
    heading
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

/// What is wrong with a link of a document that lies at `path`.
fn fault(path: &Path, target: &str) -> Option<String> {
    if target.starts_with("https://") {
        return None;
    }
    let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
    let file = match file {
        "" => path.to_owned(),
        relative => path.parent().unwrap().join(relative),
    };
    if !file.exists() {
        return Some(format!("there is no {}", file.display()));
    }
    let known = || Document::of(&read(&file)).anchors;
    (!fragment.is_empty() && !known().contains(fragment))
        .then(|| format!("{} has no heading #{fragment}", file.display()))
}

#[test]
fn each_link_of_a_document_leads_to_a_file_and_a_heading_that_exist() {
    let mut wrong = Vec::new();
    for path in documents() {
        let document = Document::of(&read(&path));
        for target in document.targets.iter().chain(document.definitions.values()) {
            wrong.extend(fault(&path, target).map(|why| format!("{}: {why}", path.display())));
        }
        // A heading of the changelog is in brackets, as its form has it.
        for reference in document
            .undefined
            .iter()
            .filter(|name| *name != "Unreleased")
        {
            wrong.push(format!("{}: [{reference}] is not defined", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The names of the pages in `src/guide.rs` and their files in `docs`.
fn pages() -> BTreeMap<String, String> {
    let guide = read(&root().join("src/guide.rs"));
    let found: BTreeMap<_, _> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("page!(")?.strip_suffix("\");"))
        .map(|line| line.split_once(", \"").unwrap())
        .map(|(name, file)| (name.to_owned(), file.to_owned()))
        .collect();
    assert!(found.len() > 8, "{found:?}");
    found
}

/// Where a page is, from a link such as `docs/transfers.md#workers` in the repository.
fn in_rustdoc(link: &str) -> Option<String> {
    let (file, fragment) = match link.split_once('#') {
        Some((file, fragment)) => (file, format!("#{fragment}")),
        None => (link, String::new()),
    };
    let pages = pages();
    let (name, _) = pages.iter().find(|(_, page)| *page == file)?;
    Some(format!("crate::guide::{name}{fragment}"))
}

#[test]
fn each_link_between_documents_leads_to_the_same_page_on_docs_rs() {
    let defined = Document::of(&read(&root().join("docs/rustdoc-links.txt"))).definitions;
    let shown = pages().into_values().map(|file| format!("docs/{file}"));
    let mut wrong = Vec::new();
    for name in shown.chain(["README.md".to_owned()]) {
        let document = Document::of(&read(&root().join(&name)));
        for target in &document.inline {
            // Links by reference have a definition for either place; others cannot.
            if !target.starts_with("https://") && !target.starts_with('#') {
                wrong.push(format!("{name}: {target} is not by reference"));
            }
        }
        for (label, target) in &document.definitions {
            let file = target.strip_prefix("docs/").unwrap_or(target);
            let there = in_rustdoc(file);
            if there.is_none() || defined.get(label) != there.as_ref() {
                wrong.push(format!(
                    "{name}: [{label}] is {target} here, {there:?} there"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_first_program_is_the_one_that_is_compiled_with_default_features() {
    let example = read(&root().join("examples/first_program.rs"));
    let (_, program) = example.split_once("\n\n").unwrap();
    let block = format!("```rust,no_run\n{program}```\n");
    assert!(read(&root().join("README.md")).contains(&block), "{block}");
}

/// What follows each occurrence of `word` in the text, as long as `is_part` accepts it.
fn after<'t>(text: &'t str, word: &str, is_part: fn(char) -> bool) -> Vec<&'t str> {
    text.match_indices(word)
        .map(|(at, _)| {
            text[at + word.len()..]
                .split(|c| !is_part(c))
                .next()
                .unwrap()
        })
        .collect()
}

#[test]
fn links_of_the_sources_lead_to_pages_and_headings_that_exist() {
    let anchors: BTreeMap<_, _> = pages()
        .into_iter()
        .map(|(name, file)| {
            (
                name,
                Document::of(&read(&root().join("docs").join(file))).anchors,
            )
        })
        .collect();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '#');
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in files(&root().join("src"), "rs") {
        let text = read(&path);
        for link in after(&text, "crate::guide::", is_part) {
            let (name, fragment) = link.split_once('#').unwrap_or((link, ""));
            let page = anchors.get(name);
            if !page.is_some_and(|page| fragment.is_empty() || page.contains(fragment)) {
                wrong.push(format!("{}: {link}", path.display()));
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} links");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The numbers of sections of docs/protocol.md that a text refers to, also over the end of a line.
fn sections(text: &str) -> Vec<&str> {
    let is_comment_mark = |word: &str| word.starts_with("//");
    let words: Vec<_> = text
        .split_whitespace()
        .filter(|word| !is_comment_mark(word))
        .collect();
    let mut found = Vec::new();
    for three in words.windows(3) {
        let [document, section, number] = three else {
            continue;
        };
        let number = number.trim_matches(|c: char| !c.is_ascii_digit());
        if document.trim_start_matches('(') == "docs/protocol.md,"
            && section.trim_end_matches(['s', ',']) == "section"
            && !number.is_empty()
        {
            found.push(number);
        }
    }
    found
}

#[test]
fn comments_name_only_sections_of_the_protocol_that_exist() {
    let anchors = Document::of(&read(&root().join("docs/protocol.md"))).anchors;
    let (mut seen, mut wrong) = (0, Vec::new());
    for folder in ["src", "tests"] {
        for path in files(&root().join(folder), "rs") {
            for number in sections(&read(&path)) {
                let start = format!("{}-", number.replace('.', ""));
                if !anchors.iter().any(|anchor| anchor.starts_with(&start)) {
                    wrong.push(format!("{}: section {number}", path.display()));
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "{seen} sections");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
