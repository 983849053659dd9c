//! The words of documents and comments: no phrase that a reader has to guess.

use crate::links::{documents, files, read, root};

/// Phrases that stand for nothing a reader knows, or that are not in use any more.
const UNUSUAL: [&str; 9] = [
    "What may be said",
    "Nothing said",
    "for ever",
    "meanwhile",
    "shall",
    "gone on with",
    "made anew",
    "anew",
    "what comes of",
];

/// Whether the text has this phrase, as whole words.
fn has(text: &str, phrase: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(phrase).any(|(at, _)| {
        !is_word(text[..at].chars().next_back())
            && !is_word(text[at + phrase.len()..].chars().next())
    })
}

#[test]
fn a_phrase_is_found_as_whole_words_only() {
    assert!(has("it lasts for ever.", "for ever"));
    assert!(!has("for every file", "for ever"));
    assert!(!has("shallow", "shall"));
    assert!(!has("fn made_meanwhile", "meanwhile"));
}

#[test]
fn documents_and_comments_use_the_usual_words() {
    let mut texts = documents();
    for folder in ["src", "examples"] {
        texts.extend(files(&root().join(folder), "rs"));
    }
    let mut found = Vec::new();
    for path in texts {
        for (number, line) in read(&path).lines().enumerate() {
            let unusual = UNUSUAL.iter().filter(|phrase| has(line, phrase));
            found.extend(
                unusual.map(|phrase| format!("{}:{}: {phrase}", path.display(), number + 1)),
            );
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
