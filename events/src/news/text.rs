//! The parts of an article, each with its limits.

use super::ArticleText;
use crate::personal::PersonalText;
use crate::text::{Text, UpTo};

/// The headline of an article.
pub type Title = Text<1, 200>;
/// The short text under a headline.
pub type Summary = Text<0, 500>;
/// The text of an article, in HTML or plain.
pub type Content = Text<1, 200_000>;
/// A label of an article.
pub type Tag = Text<1, 50>;
/// All labels of an article.
pub type Tags = UpTo<Tag, 20>;
/// The author's line as it is printed.
pub type Byline = Text<1, 100>;
/// What readers are told of a correction or a retraction.
pub type Note = Text<1, 500>;

/// A new text of an article, every part within its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenText {
    /// The headline.
    pub title: Title,
    /// May be empty.
    pub summary: Summary,
    /// The text.
    pub content: Content,
    /// The labels.
    pub tags: Tags,
    /// A [`Byline`], sealed when the author has an account.
    pub byline: Option<PersonalText>,
}

impl WrittenText {
    /// A text without the parts that may be left out.
    #[must_use]
    pub fn new(title: Title, content: Content) -> Self {
        let (summary, tags, byline) = (Summary::default(), Tags::default(), None);
        Self { title, summary, content, tags, byline }
    }
}

impl From<Byline> for PersonalText {
    fn from(byline: Byline) -> Self {
        Self::Plain(byline.into())
    }
}

impl From<WrittenText> for ArticleText {
    fn from(text: WrittenText) -> Self {
        let WrittenText { title, summary, content, tags, byline } = text;
        let tags = tags.into_vec().into_iter().map(String::from).collect();
        let (title, summary, content) = (title.into(), summary.into(), content.into());
        Self { title, summary, content, tags, byline }
    }
}
