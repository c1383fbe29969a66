//! The changes of an event: the fields that readers know, before and after.

use std::time::Instant;

use events::Timestamp;
use events::news::Article;
use events::personal::PersonalText;
use proto::v1::field_value::Kind;
use proto::v1::{Change, FieldValue, Texts};

use super::diff;

/// Fields with a word-by-word difference.
const TOLD_WORD_BY_WORD: [&str; 3] = ["title", "summary", "content"];

/// Returns the fields that differ; for a new article, the fields that have a value.
pub(super) fn between(before: Option<&Article>, after: &Article, deadline: Instant) -> Vec<Change> {
    let to = fields(after);
    let from = before.map_or_else(|| to.each_ref().map(|(name, _)| (*name, None)), fields);
    let pairs = from.into_iter().zip(to);
    let differ = pairs.filter(|((_, from), (_, to))| from != to && !(from.is_none() && nil(to)));
    differ.map(|((field, from), (_, to))| change(field, from, to, deadline)).collect()
}

fn nil(value: &Option<FieldValue>) -> bool {
    match value.as_ref().and_then(|value| value.kind.as_ref()) {
        None => true,
        Some(Kind::Text(text)) => text.is_empty(),
        Some(Kind::List(texts)) => texts.items.is_empty(),
    }
}

fn change(
    field: &str,
    from: Option<FieldValue>,
    to: Option<FieldValue>,
    deadline: Instant,
) -> Change {
    let texts = as_text(from.as_ref()).zip(as_text(to.as_ref()));
    let texts = texts.filter(|_| TOLD_WORD_BY_WORD.contains(&field));
    let diff = texts.map(|(from, to)| diff::words(from, to, deadline));
    Change { field: field.to_owned(), from, to, diff }
}

fn as_text(value: Option<&FieldValue>) -> Option<&str> {
    match value?.kind.as_ref()? {
        Kind::Text(text) => Some(text),
        Kind::List(_) => None,
    }
}

fn fields(article: &Article) -> [(&'static str, Option<FieldValue>); 9] {
    let printed = article.text.byline.as_ref().and_then(|byline| match byline {
        PersonalText::Plain(text) => Some(text.as_str()),
        PersonalText::Sealed(_) => None,
    });
    let time = |time: Option<Timestamp>| time.map(|time| text(&time.to_string()));
    [
        ("title", Some(text(&article.text.title))),
        ("summary", Some(text(&article.text.summary))),
        ("content", Some(text(&article.text.content))),
        ("tags", Some(list(&article.text.tags))),
        ("byline", printed.map(text)),
        ("category", Some(text(article.category.as_str()))),
        ("status", Some(text(article.status.as_str()))),
        ("publish_at", time(article.publish_at)),
        ("embargo_until", time(article.embargo_until)),
    ]
}

fn text(text: &str) -> FieldValue {
    FieldValue { kind: Some(Kind::Text(text.to_owned())) }
}

fn list(texts: &[String]) -> FieldValue {
    FieldValue { kind: Some(Kind::List(Texts { items: texts.to_vec() })) }
}
