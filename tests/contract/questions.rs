//! What only the service can answer: for the rows of the fidelity table in `docs/simulator.md` that say
//! "assumed", a request whose outcome settles the row, and the outcome that the simulator assumes; and
//! the rows that no request can settle, with the reason.
//!
//! ```text
//! cargo test --all-features --test contract questions -- --nocapture
//! ```
//!
//! prints the list: each question with the row that it is about, the simulator's answer and, with a key
//! of a real account in the environment, the service's.

#[path = "questions/buckets.rs"]
mod buckets;
#[path = "questions/calls.rs"]
mod calls;
#[path = "questions/files.rs"]
mod files;
#[path = "questions/keys.rs"]
mod keys;

use serde_json::Value;

use super::service::{Answer, Scratch, Service};

struct Question {
    /// How the row of the fidelity table begins.
    row: &'static str,
    question: &'static str,
    ask: fn(&Scratch<'_>) -> String,
    /// What the simulator answers.
    assumed: &'static str,
}

/// Begins an answer that says nothing of the row, because the account may not do what is asked.
const CANNOT_ASK: &str = "cannot be asked";

/// Rows of which at least a part is assumed and no request of a run settles anything, and why.
const NOT_ASKED: [(&str, &str); 2] = [
    (
        "the marker of a file that a rule deletes",
        "the service applies rules once a day",
    ),
    (
        "versions of one time are listed by their id",
        "it takes an account that may choose timestamps",
    ),
];

fn questions() -> impl Iterator<Item = &'static Question> {
    [
        calls::QUESTIONS,
        buckets::QUESTIONS,
        files::QUESTIONS,
        keys::QUESTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The status, and the code of a refusal.
fn outcome(answer: &Answer) -> String {
    if answer.status < 300 {
        return answer.status.to_string();
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    format!(
        "{} {}",
        answer.status,
        body["code"].as_str().unwrap_or("without a code")
    )
}

fn update(bucket: &Scratch<'_>, body: Value) -> String {
    outcome(&bucket.update(body))
}

fn length_of(list: &Value) -> String {
    list.as_array().map_or(0, Vec::len).to_string()
}

fn ask(service: &Service, question: &Question) -> String {
    let session = service.session();
    (question.ask)(&Scratch::new(&session))
}

/// The simulator answers as the table says; what the service answers is printed beside it, and each
/// row that it contradicts is named at the end.
#[test]
fn questions_that_only_the_service_can_answer() {
    let (simulated, real) = (Service::simulated(), Service::real());
    let mut contradicted = Vec::new();
    for question in questions() {
        let assumed = ask(&simulated, question);
        assert_eq!(assumed, question.assumed, "{}", question.question);
        let answer = real.as_ref().map(|service| ask(service, question));
        let shown = answer.as_deref().unwrap_or("not asked");
        println!(
            "{}\n  row: {}\n  assumed: {assumed}; the service: {shown}",
            question.question, question.row
        );
        if answer.is_some_and(|answer| answer != assumed && !answer.starts_with(CANNOT_ASK)) {
            contradicted.push(question.row);
        }
    }
    for (row, reason) in NOT_ASKED {
        println!("no question\n  row: {row}\n  {reason}");
    }
    assert!(
        contradicted.is_empty(),
        "the service does otherwise: {contradicted:#?}"
    );
}

/// What the rows of the fidelity table say, and how far it is known.
fn rows_of_the_table() -> Vec<(&'static str, &'static str)> {
    let document = include_str!("../../docs/simulator.md");
    let (_, table) = document
        .split_once("| Behaviour | Section | Known | Test |")
        .unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_start_matches("| ").split(" | ").collect();
        (cells[0], cells[2])
    })
    .collect()
}

#[test]
fn every_row_that_is_assumed_has_a_question_or_a_reason_why_not_and_no_other_row() {
    let asked: Vec<&str> = questions().map(|question| question.row).collect();
    let not_asked = NOT_ASKED.map(|(row, _)| row);
    let rows = rows_of_the_table();
    for start in asked.iter().chain(&not_asked) {
        let meant = rows.iter().filter(|(row, _)| row.starts_with(start));
        assert_eq!(meant.count(), 1, "{start}");
    }
    for (row, known) in rows {
        let names_it = |start: &&&str| row.starts_with(**start);
        let questions = asked.iter().filter(names_it).count();
        let reasons = not_asked.iter().filter(names_it).count();
        if known.contains("assumed") {
            assert!((questions > 0) != (reasons > 0), "{row}");
        } else {
            assert_eq!(reasons, 0, "{row}");
        }
    }
}
