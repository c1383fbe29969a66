//! A page as bytes, in every content encoding.

use std::io::Write;
use std::sync::OnceLock;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName,
    IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use proto::Problem;
use sha2::{Digest, Sha256};

use super::composition::Home;

/// Seconds that a cache may serve a page: fresh, while it revalidates, and while we are down.
///
/// Short, because a retraction reaches readers behind a foreign cache up to 11 seconds late. All
/// other public answers require revalidation (`Orchestrator::router`).
pub(crate) const KEEP: HeaderValue =
    HeaderValue::from_static("public, max-age=1, stale-while-revalidate=5, stale-if-error=10");
/// A degraded page must not be cached.
static KEEP_NOT: HeaderValue = HeaderValue::from_static("no-store");
/// A signed-in reader, or one who has seen a later position, may get another page.
pub(crate) const VARIES: HeaderValue =
    HeaderValue::from_static("accept-encoding, authorization, portal-min-position");
/// The type of a page, independent of its content.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) media_type: &'static str,
    /// `Cache-Control` while the page is complete.
    pub(crate) keep: HeaderValue,
    /// `Vary`: the request headers that select another page.
    pub(crate) varies: HeaderValue,
}

const HOME: Kind = Kind { media_type: "application/json", keep: KEEP, varies: VARIES };
/// Of 11; a higher quality takes longer than it saves.
const BROTLI_QUALITY: i32 = 4;
const BROTLI_WINDOW: i32 = 20;

/// A public page.
pub(crate) struct EncodedPage {
    kind: Kind,
    /// Strong tag of the plain bytes; the tag of each encoding starts with it.
    tag: String,
    whole: bool,
    plain: Form,
    brotli: OnceLock<Option<Form>>,
    gzip: OnceLock<Option<Form>>,
}

/// The bytes of one encoding, and their entity tag.
struct Form {
    bytes: Bytes,
    tag: HeaderValue,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
    Plain,
}

impl Form {
    fn new(bytes: Vec<u8>, tag: &str, encoding: Encoding) -> Self {
        let tag = match encoding.name() {
            Some(name) => format!("\"{tag}-{name}\""),
            None => format!("\"{tag}\""),
        };
        let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { bytes: bytes.into(), tag }
    }
}

impl EncodedPage {
    /// # Errors
    /// 500 if serde cannot serialise the page; none does so.
    pub(crate) fn new(home: &Home<'_>) -> Result<Self, Problem> {
        let plain = serde_json::to_vec(home).map_err(|_| Problem::internal())?;
        Ok(Self::of(HOME, plain, !home.degraded))
    }

    /// A page that is not `whole` must not be cached.
    pub(crate) fn of(kind: Kind, plain: Vec<u8>, whole: bool) -> Self {
        let tag = URL_SAFE_NO_PAD.encode(&Sha256::digest(&plain)[..12]);
        let plain = Form::new(plain, &tag, Encoding::Plain);
        Self { kind, tag, whole, plain, brotli: OnceLock::new(), gzip: OnceLock::new() }
    }

    /// Whether all parts are current.
    pub(crate) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// The page in the encoding that the request accepts; 304 if the client has it.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        let (encoding, form) = self.encoded(accepted(headers));
        let mut response = Response::new(Body::empty());
        if is_known(headers, form.tag.as_bytes()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            *response.body_mut() = Body::from(form.bytes.clone());
            let media_type = HeaderValue::from_static(self.kind.media_type);
            response.headers_mut().insert(CONTENT_TYPE, media_type);
            if let Some(name) = encoding.name() {
                response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(name));
            }
        }
        let keep = if self.whole { &self.kind.keep } else { &KEEP_NOT };
        for (name, value) in [(CACHE_CONTROL, keep), (VARY, &self.kind.varies), (ETAG, &form.tag)] {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }

    /// Compressed once, by the first request for this encoding.
    fn encoded(&self, wanted: Encoding) -> (Encoding, &Form) {
        let compress = |by: fn(&[u8]) -> Option<Vec<u8>>| {
            move || Some(Form::new(by(&self.plain.bytes)?, &self.tag, wanted))
        };
        let compressed = match wanted {
            Encoding::Brotli => self.brotli.get_or_init(compress(brotli)).as_ref(),
            Encoding::Gzip => self.gzip.get_or_init(compress(gzip)).as_ref(),
            Encoding::Plain => None,
        };
        compressed.map_or((Encoding::Plain, &self.plain), |form| (wanted, form))
    }
}

impl Encoding {
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Plain => None,
        }
    }
}

fn brotli(plain: &[u8]) -> Option<Vec<u8>> {
    let (quality, lgwin) = (BROTLI_QUALITY, BROTLI_WINDOW);
    let parameters = BrotliEncoderParams { quality, lgwin, ..Default::default() };
    let mut compressed = Vec::new();
    let done = brotli::BrotliCompress(&mut &*plain, &mut compressed, &parameters);
    done.ok().map(|_| compressed)
}

fn gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

/// The values of a list header (RFC 9110, 5.6.1).
pub(crate) fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// The smallest encoding that the client accepts (RFC 9110, 12.5.3); a weight counts only if zero.
fn accepted(headers: &HeaderMap) -> Encoding {
    let mut takes = [None, None, None];
    for item in list(headers, &ACCEPT_ENCODING) {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let is_taken = weight(parameters) > 0.0;
        let place =
            ["br", "gzip", "*"].iter().position(|known| name.trim().eq_ignore_ascii_case(known));
        if let Some(taken) = place.and_then(|place| takes.get_mut(place)) {
            *taken = Some(is_taken);
        }
    }
    let [brotli, gzip, any] = takes;
    if brotli.or(any) == Some(true) {
        Encoding::Brotli
    } else if gzip.or(any) == Some(true) {
        Encoding::Gzip
    } else {
        Encoding::Plain
    }
}

/// The `q` of a list item: 1 if absent, 0 if malformed.
pub(crate) fn weight(parameters: &str) -> f32 {
    let named = parameters.split(';').filter_map(|it| it.split_once('='));
    let mut weights = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weights.next().map_or(1.0, |(_, weight)| weight.trim().parse().unwrap_or_default())
}

/// `If-None-Match` compares weakly (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, tag: &[u8]) -> bool {
    let mut known = list(headers, &IF_NONE_MATCH);
    known.any(|known| known == "*" || known.trim_start_matches("W/").as_bytes() == tag)
}

#[cfg(test)]
mod tests;
