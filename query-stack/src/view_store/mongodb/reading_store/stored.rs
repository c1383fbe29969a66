//! Readings and readers as stored in MongoDB.
//!
//! The `_id` of a reading is `<user>/<article>/<hour>`, its identity; the index also finds the
//! readings of a user.

use events::readings::Reading;
use events::{ArticleId, Category, Timestamp, UserId};
use mongodb::bson::error::Error;
use mongodb::bson::{Document as Bson, RawDocumentBuf, doc, rawdoc, serialize_to_raw_document_buf};
use serde::{Deserialize, Serialize};

use super::super::stored::within;
use crate::Unavailable;
use crate::reading_store::Reader;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredReading {
    pub(super) _id: String,
    pub(super) user_id: String,
    pub(super) article_id: String,
    pub(super) category: Category,
    pub(super) labels: Vec<String>,
    pub(super) at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredReader {
    pub(super) _id: String,
    pub(super) reader: Reader,
}

/// The aggregated readings of an article.
#[derive(Deserialize)]
pub(super) struct Counted {
    pub(super) _id: String,
    pub(super) readers: i64,
    pub(super) last: Last,
}

#[derive(Deserialize)]
pub(super) struct Last {
    pub(super) category: Category,
}

#[derive(Deserialize)]
pub(super) struct Id {
    pub(super) _id: String,
}

impl From<&Reading> for StoredReading {
    fn from(reading: &Reading) -> Self {
        Self {
            _id: format!("{}/{}/{}", reading.user_id, reading.article_id, reading.hour()),
            user_id: reading.user_id.to_string(),
            article_id: reading.article_id.to_string(),
            category: reading.category.clone(),
            labels: reading.labels.clone(),
            at: reading.at.millis(),
        }
    }
}

impl TryFrom<StoredReading> for Reading {
    type Error = uuid::Error;

    fn try_from(stored: StoredReading) -> Result<Self, uuid::Error> {
        Ok(Self {
            user_id: UserId(stored.user_id.parse()?),
            article_id: ArticleId(stored.article_id.parse()?),
            category: stored.category,
            labels: stored.labels,
            at: Timestamp::from_millis(stored.at),
        })
    }
}

pub(super) fn of_user(user: UserId) -> Bson {
    doc! { "_id": within(&user.to_string()) }
}

pub(super) fn replacement((user, reader): (UserId, Reader)) -> Result<RawDocumentBuf, Error> {
    let stored = StoredReader { _id: user.to_string(), reader };
    let replacement = serialize_to_raw_document_buf(&stored)?;
    Ok(rawdoc! { "q": { "_id": stored._id }, "u": replacement, "upsert": true })
}

pub(super) fn after_user(after: Option<UserId>) -> Bson {
    after.map_or_else(Bson::new, |user| doc! { "_id": { "$gt": user.to_string() } })
}

pub(super) fn unreadable(error: uuid::Error) -> Unavailable {
    Unavailable(error.into())
}
