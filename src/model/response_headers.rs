//! Headers that a shared download answers with instead of the file's own (docs/protocol.md, section
//! 2.25).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::file_info::is_header_text;
use crate::setters::setters;

/// What an extended value encodes: all but `attr-char` of RFC 8187.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Headers that the service sends with a shared download, in place of those that the file was
/// uploaded with: the name under which a browser saves it, its type, how long caches keep it.
///
/// They are given to
/// [`Bucket::get_signed_download_url_with`](crate::Bucket::get_signed_download_url_with), which
/// puts them into the token and into the URL. The service serves such a token only to requests that
/// ask for exactly these headers, so whoever has the URL cannot change them.
///
/// A header that is not set here is that of the file, from its [`FileInfo`](crate::FileInfo) and
/// content type; `Cache-Control` may also come from the bucket. Each value is printable ASCII,
/// which the call that takes the headers checks ([section
/// 4.4](crate::guide::protocol#44-info-that-becomes-response-headers)).
///
/// ```
/// use b2sdk::ResponseHeaders;
///
/// let headers = ResponseHeaders::new().attachment("July 2026.pdf").content_type("application/pdf");
/// assert_eq!(
///     headers.content_disposition.as_deref(),
///     Some("attachment; filename=\"July 2026.pdf\"")
/// );
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseHeaders {
    /// The `Content-Disposition` header, verbatim: whether a browser shows (`inline`) or saves
    /// (`attachment`) the file, and under which name. [`attachment`](Self::attachment) writes a
    /// correct one for any file name.
    pub content_disposition: Option<String>,
    /// The `Content-Language` header, such as `de-AT`: the language that the content is written in.
    pub content_language: Option<String>,
    /// The `Expires` header, an HTTP date such as `Thu, 31 Dec 2026 23:59:59 GMT`: until when
    /// browsers and caches may keep what they downloaded. It does not end the validity of the link.
    pub expires: Option<String>,
    /// The `Cache-Control` header, such as `max-age=3600` or `no-store`: how long browsers and
    /// caches may keep the file.
    pub cache_control: Option<String>,
    /// The `Content-Encoding` header, such as `gzip` for content that was compressed before it was
    /// uploaded: a browser then decompresses it. It is only a label: the bytes are served as they
    /// were uploaded.
    pub content_encoding: Option<String>,
    /// The `Content-Type` header, such as `text/html; charset=utf-8`: what a browser takes the
    /// bytes for.
    pub content_type: Option<String>,
}

setters! {
    ResponseHeaders {}
    into {
        content_disposition: String,
        content_language: String,
        expires: String,
        cache_control: String,
        content_encoding: String,
        content_type: String,
    }
}

impl ResponseHeaders {
    /// Creates a set that replaces no header: a download has the headers that the file was uploaded
    /// with.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `Content-Disposition` so that a browser saves the file under this name. It replaces an earlier
    /// value.
    ///
    /// A name of printable ASCII without `"` and `\` becomes `attachment; filename="..."`. Any other name
    /// follows in the extended form of RFC 6266 as well (`filename*=UTF-8''...`), which the service accepts
    /// ([section 4.4](crate::guide::protocol#44-info-that-becomes-response-headers)) and all current browsers
    /// read; the plain form before it has `_` in the place of each such character.
    ///
    /// ```
    /// use b2sdk::ResponseHeaders;
    ///
    /// let headers = ResponseHeaders::new().attachment("été.pdf");
    /// assert_eq!(
    ///     headers.content_disposition.as_deref(),
    ///     Some("attachment; filename=\"_t_.pdf\"; filename*=UTF-8''%C3%A9t%C3%A9.pdf")
    /// );
    /// ```
    #[must_use]
    pub fn attachment(self, file_name: &str) -> Self {
        let safe = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        let plain: String = file_name
            .chars()
            .map(|c| if safe(c) { c } else { '_' })
            .collect();
        let mut value = format!("attachment; filename=\"{plain}\"");
        if plain != file_name {
            value.push_str("; filename*=UTF-8''");
            value.extend(utf8_percent_encode(file_name, EXTENDED));
        }
        self.content_disposition(value)
    }

    /// The parameters that ask for them: in the authorization, and again in each download's query.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self {
            content_disposition,
            content_language,
            expires,
            cache_control,
            content_encoding,
            content_type,
        } = self;
        [
            ("b2ContentDisposition", content_disposition),
            ("b2ContentLanguage", content_language),
            ("b2Expires", expires),
            ("b2CacheControl", cache_control),
            ("b2ContentEncoding", content_encoding),
            ("b2ContentType", content_type),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// The first one that cannot stand in a header.
    pub(crate) fn impossible(&self) -> Option<&'static str> {
        self.parameters()
            .find(|(_, value)| !is_header_text(value))
            .map(|(name, _)| name)
    }
}
