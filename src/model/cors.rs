//! CORS rules of a bucket (docs/protocol.md, section 3.6).
//!
//! Checked before a request, because the service would certainly refuse it: the name's form and its
//! uniqueness, at least one origin and one operation, the form of origins and headers, the age, the
//! size of a rule, the number of rules. Not checked: rules that are still as the service returned
//! them, and operations without a name here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::lenient::{RuleOrigin, kept_rule};
use crate::model::open_enum::open_enum;

/// How long a browser may remember a rule at most, in seconds: a day.
const LONGEST: u32 = 86_400;

open_enum! {
    /// A kind of request that a CORS rule can allow to web pages.
    CorsOperation {
        /// Lets pages download a file by its name.
        DownloadFileByName = "b2_download_file_by_name",
        /// Lets pages download a file by its id.
        DownloadFileById = "b2_download_file_by_id",
        /// Lets pages upload a file.
        UploadFile = "b2_upload_file",
        /// Lets pages upload a part of a large file.
        UploadPart = "b2_upload_part",
        /// Lets pages delete files through the S3 API.
        S3Delete = "s3_delete",
        /// Lets pages download files through the S3 API.
        S3Get = "s3_get",
        /// Lets pages ask for the headers of files through the S3 API.
        S3Head = "s3_head",
        /// Lets pages send forms through the S3 API.
        S3Post = "s3_post",
        /// Lets pages upload files through the S3 API.
        S3Put = "s3_put",
    }
}

/// A CORS rule: it lets web pages of some origins access the bucket from a browser.
///
/// A rule only lifts a restriction of browsers. It gives nobody access who has none: a private bucket still
/// needs a token, and programs other than browsers need no rule. A rule has fewer than 1,000 bytes, and a
/// bucket at most 100 rules.
///
/// ```
/// use b2sdk::rules::{CorsOperation, CorsRule};
///
/// let operations = [CorsOperation::DownloadFileByName, CorsOperation::DownloadFileById];
/// let rule = CorsRule::new("downloads", ["https://example.com"], operations, 3600);
/// assert_eq!(rule.max_age_seconds, Some(3600));
/// ```
///
/// Members that this version of the crate does not know are kept in [`extra`](Self::extra) and
/// written back with the rule, so that an update does not lose them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
#[non_exhaustive]
pub struct CorsRule {
    /// The name, unique in the bucket: 6 to 63 letters, digits and `-`, not beginning with `b2-`. A rule
    /// that was made through the S3 API may have any other name, or an empty one for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cors_rule_name: String,
    /// The origins of the web pages: `https://example.com:8443`, `https://*.example.com`, `https`
    /// for all origins that use it, or only `*` for all.
    pub allowed_origins: Vec<String>,
    /// The requests that the pages may send. Operations of the native API and of the S3 API are
    /// listed separately.
    pub allowed_operations: Vec<CorsOperation>,
    /// The request headers that a page may send: names, prefixes that end in `*`, or only `*` for
    /// all.
    #[serde(default)]
    pub allowed_headers: Option<Vec<String>>,
    /// The response headers that a page may read, such as `x-bz-content-sha1`; browsers show a few
    /// others in any case.
    #[serde(default)]
    pub expose_headers: Option<Vec<String>>,
    /// How many seconds a browser may remember the rule: 0 to 86,400, which is a day. A rule that was made
    /// through the S3 API may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// The members of the JSON object that this version of the crate has no field for.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
    #[serde(skip)]
    pub(crate) origin: RuleOrigin<CorsRule>,
}

kept_rule! {
    serialized CorsRule,
    Self {
        max_age_seconds: None,
        ..Self::new("", [""; 0], [""; 0], 0)
    }
}

