//! Lists and searches.

use events::Timestamp;
use uuid::Uuid;

use super::super::{Document, ListFilter, View};
use super::{SqliteViewStore, collect, rows_at_most, searching};

macro_rules! list {
    ($documents:literal, $condition:literal) => {
        concat!(
            "SELECT id, version, listed_at, json_remove(body, '$.content') FROM ",
            $documents,
            " WHERE view = ?1 AND generation = ?2 AND listed_at IS NOT NULL
               AND (listed_at, id) < (?3, ?4) AND listed_at >= ?5 AND listed_at < ?6
               AND (?7 IS NULL
                    OR EXISTS (SELECT 1 FROM json_each(documents.body, '$.tags') WHERE value = ?7))
               AND (?8 IS NULL OR json_extract(body, '$.author_id') = ?8)
               AND (?9 IS NULL OR (json_type(body, '$.byline') = 'text'
                                   AND json_extract(body, '$.byline') = ?9))
               AND (?10 IS NULL OR json_extract(body, '$.status') = ?10)
               AND ",
            $condition,
            " ORDER BY listed_at DESC, id DESC LIMIT ?11"
        )
    };
}

/// Scans the list.
const LIST: &str = list!("documents", "?12 IS NULL");
/// Scans the list of one status; separate SQL, or no index could be used.
const LIST_OF_STATUS: &str =
    list!("documents", "?12 IS NULL AND json_extract(body, '$.status') = ?10");
/// Visits all matches of the words and retains one page.
const FOUND: &str = list!(
    "words CROSS JOIN searchable ON number = words.rowid
     CROSS JOIN documents USING (view, generation, id)",
    "words MATCH ?12"
);
/// Scans the retracted articles.
const RETRACTED: &str = "SELECT id, version, listed_at, body FROM documents
     WHERE view = ?1 AND generation = ?2 AND json_extract(body, '$.retraction.at') IS NOT NULL
     ORDER BY json_extract(body, '$.retraction.at') DESC, id DESC LIMIT ?3";

impl SqliteViewStore {
    pub(super) async fn list_retracted(
        &self,
        view: &View,
        generation: i64,
        limit: usize,
    ) -> Result<Vec<Document>, sqlx::Error> {
        let rows = sqlx::query_as(RETRACTED).bind(view.to_string()).bind(generation);
        Ok(collect(rows.bind(rows_at_most(limit)).fetch_all(&self.pool).await?))
    }

    pub(super) async fn list_documents(
        &self,
        view: &View,
        generation: i64,
        filter: &ListFilter,
        limit: usize,
    ) -> Result<Vec<Document>, sqlx::Error> {
        let (before, before_id) = match filter.after {
            Some(place) => (place.listed_at.millis(), place.id),
            None => (i64::MAX, Uuid::max()),
        };
        let list = match (&filter.search, &filter.status) {
            (Some(_), _) => FOUND,
            (None, Some(_)) => LIST_OF_STATUS,
            (None, None) => LIST,
        };
        let rows = sqlx::query_as(list)
            .bind(view.to_string())
            .bind(generation)
            .bind(before)
            .bind(before_id.hyphenated())
            .bind(filter.from.map_or(i64::MIN, Timestamp::millis))
            .bind(filter.to.map_or(i64::MAX, Timestamp::millis))
            .bind(filter.tag.as_deref())
            .bind(filter.author_id.map(Uuid::hyphenated))
            .bind(filter.byline.as_deref())
            .bind(filter.status.as_deref())
            .bind(rows_at_most(limit))
            .bind(filter.search.as_ref().map(searching::expression));
        Ok(collect(rows.fetch_all(&self.pool).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lists_walk_an_index_in_its_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("views.db");
        let store = SqliteViewStore::at(path.to_str().expect("UTF-8")).await.expect("a file");
        for (list, index) in [
            (LIST, "documents_listed"),
            (LIST_OF_STATUS, "documents_by_status"),
            (RETRACTED, "documents_retracted"),
        ] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {list}"));
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(explain).fetch_all(&store.pool).await.expect("a plan");
            let steps: Vec<_> = plan.into_iter().map(|(.., step)| step).collect();
            assert!(steps[0].contains(&format!("USING INDEX {index} ")), "{steps:?}");
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
        }
    }
}
