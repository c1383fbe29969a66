//! Which article stands where on the front page: a function of what there is, and of nothing else,
//! not even the time.

use std::collections::{HashMap, HashSet};

use events::{Category, Position, Timestamp};
use proto::v1::{ArticleSummary, Profile};
use schemars::JsonSchema;
use serde::Serialize;

use super::cached_part::{PartState, Status};
use super::front::Front;
use super::section::{Candidate, Content};
use crate::recommendations::{Recommended, recommend};

/// Twice as many readers lift an article as high as one that was published so much later, in
/// milliseconds. Hacker News and Lemmy divide by a power of the age, so that the order changes while
/// nothing happens; an exponential decay (Reddit's) orders by a sum instead, which is the same at
/// any time, and lets a page be kept until something happens.
const LIFT: f64 = 3.0 * 3_600_000.0;
/// Articles among the most read, and among those for a reader.
const IN_A_BOX: usize = 5;
/// Articles of which a reader gets those that do not stand elsewhere.
pub(crate) const CHOICE: usize = 50;

/// What a page is composed of.
pub(crate) struct Material {
    pub(crate) sections: Vec<(Category, PartState<Content>)>,
    pub(crate) front: PartState<Front>,
    /// Nothing that happened up to here is missing, but for what is stale.
    pub(crate) position: Position,
}

/// The page.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Home<'a> {
    /// For `GET /v1/live?after=`: nothing is missing up to here.
    position: Position,
    generated_at: Timestamp,
    /// A part is stale or unavailable.
    pub(crate) degraded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaking: Option<&'a ArticleSummary>,
    sections: Vec<Section<'a>>,
    most_read: Vec<&'a ArticleSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_you: Option<Vec<&'a Recommended>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Section<'a> {
    category: &'a Category,
    status: Status,
    articles: Vec<&'a ArticleSummary>,
}

impl Material {
    /// Whether there is nothing at all to show: an empty page would look like no news.
    pub(crate) fn is_nothing(&self) -> bool {
        let is_ok = |(_, state): &(_, PartState<_>)| state.status == Status::Ok;
        !self.sections.iter().any(is_ok) && self.candidates().next().is_none()
    }

    /// Whether a page of the one is a page of the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let mut pairs = self.sections.iter().zip(&other.sections);
        self.front.is_same(&other.front) && pairs.all(|((_, a), (_, b))| a.is_same(b))
    }

    /// Whether every part is as it is.
    fn is_whole(&self) -> bool {
        let mut sections = self.sections.iter().map(|(_, state)| state.status);
        self.front.status == Status::Ok && sections.all(|status| status == Status::Ok)
    }

    fn contents(&self) -> impl Iterator<Item = &Content> {
        self.sections.iter().map(|(_, state)| &*state.content)
    }

    /// Every article that may stand on the page, some of them twice.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.contents().flat_map(|content| content.newest.iter().chain(&content.named))
    }

    /// What stands on it that somebody with this profile may like; `None` for who does not want to be
    /// told.
    pub(crate) fn recommend(&self, profile: &Profile, limit: usize) -> Option<Vec<Recommended>> {
        let candidates = self.candidates().map(|candidate| &candidate.summary);
        let recommended = || recommend(profile, candidates, &self.front.content.most_read, limit);
        profile.enabled.then(recommended)
    }

    /// The page, with so many articles in a section. None is on it twice: who comes first in this
    /// order has it: breaking, pinned, for the reader, by rank, most read.
    pub(crate) fn compose<'a>(
        &'a self,
        limit: usize,
        for_you: Option<&'a [Recommended]>,
        now: Timestamp,
    ) -> Home<'a> {
        let known: HashMap<_, _> =
            self.candidates().map(|it| (it.summary.id.as_str(), it)).collect();
        let mut shown = HashSet::new();
        let breaking = self.front.content.breaking.as_deref().and_then(|id| known.get(id));
        let breaking = breaking.map(|it| &it.summary);
        shown.extend(breaking.map(|article| article.id.as_str()));
        let pinned: Vec<_> = self
            .sections
            .iter()
            .map(|(category, state)| self.pinned(category, &state.content, limit, &mut shown))
            .collect();
        let for_you = for_you.map(|all| {
            let others = all.iter().filter(|it| shown.insert(it.article.id.as_str()));
            others.take(IN_A_BOX).collect()
        });
        let sections = self.sections.iter().zip(pinned);
        let sections: Vec<_> = sections
            .map(|((category, state), pinned)| {
                let articles = self.ranked(&state.content, pinned, limit, &mut shown);
                Section { category, status: state.status, articles }
            })
            .collect();
        let most_read = self.front.content.most_read.iter();
        let most_read = most_read.filter_map(|it| known.get(it.article_id.as_str()));
        let most_read = most_read.map(|it| &it.summary);
        let most_read = most_read.filter(|article| shown.insert(article.id.as_str()));
        Home {
            position: self.position,
            generated_at: now,
            degraded: !self.is_whole(),
            breaking,
            most_read: most_read.take(IN_A_BOX).collect(),
            sections,
            for_you,
        }
    }

    /// What the editors put there, in their order, as far as it is there to be shown.
    fn pinned<'a>(
        &'a self,
        category: &Category,
        content: &'a Content,
        limit: usize,
        shown: &mut HashSet<&'a str>,
    ) -> Vec<&'a ArticleSummary> {
        let ids = self.front.content.pinned.get(category.as_str()).into_iter().flatten();
        let find = |id: &String| {
            let mut here = content.newest.iter().chain(&content.named);
            here.find(|it| it.summary.id == *id).map(|it| &it.summary)
        };
        let articles = ids.filter_map(find);
        articles.filter(|article| shown.insert(article.id.as_str())).take(limit).collect()
    }

    /// The pinned ones, and then by rank what is not on the page yet.
    fn ranked<'a>(
        &'a self,
        content: &'a Content,
        mut articles: Vec<&'a ArticleSummary>,
        limit: usize,
        shown: &mut HashSet<&'a str>,
    ) -> Vec<&'a ArticleSummary> {
        let readers = self.front.content.most_read.iter();
        let readers: HashMap<_, _> =
            readers.map(|it| (it.article_id.as_str(), it.readers)).collect();
        let rank = |it: &Candidate| {
            let readers = readers.get(it.summary.id.as_str()).copied().unwrap_or_default();
            rank(it.published_at, readers)
        };
        let mut others: Vec<_> = content.newest.iter().chain(&content.named).collect();
        others.sort_by(|a, b| (rank(b), &b.summary.id).cmp(&(rank(a), &a.summary.id)));
        let room = limit - articles.len();
        let others = others.into_iter().map(|it| &it.summary);
        articles.extend(others.filter(|it| shown.insert(it.id.as_str())).take(room));
        articles
    }
}

/// Higher comes first.
fn rank(published_at: Timestamp, readers: u64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "below 64 times the lift")]
    #[expect(clippy::cast_precision_loss, reason = "of no weight in a logarithm")]
    let lift = (LIFT * (readers as f64).ln_1p() / std::f64::consts::LN_2) as i64;
    published_at.millis() + lift
}

#[cfg(test)]
mod tests;