impl CorsRule {
    /// Creates a rule that allows these operations to pages of these origins.
    #[must_use]
    pub fn new<O: Into<String>, P: Into<CorsOperation>>(
        name: impl Into<String>,
        origins: impl IntoIterator<Item = O>,
        operations: impl IntoIterator<Item = P>,
        max_age_seconds: u32,
    ) -> Self {
        Self {
            cors_rule_name: name.into(),
            allowed_origins: origins.into_iter().map(Into::into).collect(),
            allowed_operations: operations.into_iter().map(Into::into).collect(),
            allowed_headers: None,
            expose_headers: None,
            max_age_seconds: Some(max_age_seconds),
            extra: Map::new(),
            origin: RuleOrigin::Program,
        }
    }

    /// Sets the request headers that a page may send. Without them a page may send only those that
    /// browsers always allow.
    #[must_use]
    pub fn allowed_headers<H: Into<String>>(
        mut self,
        headers: impl IntoIterator<Item = H>,
    ) -> Self {
        self.allowed_headers = Some(headers.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the response headers that a page may read. Without them a page may read only those that
    /// browsers always show.
    #[must_use]
    pub fn expose_headers<H: Into<String>>(mut self, headers: impl IntoIterator<Item = H>) -> Self {
        self.expose_headers = Some(headers.into_iter().map(Into::into).collect());
        self
    }

    /// What is wrong with this rule by itself.
    fn check(&self) -> Result<(), String> {
        let Self {
            cors_rule_name: name,
            allowed_origins: origins,
            allowed_operations: operations,
            allowed_headers,
            expose_headers,
            max_age_seconds: age,
            extra: _,
            origin: _,
        } = self;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let wrong = if !(6..=63).contains(&name.len()) || !name.bytes().all(is_name) {
            "a name has 6 to 63 letters, digits and '-'".to_owned()
        } else if name.starts_with("b2-") {
            "a name must not begin with 'b2-'".to_owned()
        } else if let Err(reason) = check_origins(origins) {
            reason
        } else if operations.is_empty() {
            "it allows no operation; name at least one".to_owned()
        } else if let Some(header) = bad_header(allowed_headers) {
            format!(
                "{header:?} is no allowed header: it is a name, the beginning of names ending in '*', or '*'"
            )
        } else if let Some(header) = bad_header(expose_headers) {
            format!("{header:?} is no exposed header: it is the name of a response header")
        } else if let Some(age) = age.filter(|age| *age > LONGEST) {
            format!("max_age_seconds is at most {LONGEST}, a day, not {age}")
        } else {
            return Ok(());
        };
        Err(format!("rule {name:?}: {wrong}"))
    }
}

/// `*` and a bare scheme stand alone for all origins; otherwise each entry has the form of an
/// origin.
fn check_origins(origins: &[String]) -> Result<(), String> {
    if origins.is_empty() {
        return Err("it allows no origin; name at least one, or '*' for all".to_owned());
    }
    if origins.len() > 1 && origins.iter().any(|origin| origin == "*") {
        return Err("the origin '*' stands for all and must stand alone".to_owned());
    }
    match origins.iter().find(|origin| !is_origin(origin)) {
        Some(origin) => Err(format!(
            "{origin:?} is no origin: write scheme and host without a path, as 'https://example.com', or '*'"
        )),
        None => Ok(()),
    }
}

/// Scheme, host and perhaps port, as a browser's `Origin` header has them; or a scheme alone, or `*`.
fn is_origin(origin: &str) -> bool {
    let is_host_byte = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\".contains(&byte);
    match origin.split_once("://") {
        Some((scheme, host)) => {
            !scheme.is_empty() && !host.is_empty() && host.bytes().all(is_host_byte)
        }
        None => matches!(origin, "*" | "https" | "http"),
    }
}

/// The first entry that can be no header.
fn bad_header(headers: &Option<Vec<String>>) -> Option<&str> {
    let mut headers = headers.iter().flatten().map(String::as_str);
    headers.find(|header| !is_header_or_beginning(header))
}

/// Whether this is the name of a header, or the beginning of one with `*` at its end, or only `*`.
fn is_header_or_beginning(header: &str) -> bool {
    let name = header.strip_suffix('*').unwrap_or(header);
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
    !header.is_empty() && name.bytes().all(is_token)
}

/// Checks what the service would refuse; the reason is a sentence for the caller. Rules that the service
/// returned, and operations that have no name here, are the service's to judge.
pub(crate) fn check_cors_rules(rules: &[CorsRule]) -> Result<(), String> {
    let (kept, own): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.is_as_read());
    own.iter().try_for_each(|rule| rule.check())?;
    let mut names: BTreeSet<_> = kept.iter().map(|rule| &rule.cors_rule_name).collect();
    match own.iter().find(|rule| !names.insert(&rule.cors_rule_name)) {
        Some(twice) => Err(format!(
            "there are two rules named {:?}; each needs a name of its own",
            twice.cors_rule_name
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{CorsOperation, CorsRule, check_cors_rules};

    fn rule(name: &str) -> CorsRule {
        CorsRule::new(name, ["https://a.example"], ["s3_get"], 60)
    }

    fn from(origins: &[&str]) -> CorsRule {
        CorsRule::new("downloads", origins.iter().copied(), ["s3_get"], 60)
    }

    #[test]
    fn each_broken_rule_is_named_with_what_to_do() {
        let nothing: [&str; 0] = [];
        let too_old = CorsRule {
            max_age_seconds: Some(86_401),
            ..rule("downloads")
        };
        for (rules, wanted) in [
            (vec![rule("short")], "6 to 63"),
            (vec![rule(&"x".repeat(64))], "6 to 63"),
            (vec![rule("under_score")], "letters, digits"),
            (vec![rule("b2-rules")], "'b2-'"),
            (
                vec![rule("twice-1"), rule("twice-1")],
                "two rules named \"twice-1\"",
            ),
            (vec![from(&[])], "allows no origin"),
            (vec![from(&["*", "https"])], "stand alone"),
            (vec![from(&["https://a.example/"])], "without a path"),
            (vec![from(&["a.example"])], "no origin"),
            (vec![from(&["https://"])], "no origin"),
            (
                vec![CorsRule::new("downloads", ["*"], nothing, 60)],
                "no operation",
            ),
            (
                vec![rule("downloads").allowed_headers(["x-*-y"])],
                "\"x-*-y\" is no allowed header",
            ),
            (
                vec![rule("downloads").allowed_headers([""])],
                "\"\" is no allowed header",
            ),
            (
                vec![rule("downloads").expose_headers(["a b"])],
                "\"a b\" is no exposed header",
            ),
            (vec![too_old], "at most 86400"),
        ] {
            let reason = check_cors_rules(&rules).unwrap_err();
            assert!(reason.contains(wanted), "{reason}");
        }
    }

    #[test]
    fn documented_forms_are_fine() {
        let rules = [
            from(&["https://a.example:8443", "https://*.example.com", "https"])
                .allowed_headers(["range", "x-bz-info-*", "*"])
                .expose_headers(["x-bz-content-sha1"]),
            CorsRule::new("everybody", ["*"], [CorsOperation::UploadPart], 86_400),
            CorsRule::new("of-tomorrow", ["*"], ["b2_teleport_file"], 1),
        ];
        assert_eq!(check_cors_rules(&rules), Ok(()));
        assert_eq!(check_cors_rules(&[]), Ok(()));
    }

    #[test]
    fn members_that_came_later_are_kept() {
        let json = r#"{"allowedHeaders":null,"allowedOperations":["s3_get","s3_new"],"allowedOrigins":["*"],"allowCredentials":true,"corsRuleName":"downloads","exposeHeaders":[],"maxAgeSeconds":5}"#;
        let rule: CorsRule = serde_json::from_str(json).unwrap();
        assert_eq!(
            serde_json::to_value(&rule).unwrap(),
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
    }
}
