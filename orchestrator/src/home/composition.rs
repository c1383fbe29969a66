//! Composes the front page: a pure function of its parts, independent of the current time.

use std::collections::{HashMap, HashSet};

use events::{Category, Position, Timestamp};
use proto::v1::{ArticleSummary, Profile};
use schemars::JsonSchema;
use serde::Serialize;

use super::cached_part::{PartState, Status};
use super::front::Front;
use super::section::{Candidate, Content};
use crate::recommendations::{Recommended, recommend};

/// Twice as many readers rank like a publication this many milliseconds later.
///
/// The sum, unlike a division by the age, changes only on an event, so a page can be cached (ADR
/// 20).
const LIFT: f64 = 3.0 * 3_600_000.0;
/// Articles in `most_read` and in `for_you`.
const IN_A_BOX: usize = 5;
/// Recommendation candidates; some of them already have another place on the page.
pub(crate) const CHOICE: usize = 50;

/// The parts that a page is composed of.
pub(crate) struct Material {
    pub(crate) sections: Vec<(Category, PartState<Content>)>,
    pub(crate) front: PartState<Front>,
    /// All events up to here are included, except in stale parts.
    pub(crate) position: Position,
}

/// The front page.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Home<'a> {
    /// All events up to here are included; usable in `GET /v1/live?after=`.
    position: Position,
    generated_at: Timestamp,
    /// Whether a part is stale or unavailable.
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
    /// Whether there is nothing to show; an empty page would look like no news.
    pub(crate) fn is_nothing(&self) -> bool {
        let is_ok = |(_, state): &(_, PartState<_>)| state.status == Status::Ok;
        !self.sections.iter().any(is_ok) && self.candidates().next().is_none()
    }

    /// Whether both give the same page.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let mut pairs = self.sections.iter().zip(&other.sections);
        self.front.is_same(&other.front) && pairs.all(|((_, a), (_, b))| a.is_same(b))
    }

    /// Whether every part is current.
    fn is_whole(&self) -> bool {
        let mut sections = self.sections.iter().map(|(_, state)| state.status);
        self.front.status == Status::Ok && sections.all(|status| status == Status::Ok)
    }

    fn contents(&self) -> impl Iterator<Item = &Content> {
        self.sections.iter().map(|(_, state)| &*state.content)
    }

    /// All articles that may appear on the page; some occur twice.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.contents().flat_map(|content| content.newest.iter().chain(&content.named))
    }

    /// Recommends articles of the page; `None` if the reader has switched recommendations off.
    pub(crate) fn recommend(&self, profile: &Profile, limit: usize) -> Option<Vec<Recommended>> {
        let candidates = self.candidates().map(|candidate| &candidate.summary);
        let recommended = || recommend(profile, candidates, &self.front.content.most_read, limit);
        profile.enabled.then(recommended)
    }

    /// Composes the page with at most `limit` articles per section.
    ///
    /// No article appears twice; the first place wins: breaking, pinned, for the reader, by rank,
    /// most read.
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

    /// The pinned articles of a section that can be shown, in the editors' order.
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

    /// Adds the remaining articles of a section by rank.
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

/// A higher rank comes first.
fn rank(published_at: Timestamp, readers: u64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "below 64 times the lift")]
    #[expect(clippy::cast_precision_loss, reason = "of no weight in a logarithm")]
    let lift = (LIFT * (readers as f64).ln_1p() / std::f64::consts::LN_2) as i64;
    published_at.millis() + lift
}

#[cfg(test)]
mod tests;
