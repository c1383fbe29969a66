//! A model of an article: numbers in place of events, texts and reasons.

use super::super::*;
use ArticleStatus::{Archived, Draft, Published, Retracted, Scheduled};

/// A command; times are milliseconds from the command on.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Begin {
        begin: Begins,
        embargo: Option<i64>,
    },
    Text {
        text: u8,
        note: bool,
    },
    Publish,
    /// The planned time if `right`, else another time.
    Due {
        right: bool,
        otherwise: i64,
    },
    Schedule(i64),
    Unschedule,
    Embargo(Option<i64>),
    Retract,
    Archive,
    Move(usize),
}

#[derive(Debug, Clone)]
pub(super) enum Begins {
    Draft,
    Publish,
    Schedule(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Changed,
    Unchanged,
    NotFound,
    Exists,
    Illegal,
    /// A time or a note is invalid.
    Invalid,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) status: Option<ArticleStatus>,
    pub(super) publish_at: Option<i64>,
    pub(super) embargo: Option<i64>,
    pub(super) category: usize,
    pub(super) text: u8,
    pub(super) first_published: Option<i64>,
    pub(super) corrections: usize,
}

impl Model {
    /// Applies a step; `here`: the command names the right category.
    pub(super) fn carry_out(&mut self, step: &Step, here: bool, now: i64) -> Outcome {
        let before = self.clone();
        let Some(status) = self.status else {
            return match step {
                Step::Begin { begin, embargo } => self.begin(begin, *embargo, now),
                _ => Outcome::NotFound,
            };
        };
        let unpublished = matches!(status, Draft | Scheduled);
        let alive = unpublished || status == Published;
        match step {
            Step::Begin { .. } => return Outcome::Exists,
            _ if !here => return Outcome::NotFound,
            Step::Due { right, otherwise } => {
                let is_due = self.publish_at.is_some_and(|planned| planned <= now);
                if is_due && (*right || self.publish_at == Some(now + otherwise)) {
                    self.show(now);
                }
            }
            Step::Text { text, note } if alive => {
                let corrects = status == Published && *text != self.text;
                if corrects && !note {
                    return Outcome::Invalid;
                }
                (self.text, self.corrections) = (*text, self.corrections + usize::from(corrects));
            }
            Step::Publish if unpublished => match self.embargo.filter(|end| *end > now) {
                Some(end) => (self.status, self.publish_at) = (Some(Scheduled), Some(end)),
                None => self.show(now),
            },
            Step::Schedule(after) if unpublished => {
                if *after <= 0 || self.embargo.is_some_and(|end| now + after < end) {
                    return Outcome::Invalid;
                }
                (self.status, self.publish_at) = (Some(Scheduled), Some(now + after));
            }
            Step::Unschedule if status == Scheduled => {
                (self.status, self.publish_at) = (Some(Draft), None);
            }
            Step::Embargo(after) if unpublished => {
                let end = after.map(|after| now + after);
                let past = end.is_some_and(|end| end <= now);
                if past || end.zip(self.publish_at).is_some_and(|(end, plan)| plan < end) {
                    return Outcome::Invalid;
                }
                self.embargo = end;
            }
            Step::Retract if status == Published => self.status = Some(Retracted),
            Step::Archive if matches!(status, Draft | Retracted) => self.status = Some(Archived),
            Step::Move(to) if alive => self.category = *to,
            _ => return Outcome::Illegal,
        }
        if *self == before { Outcome::Unchanged } else { Outcome::Changed }
    }

    fn begin(&mut self, begin: &Begins, embargo: Option<i64>, now: i64) -> Outcome {
        let end = embargo.map(|after| now + after);
        let plan = match begin {
            Begins::Draft => None,
            Begins::Publish => Some(end.unwrap_or(now)),
            Begins::Schedule(after) if *after <= 0 => return Outcome::Invalid,
            Begins::Schedule(after) => Some(now + after),
        };
        let too_early = end.zip(plan).is_some_and(|(end, plan)| plan < end);
        if too_early || end.is_some_and(|end| end <= now) {
            return Outcome::Invalid;
        }
        (self.embargo, self.category, self.text) = (end, 0, 0);
        match plan {
            None => self.status = Some(Draft),
            Some(plan) if plan <= now => self.show(now),
            plan => (self.status, self.publish_at) = (Some(Scheduled), plan),
        }
        Outcome::Changed
    }

    fn show(&mut self, now: i64) {
        self.status = Some(Published);
        self.first_published = Some(now);
        (self.publish_at, self.embargo) = (None, None);
    }
}
