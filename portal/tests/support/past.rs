//! A long past, written into the log at once by the database itself: more than commands could
//! append within a test. The relay has carried all of it to the bus long ago.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use super::{Portal, Wiring};

/// Three articles, then a correction of the first of them, and so on: positions 1 to `events` of a
/// log that has nothing yet. The columns that follow from `p`, the position, and `s`, the position
/// of the article's first event.
const COLUMNS: &str = "
    CASE WHEN p % 4 = 0 THEN 2 ELSE 1 END,
    {event_id},
    'news.' || {category},
    CASE WHEN p % 4 = 0 THEN 'news.article_corrected' ELSE 'news.article_published' END,
    CASE WHEN p % 4 = 0 THEN 2 ELSE 3 END,
    {object}('category', {category}, 'title', 'Title ' || p, 'summary', '', 'content',
        'Text of ' || p || '.', 'tags', {array}('past'), 'byline', NULL, 'author_id', NULL,
        'note', 'The day was wrong.'),
    {object}('actor', 'system:test', 'correlation_id', '', 'causation_id',
        '00000000-0000-0000-0000-000000000000'),
    {recorded_at}";

const RELAYED: &str = "UPDATE relay_checkpoint SET position = (SELECT max(position) FROM events)";

const CATEGORY: &str = "CASE s % 3 WHEN 0 THEN 'famous' WHEN 1 THEN 'politics' ELSE 'sports' END";

/// In the words of one database.
fn columns(event_id: &str, object: &str, array: &str, recorded_at: &str) -> String {
    COLUMNS
        .replace("{event_id}", event_id)
        .replace("{category}", CATEGORY)
        .replace("{object}", object)
        .replace("{array}", array)
        .replace("{recorded_at}", recorded_at)
}

impl Portal {
    /// To be called before anything is appended.
    pub async fn has_a_past_of(&self, events: usize) {
        match self.wiring {
            Wiring::Servers => self.fill_postgres(events).await,
            Wiring::Embedded => self.fill_sqlite(events).await,
        }
    }

    async fn fill_postgres(&self, events: usize) {
        let columns = columns(
            "gen_random_uuid()",
            "jsonb_build_object",
            "jsonb_build_array",
            "timestamptz '2026-01-01' + p * interval '1 second'",
        );
        let insert = format!(
            "INSERT INTO events
             SELECT p, 'article-00000000-0000-7000-8000-' || lpad(to_hex(s), 12, '0'), {columns}
             FROM (SELECT p, CASE WHEN p % 4 = 0 THEN p - 3 ELSE p END AS s
                   FROM generate_series(1, {events}) AS p) AS numbered ORDER BY p"
        );
        let url = &self.environment["PORTAL_EVENT_LOG"];
        let mut log = PgConnection::connect(url).await.expect("PostgreSQL");
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut log).await.expect("a past");
        sqlx::raw_sql(RELAYED).execute(&mut log).await.expect("a past");
    }

    async fn fill_sqlite(&self, events: usize) {
        let recorded_at = "1767225600000 + p * 1000";
        let columns = columns("randomblob(16)", "json_object", "json_array", recorded_at);
        let insert = format!(
            "WITH RECURSIVE counted(p) AS
                 (SELECT 1 UNION ALL SELECT p + 1 FROM counted WHERE p < {events}),
             numbered AS (SELECT p, CASE WHEN p % 4 = 0 THEN p - 3 ELSE p END AS s FROM counted)
             INSERT INTO events
             SELECT p, 'article-00000000-0000-7000-8000-' || printf('%012x', s), {columns}
             FROM numbered"
        );
        let url = format!("sqlite:{}", self.data_file("events.db").display());
        let mut log = SqliteConnection::connect(&url).await.expect("SQLite");
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut log).await.expect("a past");
        sqlx::raw_sql(RELAYED).execute(&mut log).await.expect("a past");
    }
}
