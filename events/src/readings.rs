//! Who read what: no events, because nobody has to prove them, and because they must be possible to
//! forget. They travel beside the events on the same bus, and may be lost on the way.

use serde::{Deserialize, Serialize};

use crate::{ArticleId, Category, Timestamp, UserId};

/// An hour, in milliseconds.
const HOUR: i64 = 3_600_000;

/// Somebody who is signed in read an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Who.
    pub user_id: UserId,
    /// What.
    pub article_id: ArticleId,
    /// Where it appeared.
    pub category: Category,
    /// What it is about: the category and the tags, each once.
    pub labels: Vec<String>,
    /// When it was answered.
    pub at: Timestamp,
}

impl Reading {
    /// A reading of an article with these tags.
    #[must_use]
    pub fn new(
        user_id: UserId,
        article_id: ArticleId,
        category: Category,
        tags: &[String],
        at: Timestamp,
    ) -> Self {
        let mut labels = vec![category.to_string()];
        for tag in tags {
            if !labels.contains(tag) {
                labels.push(tag.clone());
            }
        }
        Self { user_id, article_id, category, labels, at }
    }

    /// The hour in which it was, since 1970. Whoever reads an article again within it has not read
    /// it twice: user, article and hour are what makes two readings the same.
    #[must_use]
    pub fn hour(&self) -> i64 {
        self.at.millis().div_euclid(HOUR)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn reading(tags: &[&str], millis: i64) -> Reading {
        let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let category = "sports".parse().expect("a category");
        let (user, article) = (UserId(Uuid::nil()), ArticleId(Uuid::nil()));
        Reading::new(user, article, category, &tags, Timestamp::from_millis(millis))
    }

    #[test]
    fn the_category_is_a_label_and_none_counts_twice() {
        assert_eq!(reading(&[], 0).labels, ["sports"]);
        assert_eq!(reading(&["final", "sports", "final"], 0).labels, ["sports", "final"]);
    }

    #[test]
    fn an_hour_is_an_hour_of_the_clock() {
        let hours = [0, HOUR - 1, HOUR].map(|millis| reading(&[], millis).hour());
        assert_eq!(hours, [0, 0, 1]);
    }
}
