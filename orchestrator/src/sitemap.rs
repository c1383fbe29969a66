//! `GET /sitemap-news.xml`: what was published lately, for search engines that know news (the
//! sitemaps protocol 0.9 with Google's extension for news).
//!
//! It is asked for when somebody wants it, since the front page does not keep so many articles, and
//! kept until something happens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use chrono::Utc;
use events::{Category, Position, Timestamp};
use futures::future::try_join_all;
use proto::Problem;
use proto::conventions::min_position;
use proto::v1::{ArticleSummary, ListArticlesRequest};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::Door;
use crate::feeds::xml::{Xml, document, element, text};
use crate::home::{EncodedPage, FrontPage, KEEP, Kind};
use crate::queries::{ANSWER_DEADLINE, QueryError, Terms, list_articles};
use crate::site::Site;
use crate::upstream::Upstream;

/// What is older is no news; Google's limit.
const RECENT: chrono::Duration = chrono::Duration::days(2);
/// Articles in it; Google's limit.
const MOST: u32 = 1_000;
/// Until it is asked for again although nothing was heard of: as for the front page.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);

const NAMESPACES: [(&str, &str); 2] = [
    ("xmlns", "http://www.sitemaps.org/schemas/sitemap/0.9"),
    ("xmlns:news", "http://www.google.com/schemas/sitemap-news/0.9"),
];

/// The last one, behind a lock that lets one at a time ask for the next, for all who wait.
#[derive(Default)]
pub(crate) struct Sitemap(Mutex<Option<Made>>);

struct Made {
    at: Instant,
    /// Up to where each category is in it.
    reached: Vec<Position>,
    page: Arc<EncodedPage>,
}

pub(crate) async fn get(
    State(portal): State<Door>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (min, heard) = (min_position(&headers)?, aims(&portal, Position::START));
    if heard.iter().all(|position| min > *position) {
        // Nobody else waits for what only this reader has heard of.
        return Ok(make(&portal, &aims(&portal, min)).await?.page.answer(&headers));
    }
    let waiting = timeout(ANSWER_DEADLINE, portal.sitemap.0.lock()).await;
    let mut made = waiting.map_err(|_| Problem::from(QueryError::Unavailable))?;
    let aims = aims(&portal, min);
    let is_good = |made: &&Made| {
        let has_all = made.reached.iter().zip(&aims).all(|(reached, aim)| reached >= aim);
        has_all && made.at.elapsed() < LOOK_ANYWAY
    };
    if let Some(made) = made.as_ref().filter(is_good) {
        return Ok(made.page.answer(&headers));
    }
    let next = make(&portal, &aims).await?;
    Ok(made.insert(next).page.answer(&headers))
}

/// What has to be in it, of each category.
fn aims(portal: &Door, min: Position) -> Vec<Position> {
    let front_page: &FrontPage = &portal.front_page;
    let categories = portal.queries.categories();
    categories.map(|category| front_page.last_event(category).max(min)).collect()
}

async fn make(portal: &Door, aims: &[Position]) -> Result<Made, Problem> {
    let at = Instant::now();
    let from = Timestamp::from_millis((Utc::now() - RECENT).timestamp_millis());
    let asked = portal.queries.all().iter().zip(aims);
    let parts = asked.map(|(category, aim)| recent(category, from, *aim));
    let (articles, reached): (Vec<_>, _) = try_join_all(parts).await?.into_iter().unzip();
    let mut articles = articles.concat();
    articles.sort_unstable_by(|a, b| (&b.published_at, &b.id).cmp(&(&a.published_at, &a.id)));
    articles.truncate(MOST as usize);
    let plain = write(&portal.site, &articles).map_err(|_| Problem::internal())?;
    let varies = HeaderValue::from_static("accept-encoding, portal-min-position");
    let kind = Kind { media_type: "application/xml; charset=utf-8", keep: KEEP, varies };
    Ok(Made { at, reached, page: Arc::new(EncodedPage::of(kind, plain, true)) })
}

/// What a category has, and up to where: not without what we have heard of, or something that was
/// taken back could still be in it.
async fn recent(
    (category, upstream): &(Category, Upstream),
    from: Timestamp,
    aim: Position,
) -> Result<(Vec<ArticleSummary>, Position), QueryError> {
    let (category, from) = (category.to_string(), Some(from.to_string()));
    let request = ListArticlesRequest { category, from, limit: MOST, ..Default::default() };
    let page = list_articles(upstream, request, Terms::new(aim, ANSWER_DEADLINE)).await?;
    Ok((page.items, aim.max(Position::new(page.position))))
}

/// Google takes the language alone, but for two kinds of Chinese.
fn language(tag: &str) -> String {
    let tag = tag.to_ascii_lowercase();
    match tag.as_str() {
        "zh-cn" | "zh-tw" => tag,
        _ => tag.split('-').next().unwrap_or_default().to_owned(),
    }
}

fn write(site: &Site, articles: &[ArticleSummary]) -> io::Result<Vec<u8>> {
    document("urlset", &NAMESPACES, |xml| {
        articles.iter().try_for_each(|article| url(xml, site, article))
    })
}

fn url(xml: &mut Xml, site: &Site, article: &ArticleSummary) -> io::Result<()> {
    element(xml, "url", &[], |xml| {
        text(xml, "loc", &[], &site.article(&article.category, &article.id))?;
        text(xml, "lastmod", &[], &article.updated_at)?;
        element(xml, "news:news", &[], |xml| {
            element(xml, "news:publication", &[], |xml| {
                text(xml, "news:name", &[], &site.name)?;
                text(xml, "news:language", &[], &language(&site.language))
            })?;
            let published_at = article.published_at.as_deref().unwrap_or_default();
            text(xml, "news:publication_date", &[], published_at)?;
            text(xml, "news:title", &[], &article.title)
        })
    })
}
