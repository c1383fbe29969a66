//! An article as the documents that others have agreed on, at the address of the article: who names
//! one in `Accept` gets it.

mod json_ld;
mod ninjs;

use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use proto::Problem;
use proto::v1::{Article, Retracted};
use serde::Serialize;
use uuid::Uuid;

use crate::home::{EncodedPage, Kind, list, weight};
use crate::site::Site;

/// What an article can be asked for as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The resource of the API.
    Json,
    /// schema.org in JSON-LD, for search engines and who checks facts.
    JsonLd,
    /// News in JSON of the IPTC, for newsrooms and agencies.
    Ninjs,
}

impl Form {
    const ALL: [Self; 3] = [Self::Json, Self::JsonLd, Self::Ninjs];

    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::JsonLd => "application/ld+json",
            Self::Ninjs => "application/ninjs+json",
        }
    }

    /// What is accepted most (RFC 9110, 12.5.1); of two what is named more precisely, and then the
    /// first. Who accepts none of them gets what everybody gets, as the RFC allows: an article is
    /// more use than an error.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let mut best = (Self::Json, 0.0, 0);
        for form in Self::ALL {
            let (weight, precision) = form.weight(headers);
            if weight > best.1 || (weight > 0.0 && weight >= best.1 && precision > best.2) {
                best = (form, weight, precision);
            }
        }
        best.0
    }

    /// How much it is accepted, by the range that names it most precisely.
    fn weight(self, headers: &HeaderMap) -> (f32, u8) {
        let ranges = list(headers, &ACCEPT).filter_map(|item| {
            let (range, parameters) = item.split_once(';').unwrap_or((item, ""));
            let precision = match range.trim() {
                range if range.eq_ignore_ascii_case(self.media_type()) => 3,
                "application/*" => 2,
                "*/*" => 1,
                _ => return None,
            };
            Some((weight(parameters), precision))
        });
        ranges.max_by_key(|(_, precision)| *precision).unwrap_or((0.0, 0))
    }

    fn kind(self) -> Kind {
        let (keep, varies) = ("no-cache", HeaderValue::from_static("accept-encoding"));
        Kind { media_type: self.media_type(), keep: HeaderValue::from_static(keep), varies }
    }
}

/// The article as what was asked for. Its tag is one of its bytes: the version is that of the
/// resource, which is the one to name in `If-Match`.
///
/// # Errors
/// Only if serde cannot write it, which no article causes.
pub(crate) fn show(
    form: Form,
    site: &Site,
    article: &Article,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let plain = match form {
        Form::Json => bytes(article),
        Form::JsonLd => bytes(&json_ld::document(site, article)).map(harmless_in_html),
        Form::Ninjs => bytes(&ninjs::document(site, article)),
    };
    Ok(EncodedPage::of(form.kind(), plain?, true).answer(headers))
}

/// Who takes in ninjs is told there that an article is canceled, and a program that reads no body by
/// the status that everybody gets.
///
/// # Errors
/// As [`show`].
pub(crate) fn canceled(site: &Site, id: &str, retracted: &Retracted) -> Result<Response, Problem> {
    // As everywhere else, however the address writes it.
    let id = Uuid::parse_str(id).unwrap_or_default().to_string();
    let plain = bytes(&ninjs::canceled(site, &id, retracted))?;
    let media_type = HeaderValue::from_static(Form::Ninjs.media_type());
    Ok((StatusCode::GONE, [(CONTENT_TYPE, media_type)], plain).into_response())
}

/// What caches must know of the address of an article.
pub(crate) fn negotiated(mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_name(ACCEPT));
    response
}

fn bytes(document: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(document).map_err(|_| Problem::internal())
}

/// JSON-LD is made to be put into pages, where no text of an article may end its script. A `<` is
/// only in texts, and there it can be written like this.
fn harmless_in_html(json: Vec<u8>) -> Vec<u8> {
    if !json.contains(&b'<') {
        return json;
    }
    let mut harmless = Vec::with_capacity(json.len() + 64);
    for byte in json {
        match byte {
            b'<' => harmless.extend_from_slice(b"\\u003c"),
            byte => harmless.push(byte),
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_what_it_accepts_most() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, form) in [
            ("application/ld+json", Form::JsonLd),
            ("application/ninjs+json", Form::Ninjs),
            ("Application/LD+JSON; profile=\"x\"", Form::JsonLd),
            ("application/ld+json, */*", Form::JsonLd),
            ("application/json, application/ld+json", Form::Json),
            ("application/json;q=0.5, application/ninjs+json", Form::Ninjs),
            ("application/ninjs+json;q=0, application/ld+json;q=0.1", Form::JsonLd),
            ("application/*, application/json;q=0", Form::JsonLd),
            ("*/*", Form::Json),
            ("text/html", Form::Json),
            (browser, Form::Json),
            ("", Form::Json),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Form::accepted(&headers), form, "{accept}");
        }
        assert_eq!(Form::accepted(&HeaderMap::new()), Form::Json);
    }

    #[test]
    fn no_text_ends_the_script_that_a_document_is_in() {
        let json = bytes(&"</script><!--").map(harmless_in_html).expect("JSON");
        assert_eq!(json, b"\"\\u003c/script>\\u003c!--\"");
        assert_eq!(serde_json::from_slice::<String>(&json).expect("a text"), "</script><!--");
    }
}
