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
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use events::{Category, Position};
use proto::Problem;
use proto::conventions::{Address, min_position};
use proto::fields::query;
use proto::v1::ListPlace;
use schemars::JsonSchema;

use self::feed::{Feed, Format};
use crate::home::{FrontPage, Newest, Page};
use crate::list::{ListParameters, place_after, write_cursor};
use crate::site::Site;
use crate::{Door, articles};

/// Articles of a page.
const LENGTH: u32 = 50;
/// What is the feed of all categories.
const ALL: &str = "all";

#[derive(JsonSchema)]
#[schemars(rename = "FeedParameters")]
pub(crate) struct Wanted {
    /// As the link to the next page has it.
    #[schemars(with = "Option<String>")]
    after: Option<ListPlace>,
}

pub(crate) async fn get(
    State(portal): State<Door>,
    Address(name): Address<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Wanted { after } = query(&uri, |fields| Ok(Wanted { after: place_after(fields, false)? }))?;
    let (name, format) = Format::of(&name)?;
    let category = match name {
        ALL => None,
        name => Some(&portal.queries.category(name)?.0),
    };
    let wanted = Which { site: &portal.site, category, format };
    if let Some(after) = after {
        return Ok(further(&portal, &wanted, after, &headers).await?.answer(&headers));
    }
    let min = min_position(&headers)?;
    Ok(portal.feeds.first_page(&portal.front_page, &wanted, min).await?.answer(&headers))
}

/// Which feed.
pub(crate) struct Which<'a> {
    pub(crate) site: &'a Site,
    /// `None`: all of them.
    pub(crate) category: Option<&'a Category>,
    pub(crate) format: Format,
}

/// The page after a place.
async fn further(
    portal: &Door,
    wanted: &Which<'_>,
    after: ListPlace,
    headers: &HeaderMap,
) -> Result<Page, Problem> {
    let asked = match wanted.category {
        Some(category) => slice::from_ref(portal.queries.category(category.as_str())?),
        None => portal.queries.all(),
    };
    let cursor = write_cursor((None, &after.listed_at, &after.id));
    let parameters = ListParameters::pages(LENGTH, Some(after));
    let page = articles::page(&parameters, asked, headers, None).await?;
    let (items, next) = (page.items.iter().collect(), page.next);
    Feed { which: wanted, items, taken_back: Vec::new(), after: Some(cursor), next }.write(true)
}

/// The first pages, as far as somebody wanted them.
#[derive(Default)]
pub(crate) struct Feeds(Mutex<HashMap<(Option<Category>, Format), Kept>>);

struct Kept {
    of: Vec<Newest>,
    page: Arc<Page>,
}

impl Feeds {
    async fn first_page(
        &self,
        front_page: &FrontPage,
        wanted: &Which<'_>,
        min: Position,
    ) -> Result<Arc<Page>, Problem> {
        let newest = front_page.newest(wanted.category, min).await?;
        let is_same = |kept: &&Kept| {
            let mut pairs = kept.of.iter().zip(&newest);
            pairs.all(|((_, kept), (_, state))| kept.is_same(state))
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (wanted.category.cloned(), wanted.format);
        if let Some(kept) = kept.get(&key).filter(is_same) {
            return Ok(Arc::clone(&kept.page));
        }
        let page = Arc::new(Feed::newest(wanted, &newest)?);
        // What one reader who named a position was told may be nothing to the others.
        if front_page.is_newest(&newest) {
            kept.insert(key, Kept { of: newest, page: Arc::clone(&page) });
        }
        Ok(page)
    }
}
