//! What can only happen with a server.

use events::{EventReader, LogError, Position, UserId};
use futures::FutureExt;
use futures::future::join_all;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::net::TcpListener;
use tokio::time::Duration;
use uuid::Uuid;

use super::super::stored::OBLIGATIONS;
use super::super::{AppendError, EventLog, LeadError, PostgresEventLog, StreamAppend, Task};
use super::fixture::{
    Database, Fixture, append, event, eventually, one, part, places, some_stream,
};
use super::obligations::{article, drafted, erase, scheduled};
use super::waking::is_woken;

fn pool(on: &Fixture) -> &PgPool {
    match &on.database {
        Database::Postgres { pool, .. } => pool,
        Database::Sqlite { .. } => panic!("not PostgreSQL"),
    }
}

const LISTENERS: &str = "SELECT pid FROM pg_stat_activity \
     WHERE datname = current_database() AND query LIKE 'LISTEN%'";

async fn listeners(on: &Fixture) -> Vec<i32> {
    sqlx::query_scalar(LISTENERS).fetch_all(pool(on)).await.expect("pg_stat_activity")
}

async fn end(on: &Fixture, backend: i32) {
    let end = sqlx::query("SELECT pg_terminate_backend($1)").bind(backend);
    end.execute(pool(on)).await.expect("end the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_database_refuses_fails_alone() {
    let on = Fixture::postgres().await;
    let streams: Vec<_> = (0..9).map(|_| some_stream()).collect();
    let appends = streams.iter().enumerate().map(|(n, stream)| {
        // jsonb holds every character but this one.
        let data = if n == 4 { r#"{"text":"\u0000"}"# } else { "{}" };
        let events = vec![event("user", data)];
        append(vec![StreamAppend {
            stream_id: stream.clone(),
            expected: Default::default(),
            events,
        }])
    });
    let results = on.at_once(appends.collect()).await;
    for (n, result) in results.iter().enumerate() {
        let refused = matches!(result, Err(AppendError::Log(LogError::Corrupt(_))));
        assert_eq!((refused, result.is_ok()), (n == 4, n != 4), "{n}: {result:?}");
    }
    let good = streams.iter().enumerate().filter(|(n, _)| *n != 4);
    let good: Vec<_> = good.map(|(_, stream)| (stream.as_str(), 1)).collect();
    assert_eq!(places(&on.all().await), good);
    on.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_said_to_be_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its number").port();
    drop(listener);
    let log = PostgresEventLog::at(&format!("postgres://portal@127.0.0.1:{port}/portal"));
    let log = log.expect("the address");
    let hot = some_stream();
    // More than one batch: what waits must not wait for the server once more.
    let appends = join_all((0..5).map(|_| log.append(one(&hot, 0))));
    let late = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        log.append(one(&hot, 0)).await
    };
    let (appends, late, read, found, lead) = tokio::join!(
        appends,
        late,
        log.read_after(Position::START, None, 1),
        log.find_command("key"),
        log.lead(Task::Relay),
    );
    for result in appends.into_iter().chain([late]) {
        let is_right = matches!(result, Err(AppendError::Log(LogError::Unavailable(_))));
        assert!(is_right, "{result:?}");
    }
    assert!(matches!(read, Err(LogError::Unavailable(_))), "{read:?}");
    assert!(matches!(found, Err(LogError::Unavailable(_))), "{found:?}");
    assert!(matches!(lead.map(drop), Err(LogError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_wake_again_after_the_connection_was_lost_while_nobody_waited() {
    let on = Fixture::postgres().await;
    drop(on.log.appended());
    let lost = eventually("listening", async || listeners(&on).await.pop()).await;
    end(&on, lost).await;
    let is_back = async || listeners(&on).await.into_iter().find(|pid| *pid != lost);
    eventually("listening again", is_back).await;
    let mut appended = on.log.appended();
    for _ in 0..3 {
        appended.mark_unchanged();
        on.twin.append(one(&some_stream(), 0)).await.expect("append");
        is_woken(&mut appended).await;
    }
    on.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_lease_has_run_out_is_followed_and_cannot_move_the_checkpoint() {
    let on = Fixture::postgres().await;
    let paused = on.log.lead(Task::Relay).await.expect("the log").expect("nobody leads");
    paused.save(Position::new(1)).await.expect("save");
    assert!(on.twin.lead(Task::Relay).await.expect("the log").is_none());
    on.execute("UPDATE leases SET expires_at = clock_timestamp()").await.expect("a time passes");
    // Late, but nobody has taken over.
    paused.confirm().await.expect("it leads");
    assert!(on.twin.lead(Task::Relay).await.expect("the log").is_none());
    on.execute("UPDATE leases SET expires_at = clock_timestamp()").await.expect("a time passes");
    let next = on.twin.lead(Task::Relay).await.expect("the log").expect("nobody leads");
    next.save(Position::new(7)).await.expect("save");
    assert!(matches!(paused.save(Position::new(2)).await, Err(LeadError::Lost)));
    assert!(matches!(paused.confirm().await, Err(LeadError::Lost)));
    paused.resign().await.expect("it is none of its any more");
    next.confirm().await.expect("it leads");
    assert_eq!(next.checkpoint().await.expect("read"), Position::new(7));
    on.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_to_lead_one_does() {
    let on = Fixture::postgres().await;
    let logs = [&on.log, &on.twin].into_iter().cycle().take(20);
    let all = join_all(logs.map(|log| log.lead(Task::Relay))).await;
    let leaders = all.into_iter().filter_map(|turn| turn.expect("the log"));
    assert_eq!(leaders.count(), 1);
    on.remove().await;
}

/// How PostgreSQL looks for obligations when tables are so large that it goes by indexes.
async fn plan_of_obligations(on: &Fixture) -> String {
    let mut transaction = pool(on).begin().await.expect("begin");
    for setting in ["seqscan", "hashjoin", "mergejoin", "bitmapscan", "material"] {
        let setting = AssertSqlSafe(format!("SET LOCAL enable_{setting} = off"));
        sqlx::query(setting).execute(&mut *transaction).await.expect("set");
    }
    let explain = AssertSqlSafe(format!("EXPLAIN {}", *OBLIGATIONS));
    let explain = sqlx::query_scalar(explain).bind(0_i64);
    let plan: Vec<String> = explain.fetch_all(&mut *transaction).await.expect("explain");
    plan.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn obligations_are_found_through_their_partial_indexes() {
    let on = Fixture::postgres().await;
    on.log.append(append(vec![part(&some_stream(), 0, 1_000)])).await.expect("append");
    for n in 0..200 {
        let author = UserId(Uuid::now_v7());
        article(&on, [drafted(Some(author)), scheduled(n)]).await;
        if n % 100 == 0 {
            erase(&on, author).await;
        }
    }
    on.execute("ANALYZE").await.expect("analyze");
    let plan = plan_of_obligations(&on).await;
    for (index, condition) in [
        ("events_scheduled", "\"position\" > "),
        ("events_erased", "\"position\" > "),
        // Narrowed to one author, and not only read from one end to the other.
        ("events_drafted", "'author_id'"),
    ] {
        let (_, used) = plan.split_once(&format!("using {index} ")).unwrap_or_else(|| {
            panic!("{index} is not used:\n{plan}");
        });
        let narrowed = used.lines().nth(1).unwrap_or_default();
        let is_right = narrowed.contains("Index Cond: ") && narrowed.contains(condition);
        assert!(is_right, "{index} is not narrowed:\n{plan}");
    }
    on.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_stands_still_appends_are_turned_away_early_and_record_nothing() {
    let on = Fixture::postgres().await;
    let mut other = pool(&on).acquire().await.expect("a connection");
    // Whoever appends needs this lock.
    let lock = sqlx::query("SELECT pg_advisory_lock(7310274)").execute(&mut *other).await;
    lock.expect("the lock of the log");
    let log = &*on.log;
    let append = || log.append(one(&some_stream(), 0));
    let foreseen = async {
        // Later than what waits gives up, and before the batch in hand does.
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        append().now_or_never().expect("refused without waiting")
    };
    let waiting = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        join_all((0..500).map(|_| append())).await
    };
    let (in_hand, waiting, foreseen) = tokio::join!(append(), waiting, foreseen);
    let is_unavailable = matches!(in_hand, Err(AppendError::Log(LogError::Unavailable(_))));
    assert!(is_unavailable, "{in_hand:?}");
    for result in waiting.into_iter().chain([foreseen]) {
        assert!(matches!(result, Err(AppendError::Overloaded)), "{result:?}");
    }

    drop(other.close().await);
    log.append(one(&some_stream(), 0)).await.expect("normal service");
    assert_eq!(on.all().await.len(), 1);
    on.remove().await;
}
