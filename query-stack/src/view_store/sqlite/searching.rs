//! The tables `searchable` and `words`: the FTS5 index of the articles.

use sqlx::sqlite::SqliteConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::super::search::Searchable;
use super::super::{Document, Relevance, Search, View};

/// The FTS5 expression of a search; words are quoted letters and digits, so none is an operator.
pub(super) fn expression(Search { words, relevance }: &Search) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let all = quoted.join(" AND ");
    let within = |relevance| match relevance {
        Relevance::Title => format!("title : ({all})"),
        Relevance::Summary => format!("{{title summary}} : ({all})"),
        Relevance::Content => format!("({all})"),
    };
    match relevance.better() {
        None => within(*relevance),
        Some(better) => format!("({}) NOT ({})", within(*relevance), within(better)),
    }
}

/// Replaces the words of a document.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    view: &View,
    generation: i64,
    document: &Document,
) -> Result<(), sqlx::Error> {
    let Some(searchable) = Searchable::of(view, document) else {
        return remove(connection, view, generation, &[document.id]).await;
    };
    let Searchable { title, summary, content } = searchable;
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO searchable (view, generation, id) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET id = excluded.id RETURNING number",
    )
    .bind(view.to_string())
    .bind(generation)
    .bind(document.id.hyphenated())
    .fetch_one(&mut *connection)
    .await?;
    let mut insert = sqlx::query(
        "INSERT OR REPLACE INTO words (rowid, title, summary, content) VALUES (?, ?, ?, ?)",
    );
    insert = insert.bind(number);
    for words in [title, summary, content] {
        insert = insert.bind(words.into_iter().collect::<Vec<_>>().join(" "));
    }
    insert.execute(connection).await?;
    Ok(())
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    view: &View,
    generation: i64,
    ids: &[Uuid],
) -> Result<(), sqlx::Error> {
    if ids.is_empty() || !view.projection.is_searched() {
        return Ok(());
    }
    for statement in [
        "DELETE FROM words WHERE rowid IN (
             SELECT number FROM searchable
             WHERE view = ? AND generation = ? AND id IN (SELECT value FROM json_each(?)))",
        "DELETE FROM searchable
         WHERE view = ? AND generation = ? AND id IN (SELECT value FROM json_each(?))",
    ] {
        let statement = sqlx::query(statement).bind(view.to_string()).bind(generation);
        statement.bind(Json(ids)).execute(&mut *connection).await?;
    }
    Ok(())
}
