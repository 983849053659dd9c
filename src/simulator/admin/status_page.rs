//! The page at `/` for people: what is stored, the requests, their billing classes, and the pending
//! faults. It is plain HTML without scripts and contains no secret.
//!
//! Clients choose the names on it. Therefore all text goes through [`Page::text`], and the headers
//! forbid browsers to run or load anything. Nothing is counted by iterating over a bucket, so the
//! cost of the page does not depend on how much is stored.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use httpdate::fmt_http_date;

use crate::model::operation::{BillingClass, Operation};
use crate::simulator::account::records::{Action, Bucket, Version};
use crate::simulator::account::state::{Contents, State};
use crate::simulator::account::world::World;
use crate::simulator::api::content::{self, ChunkReader};
use crate::simulator::faults::Faults;
use crate::simulator::log::{LogEntry, RequestLog};
use crate::simulator::protocol::decode;
use crate::simulator::protocol::message::{Reply, ReplyBody, Request};
use crate::simulator::protocol::reply::{Refusal, header};

/// Rows of each table.
const ROWS: usize = 50;

const STYLE: &str = ":root { color-scheme: light dark } \
    body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5em auto; max-width: 75em; padding: 0 1em } div { overflow-x: auto; margin: .5em 0 1.5em } \
    table { border-collapse: collapse } \
    th, td { border: 1px solid #8888; padding: .2em .6em; text-align: left; vertical-align: top } \
    td { white-space: nowrap } .t { white-space: normal; overflow-wrap: anywhere; min-width: 9em } \
    .n { text-align: right } h1, h2, h3, p { overflow-wrap: anywhere } h2 { margin-top: 1.6em } \
    .failed { color: light-dark(#b3261e, #ff8a80) } wbr { display: none } \
    @media (max-width: 60em) { td { white-space: normal } .n { white-space: nowrap } .t { min-width: 7em } wbr { display: inline } } \
    @media (max-width: 30em) { table { font-size: 12px } th, td { padding: .15em .3em } .t { min-width: 5em } }";

/// What a link to a file begins with, behind `/?`.
const FILE_QUERY: &str = "file=";

/// Returns the page, or a file that a link of the page names.
pub(crate) fn answer(world: &World, request: &Request, log: &RequestLog, faults: &Faults) -> Reply {
    let id = request
        .query
        .as_deref()
        .and_then(|query| query.strip_prefix(FILE_QUERY));
    match id {
        None => page(world, log, faults),
        Some(id) => download(world, id).unwrap_or_else(Refusal::into_reply),
    }
}

/// Returns the content of a file, which a browser saves and does not show: an uploaded script must
/// not run with the origin of the page.
fn download(world: &World, id: &str) -> Result<Reply, Refusal> {
    let state = world.state();
    let file = state.file(id).filter(|file| is_downloadable(file));
    let file = file.ok_or_else(|| Refusal::not_found(format!("File not present: {id}")))?;
    content::check_readable(&file.content)?;
    let name = file.name.rsplit('/').next().unwrap_or_default();
    let mut headers = safe_headers("application/octet-stream");
    headers.push(header(
        "Content-Disposition",
        // In this header, a plus sign does not stand for a space.
        format!(
            "attachment; filename*=UTF-8''{}",
            decode::encode(name).replace('+', "%20")
        ),
    ));
    Ok(Reply {
        status: 200,
        headers,
        body: ReplyBody::Stream(Box::new(ChunkReader::new(&file.content)), file.length),
    })
}

/// Files that are encrypted with a customer's key need that key.
fn is_downloadable(version: &Version) -> bool {
    version.action == Action::Upload && !version.encryption.is_customer()
}

