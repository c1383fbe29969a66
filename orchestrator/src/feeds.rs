//! `GET /feeds/{category|all}.{rss|atom|json}`: the newest articles for programs that come again.
//!
//! A feed is made of what the front page keeps ready, so it costs the query-stacks nothing. Its first
//! page is kept as bytes from its first reader on until something happens in it; what is behind the
//! first page is asked for, because nobody knows how many pages there are.

mod atom;
mod feed;
mod json_feed;
mod rss;
pub(crate) mod xml;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, slice};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use events::{Category, Position};
use proto::Problem;
use proto::conventions::{Address, min_position};
use proto::fields::query;
use proto::v1::ListPlace;
use schemars::JsonSchema;

use self::feed::{Feed, Format};
use crate::home::{EncodedPage, FrontPage, KEEP, Kind, Newest};
use crate::list::{ListParameters, place_after, write_cursor};
use crate::site::Site;
use crate::{Door, articles};

/// Articles of a page.
const LENGTH: u32 = 50;
/// What is the feed of all categories.
const ALL: &str = "all";

#[derive(JsonSchema)]
pub(crate) struct FeedParameters {
    /// As the link to the next page has it.
    #[schemars(with = "Option<String>")]
    after: Option<ListPlace>,
}

impl FeedParameters {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        query(uri, |fields| Ok(Self { after: place_after(fields, false)? }))
    }
}

pub(crate) async fn get(
    State(portal): State<Door>,
    Address(name): Address<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let FeedParameters { after } = FeedParameters::read(&uri)?;
    let (name, format) = Format::of(&name)?;
    let category = match name {
        ALL => None,
        name => Some(&portal.queries.category(name)?.0),
    };
    let wanted = RequestedFeed { site: &portal.site, category, format };
    if let Some(after) = after {
        return Ok(further(&portal, &wanted, after, &headers).await?.answer(&headers));
    }
    let min = min_position(&headers)?;
    Ok(portal.feeds.first_page(&portal.front_page, &wanted, min).await?.answer(&headers))
}

/// Which feed.
pub(crate) struct RequestedFeed<'a> {
    pub(crate) site: &'a Site,
    /// `None`: all of them.
    pub(crate) category: Option<&'a Category>,
    pub(crate) format: Format,
}

/// The page after a place.
async fn further(
    portal: &Door,
    wanted: &RequestedFeed<'_>,
    after: ListPlace,
    headers: &HeaderMap,
) -> Result<EncodedPage, Problem> {
    let asked = match wanted.category {
        Some(category) => slice::from_ref(portal.queries.category(category.as_str())?),
        None => portal.queries.all(),
    };
    let cursor = write_cursor((None, &after.listed_at, &after.id));
    let parameters = ListParameters::pages(LENGTH, Some(after));
    let page = articles::page(&parameters, asked, headers, None).await?;
    let (items, next) = (page.items.iter().collect(), page.next);
    let feed = Feed { which: wanted, items, taken_back: Vec::new(), after: Some(cursor), next };
    write(&feed, true)
}

/// The page in the format of its feed.
///
/// # Errors
/// Only if a page cannot be written into memory.
fn write(feed: &Feed<'_>, is_whole: bool) -> Result<EncodedPage, Problem> {
    let written: io::Result<_> = match feed.which.format {
        Format::Rss => rss::write(feed),
        Format::Atom => atom::write(feed),
        Format::Json => json_feed::write(feed),
    };
    let varies = HeaderValue::from_static("accept-encoding, portal-min-position");
    let kind = Kind { media_type: feed.which.format.media_type(), keep: KEEP, varies };
    Ok(EncodedPage::of(kind, written.map_err(|_| Problem::internal())?, is_whole))
}

/// The first pages, as far as somebody wanted them.
#[derive(Default)]
pub(crate) struct Feeds(Mutex<HashMap<(Option<Category>, Format), CachedFeed>>);

struct CachedFeed {
    of: Vec<Newest>,
    page: Arc<EncodedPage>,
}

impl Feeds {
    async fn first_page(
        &self,
        front_page: &FrontPage,
        wanted: &RequestedFeed<'_>,
        min: Position,
    ) -> Result<Arc<EncodedPage>, Problem> {
        let newest = front_page.newest(wanted.category, min).await?;
        let is_same = |kept: &&CachedFeed| {
            let mut pairs = kept.of.iter().zip(&newest);
            pairs.all(|((_, kept), (_, state))| kept.is_same(state))
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (wanted.category.cloned(), wanted.format);
        if let Some(kept) = kept.get(&key).filter(is_same) {
            return Ok(Arc::clone(&kept.page));
        }
        let (feed, is_whole) = Feed::newest(wanted, &newest)?;
        let page = Arc::new(write(&feed, is_whole)?);
        // What one reader who named a position was told may be nothing to the others.
        if front_page.is_newest(&newest) {
            kept.insert(key, CachedFeed { of: newest, page: Arc::clone(&page) });
        }
        Ok(page)
    }
}
