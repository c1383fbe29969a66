//! A page of a feed, whatever its format.

use proto::Problem;
use proto::v1::{ArticleSummary, TakenBack};

use super::{LENGTH, RequestedFeed};
use crate::home::{Newest, Status};
use crate::list::{self, ListParameters};
use crate::queries::QueryError;

/// When nothing has changed yet.
const NEVER: &str = "1970-01-01T00:00:00.000Z";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    Rss,
    Atom,
    Json,
}

impl Format {
    const ALL: [Self; 3] = [Self::Rss, Self::Atom, Self::Json];

    /// Which feed the last part of an address names, and in which format.
    ///
    /// # Errors
    /// 404 when there is no such format.
    pub(super) fn of(name: &str) -> Result<(&str, Self), Problem> {
        let found = name.rsplit_once('.').and_then(|(name, extension)| {
            let format = Self::ALL.into_iter().find(|format| format.extension() == extension)?;
            Some((name, format))
        });
        found.ok_or_else(|| Problem::not_found("a feed ends in .rss, .atom or .json"))
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Rss => "rss",
            Self::Atom => "atom",
            Self::Json => "json",
        }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Json => "application/feed+json; charset=utf-8",
        }
    }
}

/// A page of a feed. It says nothing of when it was made, so that every door makes the same bytes of
/// the same articles, and tags them alike.
pub(super) struct Feed<'a> {
    pub(super) which: &'a RequestedFeed<'a>,
    /// Newest first.
    pub(super) items: Vec<&'a ArticleSummary>,
    /// The last first; on the first page only.
    pub(super) taken_back: Vec<&'a TakenBack>,
    /// The place after which this page begins.
    pub(super) after: Option<String>,
    pub(super) next: Option<String>,
}

impl<'a> Feed<'a> {
    /// The first page, and whether it is complete.
    ///
    /// # Errors
    /// 503 when nobody knows what is on it.
    pub(super) fn newest(
        which: &'a RequestedFeed<'a>,
        newest: &'a [Newest],
    ) -> Result<(Self, bool), Problem> {
        if newest.iter().all(|(_, state)| state.status == Status::Unavailable) {
            return Err(QueryError::Unavailable.into());
        }
        let contents = || newest.iter().map(|(_, state)| &*state.content);
        let parameters = ListParameters::pages(LENGTH, None);
        let candidates = contents().flat_map(|content| &content.newest);
        let mut items: Vec<_> = candidates.map(|candidate| &candidate.summary).collect();
        items.sort_unstable_by(|a, b| parameters.place(b).cmp(&parameters.place(a)));
        let list::ListPage { items, next } = parameters.page(items, |item| parameters.place(item));
        let mut taken_back: Vec<_> = contents().flat_map(|content| &content.taken_back).collect();
        taken_back.sort_unstable_by(|a, b| (&b.at, &b.id).cmp(&(&a.at, &a.id)));
        taken_back.truncate(LENGTH as usize);
        let is_whole = newest.iter().all(|(_, state)| state.status == Status::Ok);
        Ok((Self { which, items, taken_back, after: None, next }, is_whole))
    }

    pub(super) fn title(&self) -> String {
        let name = &self.which.site.name;
        self.which.category.map_or_else(|| name.clone(), |category| format!("{name}: {category}"))
    }

    /// The list that the feed is of.
    pub(super) fn list_url(&self) -> String {
        let list = self.which.category.map_or_else(String::new, |category| format!("/{category}"));
        self.which.site.address(&format!("/v1/news{list}"))
    }

    /// The page after a place; without one, the first.
    fn page_url(&self, after: Option<&str>) -> String {
        let name = self.which.category.map_or(super::ALL, |category| category.as_str());
        let after = after.map(|after| format!("?after={after}")).unwrap_or_default();
        let extension = self.which.format.extension();
        self.which.site.address(&format!("/feeds/{name}.{extension}{after}"))
    }

    pub(super) fn first_url(&self) -> String {
        self.page_url(None)
    }

    pub(super) fn own_url(&self) -> String {
        self.page_url(self.after.as_deref())
    }

    pub(super) fn next_url(&self) -> Option<String> {
        self.next.as_deref().map(|next| self.page_url(Some(next)))
    }

    pub(super) fn article_url(&self, article: &ArticleSummary) -> String {
        self.which.site.article(&article.category, &article.id)
    }

    /// When something on this page changed last.
    pub(super) fn updated_at(&self) -> &str {
        let items = self.items.iter().map(|item| item.updated_at.as_str());
        let taken_back = self.taken_back.iter().map(|item| item.at.as_str());
        items.chain(taken_back).max().unwrap_or(NEVER)
    }
}

/// What a reader is told of an article: not its text, which has its place where it is corrected and
/// taken back.
pub(super) fn teaser(article: &ArticleSummary) -> &str {
    if article.summary.is_empty() { &article.title } else { &article.summary }
}