/// Renders the page.
fn page(world: &World, log: &RequestLog, faults: &Faults) -> Reply {
    let mut page = Page(String::new());
    page.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width\">");
    page.raw("<title>b2-simulator</title><link rel=\"icon\" href=\"data:,\"><style>");
    page.raw(STYLE);
    page.raw("</style></head><body>\n<h1>b2-simulator</h1>\n<p>Account ");
    page.text(world.account_id());
    page.raw(", at ");
    page.text(&fmt_http_date(world.clock().now()));
    page.raw(". Reload to see what has changed.</p>\n");
    stored(&mut page, &world.state());
    calls(&mut page, log);
    going_wrong(&mut page, faults);
    requests(&mut page, &log.latest(ROWS));
    page.raw("</body></html>\n");
    reply(page.0)
}

fn reply(html: String) -> Reply {
    Reply {
        status: 200,
        headers: safe_headers("text/html; charset=utf-8"),
        body: ReplyBody::Bytes(html.into_bytes()),
    }
}

/// Headers that forbid a browser to run, load or keep anything.
fn safe_headers(content_type: &str) -> Vec<(String, String)> {
    vec![
        header("Content-Type", content_type),
        header("Cache-Control", "no-store"),
        header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        header("X-Content-Type-Options", "nosniff"),
        header("Referrer-Policy", "no-referrer"),
    ]
}

fn stored(page: &mut Page, state: &State) {
    let buckets: Vec<_> = state.buckets_by_name().collect();
    page.heading(2, &format!("Buckets: {}", buckets.len()));
    for bucket in buckets {
        if let Some(contents) = state.contents(&bucket.id) {
            stored_in(page, bucket, contents);
        }
    }
}

fn stored_in(page: &mut Page, bucket: &Bucket, contents: &Contents) {
    page.heading(3, &bucket.name);
    let (versions, unfinished) = (contents.versions.len(), contents.unfinished.len());
    page.paragraph(&format!(
        "{}, {versions} {}, {unfinished} large {} unfinished, id {}",
        bucket.kind,
        if versions == 1 { "version" } else { "versions" },
        if unfinished == 1 { "file" } else { "files" },
        bucket.id
    ));
    if versions == 0 {
        return;
    }
    page.table(&["file", "bytes", "uploaded (GMT)", "state"], |page| {
        for version in contents.versions.iter().take(ROWS) {
            file(page, &version.0);
        }
    });
    if versions > ROWS {
        page.paragraph(&format!("and {} more", versions - ROWS));
    }
}

fn file(page: &mut Page, version: &Version) {
    let what = match version.action {
        Action::Upload => "complete",
        Action::Start => "unfinished",
        Action::Hide => "hides the older ones",
    };
    let uploaded = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(version.uploaded));
    page.row(|page| {
        if is_downloadable(version) {
            page.raw("<td class=\"t\"><a href=\"/?");
            page.text(FILE_QUERY);
            page.text(&version.file_id());
            page.raw("\">");
            page.text(&version.name);
            page.raw("</a>");
        } else {
            page.long(&version.name);
        }
        page.number(&version.length.to_string());
        page.cell(
            uploaded
                .map(fmt_http_date)
                .as_deref()
                .map_or("", short_date),
        );
        page.cell(what);
    });
}

/// Returns a date of HTTP without the day of the week and the time zone.
fn short_date(date: &str) -> &str {
    let date = date.split_once(", ").map_or(date, |(_, rest)| rest);
    date.trim_end_matches(" GMT")
}

fn calls(page: &mut Page, log: &RequestLog) {
    let counts = log.counts();
    page.heading(2, &format!("Calls: {}", log.total()));
    page.table(&["class", "what", "calls", "operations"], |page| {
        for (class, name, what) in [
            (BillingClass::A, "A", "free"),
            (BillingClass::B, "B", "downloads"),
            (BillingClass::C, "C", "listings and others"),
        ] {
            let of_class = |name: &&str| {
                Operation::from_name(name).is_some_and(|it| it.billing_class() == class)
            };
            let counts = counts.iter().filter(|(name, _)| of_class(name));
            let total: usize = counts.clone().map(|(_, count)| count).sum();
            let names: Vec<String> = counts
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            page.row(|page| {
                page.cell(name);
                page.cell(what);
                page.number(&total.to_string());
                page.long(&names.join(", "));
            });
        }
    });
}

