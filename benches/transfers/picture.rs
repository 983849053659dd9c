//! Pictures of measured figures: bars, as SVG files for a light and for a dark page.
//!
//! `B2SDK_BENCH_RESULTS=FILE cargo bench --bench transfers -- ...` adds each case that it measures to a file, a line of
//! JSON for each. `cargo bench --bench transfers -- picture FILE DIRECTORY` draws what is in it. Of a case that was
//! measured more than once, the last counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

/// The argument that draws.
pub(crate) const ROLE: &str = "picture";
/// The variable that names the file with the figures.
const RESULTS: &str = "B2SDK_BENCH_RESULTS";

/// The figures of a case.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) case: String,
    pub(crate) rows: Vec<Row>,
}

/// The medians of a row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    pub(crate) rss: f64,
    pub(crate) requests: f64,
    pub(crate) mib_a_second: f64,
}

/// Adds a case to the file with the figures, if one is named.
pub(crate) fn keep(figures: &Figures) -> Result<()> {
    let Some(path) = std::env::var_os(RESULTS) else {
        return Ok(());
    };
    let mut file = fs::File::options().create(true).append(true).open(path)?;
    Ok(writeln!(file, "{}", serde_json::to_string(figures)?)?)
}

/// A picture: its name, which cases it has, and what of them.
struct Chart {
    name: &'static str,
    is_shown: fn(&str) -> bool,
    measures: &'static [Measure],
}

/// A figure of a row: its heading, the value, and how many digits are shown of it.
type Measure = (&'static str, fn(&Row) -> f64, usize);

const CHARTS: [Chart; 2] = [
    Chart {
        name: "transfers",
        is_shown: |case| case.starts_with("tls: ") && case.contains(", 10 "),
        measures: &[
            ("seconds of CPU", |row| row.cpu, 2),
            ("MiB of memory", |row| row.rss, 0),
            ("requests", |row| row.requests, 0),
        ],
    },
    Chart {
        name: "workers",
        is_shown: |case| case.starts_with("workers: "),
        measures: &[("MiB a second", |row| row.mib_a_second, 2)],
    },
];

/// The colours of a page.
struct Theme {
    name: &'static str,
    text: &'static str,
    faint: &'static str,
    bar: &'static str,
    /// Of the row that the picture is about.
    ours: &'static str,
}

const THEMES: [Theme; 2] = [
    Theme {
        name: "light",
        text: "#1f2328",
        faint: "#59636e",
        bar: "#afb8c1",
        ours: "#bc4c00",
    },
    Theme {
        name: "dark",
        text: "#f0f6fc",
        faint: "#9198a1",
        bar: "#4d5662",
        ours: "#f0883e",
    },
];

/// Draws what is in a file, into a directory.
pub(crate) fn draw(arguments: &[String]) -> Result<()> {
    let [results, directory] = arguments else {
        anyhow::bail!("{ROLE} takes a file with figures and a directory");
    };
    let text = fs::read_to_string(results).with_context(|| format!("reading {results}"))?;
    let mut cases: Vec<Figures> = Vec::new();
    let mut places = BTreeMap::new();
    for line in text.lines() {
        let figures: Figures = serde_json::from_str(line)?;
        match places.get(&figures.case) {
            Some(place) => cases[*place] = figures,
            None => {
                places.insert(figures.case.clone(), cases.len());
                cases.push(figures);
            }
        }
    }
    fs::create_dir_all(directory)?;
    for chart in CHARTS {
        let shown: Vec<_> = cases
            .iter()
            .filter(|case| (chart.is_shown)(&case.case))
            .collect();
        for theme in &THEMES {
            let path = Path::new(directory).join(format!("{}-{}.svg", chart.name, theme.name));
            if !shown.is_empty() {
                fs::write(path, svg(&shown, chart.measures, theme)?)?;
            }
        }
    }
    ensure!(!cases.is_empty(), "{results} has no figures");
    Ok(())
}

const WIDTH: usize = 860;
/// Room on the left for names that are longer than their column.
const MARGIN: usize = 40;
const ROW: usize = 20;
/// Where the bars begin: names stand before them.
const NAMES: usize = 210;
/// Between two measures, for the value behind the bar.
const GAP: usize = 60;

fn svg(cases: &[&Figures], measures: &[Measure], theme: &Theme) -> Result<String> {
    let mut body = String::new();
    let mut y = 10;
    for case in cases {
        y += ROW;
        let title = case.case.split_once(": ").map_or("", |(_, title)| title);
        text(&mut body, (0, y), theme.text, "font-weight=\"600\"", title)?;
        y += ROW;
        let width = (WIDTH - NAMES) / measures.len();
        for (at, (heading, value, digits)) in measures.iter().enumerate() {
            let x = NAMES + at * width;
            text(&mut body, (x, y), theme.faint, "", heading)?;
            let most = case.rows.iter().map(value).fold(0.0, f64::max);
            for (row, line) in case.rows.iter().zip(1..) {
                let (value, y) = (value(row), y + line * ROW);
                let length = value / most.max(f64::MIN_POSITIVE) * (width - GAP) as f64;
                let is_ours = row.name.starts_with("this crate") || row.name == "adaptive";
                let colour = if is_ours { theme.ours } else { theme.bar };
                writeln!(
                    body,
                    "<rect x=\"{x}\" y=\"{}\" width=\"{:.1}\" height=\"12\" rx=\"2\" fill=\"{colour}\"/>",
                    y - 10,
                    length.max(1.0)
                )?;
                let place = (x + length as usize + 5, y);
                text(
                    &mut body,
                    place,
                    theme.text,
                    "",
                    &format!("{value:.digits$}"),
                )?;
            }
        }
        for row in &case.rows {
            y += ROW;
            let end = "text-anchor=\"end\"";
            text(&mut body, (NAMES - 8, y), theme.text, end, &row.name)?;
        }
        y += ROW / 2;
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{height}\" \
         viewBox=\"-{MARGIN} 0 {0} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n{body}</svg>\n",
        WIDTH + MARGIN,
        height = y + 10
    ))
}

fn text(
    body: &mut String,
    (x, y): (usize, usize),
    colour: &str,
    more: &str,
    words: &str,
) -> Result<()> {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    Ok(writeln!(
        body,
        "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\" {more}>{words}</text>"
    )?)
}