fn going_wrong(page: &mut Page, faults: &Faults) {
    let words: Vec<String> = faults
        .list()
        .iter()
        .map(|(_, fault)| fault.to_string())
        .collect();
    page.heading(2, &format!("Faults: {}", words.len()));
    if words.is_empty() {
        return;
    }
    page.table(&["fault"], |page| {
        for fault in words.iter().take(ROWS) {
            page.row(|page| page.long(fault));
        }
    });
}

fn requests(page: &mut Page, entries: &[LogEntry]) {
    page.heading(2, "Latest requests");
    let columns = ["request", "file", "status", "ms", "bytes", "fault"];
    page.table(&columns, |page| {
        for entry in entries {
            request(page, entry);
        }
    });
}

fn request(page: &mut Page, entry: &LogEntry) {
    let what = entry
        .operation
        .map_or(entry.method.as_str(), |it| it.name());
    // Downloads by name have it in their path.
    let file = match (entry.operation, &entry.file_name) {
        (_, Some(name)) => name,
        (None | Some(Operation::DownloadFileByName), None) => &entry.path,
        (Some(_), None) => "",
    };
    let status = match (entry.status, &entry.error_code) {
        (None, _) => "none".to_owned(),
        (Some(status), None) => status.to_string(),
        (Some(status), Some(code)) => format!("{status} {code}"),
    };
    page.row(|page| {
        page.raw("<td>");
        page.name(what);
        page.long(file);
        page.raw(match entry.status {
            Some(..400) => "<td>",
            _ => "<td class=\"failed\">",
        });
        page.name(&status);
        page.number(&entry.elapsed.as_millis().to_string());
        page.number(&entry.body_bytes.to_string());
        page.long(entry.fault.as_deref().unwrap_or_default());
    });
}

/// Control characters, and characters that change the direction of text: a name must not look like
/// another name.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// HTML being written.
struct Page(String);

impl Page {
    /// Writes markup.
    fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// Writes text, whatever it contains.
    fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.raw("&amp;"),
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '"' => self.raw("&quot;"),
                '\'' => self.raw("&#39;"),
                other if is_unseen(other) => self.0.extend(other.escape_unicode()),
                other => self.0.push(other),
            }
        }
    }

    /// Writes a name that browsers may break after each underscore, for narrow screens.
    fn name(&mut self, text: &str) {
        let mut pieces = text.split_inclusive('_');
        self.text(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.raw("<wbr>");
            self.text(piece);
        }
    }

    fn heading(&mut self, level: u8, text: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "<h{level}>");
        self.text(text);
        let _ = writeln!(self.0, "</h{level}>");
    }

    fn paragraph(&mut self, text: &str) {
        self.raw("<p>");
        self.text(text);
        self.raw("</p>\n");
    }

    fn table(&mut self, columns: &[&str], rows: impl FnOnce(&mut Self)) {
        self.raw("<div><table><tr>");
        for column in columns {
            self.raw("<th>");
            self.text(column);
        }
        self.raw("\n");
        rows(self);
        self.raw("</table></div>\n");
    }

    fn row(&mut self, cells: impl FnOnce(&mut Self)) {
        self.raw("<tr>");
        cells(self);
        self.raw("\n");
    }

    fn cell(&mut self, text: &str) {
        self.raw("<td>");
        self.text(text);
    }

    /// A cell whose text may be long.
    fn long(&mut self, text: &str) {
        self.raw("<td class=\"t\">");
        self.text(text);
    }

    fn number(&mut self, text: &str) {
        self.raw("<td class=\"n\">");
        self.text(text);
    }
}
