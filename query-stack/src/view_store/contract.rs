//! The contract of every view store, run against each adapter.
//!
//! `PORTAL_VIEW_STORE` (printed by `scripts/services env`) is the URL of MongoDB; without it the
//! tests of MongoDB fail.

mod generations;
mod loading;
mod parking;
mod reading;
mod searching;
mod writing;

use std::time::{Duration, Instant};

use ::mongodb::bson::doc;
use events::{Partition, Position, Timestamp, Version};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    ApplyError, Change, Checkpoint, Document, ListFilter, MongoViewStore, Projection, Slot,
    SqliteViewStore, Unavailable, View, ViewStore, search,
};

fn view(projection: Projection, partition: &str) -> View {
    View { projection, partition: partition.parse::<Partition>().expect("a partition") }
}

fn articles() -> View {
    view(Projection::Articles, "news.sports")
}

/// `listed_at` is in seconds.
fn article(number: u128, listed_at: impl Into<Option<i64>>) -> Document {
    Document {
        id: Uuid::from_u128(number),
        version: Version::new(1),
        listed_at: listed_at.into().map(|second| Timestamp::from_millis(second * 1_000)),
        body: json!({ "title": format!("Article {number}"), "content": "Very long." }),
    }
}

fn numbers(documents: &[Document]) -> Vec<u128> {
    documents.iter().map(|document| document.id.as_u128()).collect()
}

fn step(from: Checkpoint, events: i64) -> Checkpoint {
    Checkpoint { position: Position::new(from.position.get() + events), ..from }
}

async fn live(store: &dyn ViewStore, view: &View) -> Checkpoint {
    store.state(view).await.expect("a state").live
}

/// Applies documents to the live generation, as the next event would.
async fn put(store: &dyn ViewStore, view: &View, documents: &[Document]) -> Checkpoint {
    let from = live(store, view).await;
    apply(store, view, Slot::Live, from, documents).await.expect("applied")
}

/// Applies documents as the event after `from` would.
async fn apply(
    store: &dyn ViewStore,
    view: &View,
    slot: Slot,
    from: Checkpoint,
    documents: &[Document],
) -> Result<Checkpoint, ApplyError> {
    let to = step(from, 1).position;
    store.apply(view, slot, from, &Change { to, documents, ..Change::default() }).await
}

/// All documents of a generation, by ascending id.
async fn all(store: &dyn ViewStore, view: &View, generation: i64) -> Vec<Document> {
    store.scan(view, generation, None, 10_000).await.expect("a scan")
}

async fn list(
    store: &dyn ViewStore,
    view: &View,
    filter: &ListFilter,
    limit: usize,
) -> Vec<Document> {
    let generation = live(store, view).await.generation;
    store.list(view, generation, filter, limit).await.expect("a list")
}

pub(crate) async fn sqlite() -> (SqliteViewStore, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("views.db");
    let store = SqliteViewStore::at(path.to_str().expect("UTF-8")).await.expect("a file");
    (store, folder)
}

/// A separate database per test.
pub(crate) async fn mongodb() -> (MongoViewStore, ::mongodb::Database) {
    let url =
        std::env::var("PORTAL_VIEW_STORE").expect("PORTAL_VIEW_STORE: see `scripts/services env`");
    let (server, database) = url.rsplit_once('/').expect("mongodb://host/database");
    let options = database.split_once('?').map_or("", |(_, options)| options);
    let url = format!("{server}/views-{}?appName=portal&{options}", Uuid::now_v7());
    let client = ::mongodb::Client::with_uri_str(&url).await.expect("a URL of MongoDB");
    let store = MongoViewStore::at(&url).await.expect("a URL of MongoDB");
    (store, client.default_database().expect("the database of the URL"))
}

macro_rules! contract {
    ($($chapter:ident: $($promise:ident)*;)*) => {
        mod sqlite_store {
            $($(#[tokio::test] async fn $promise() {
                let (store, _folder) = super::sqlite().await;
                super::$chapter::$promise(&store).await;
            })*)*
        }
        mod mongodb_store {
            $($(#[tokio::test] async fn $promise() {
                let (store, database) = super::mongodb().await;
                super::$chapter::$promise(&store).await;
                database.drop().await.expect("dropped");
            })*)*
        }
    };
}

contract! {
    writing:
        a_new_view_has_an_empty_live_generation
        many_may_ask_for_a_new_view_at_once
        documents_and_checkpoint_change_together
        a_stale_checkpoint_is_refused_and_nothing_changes
        of_two_writers_at_one_checkpoint_exactly_one_wins
        a_later_document_replaces_the_earlier
        a_body_comes_back_exactly
        thousands_of_documents_are_applied_at_once
        views_do_not_see_each_other
        who_waits_is_told_where_the_live_view_was_moved;
    parking:
        a_parked_stream_is_told_exactly
        parking_and_the_checkpoint_change_together
        a_writer_that_has_not_seen_the_parking_is_refused
        of_a_projector_and_a_retry_exactly_one_wins
        parked_streams_are_paged_and_counted
        each_generation_of_each_view_parks_for_itself;
    reading:
        only_the_documents_that_exist_are_found
        lists_are_newest_first_and_break_ties_by_id
        pages_neither_repeat_nor_skip_while_newer_articles_come
        lists_filter_by_tag_and_author
        lists_filter_by_status
        unlisted_documents_are_in_no_list
        lists_leave_the_content_out
        what_was_taken_back_is_told_the_last_first
        a_scan_goes_through_all_documents_in_order_of_id;
    searching:
        what_has_every_word_is_found_the_most_relevant_first
        case_and_diacritics_count_for_nothing_and_endings_do
        nothing_in_a_question_is_an_operator
        a_search_passes_the_filters_of_a_list
        pages_of_a_search_neither_repeat_nor_skip_while_articles_come
        only_what_a_document_says_now_is_found
        each_generation_of_each_view_is_searched_for_itself;
    generations:
        nobody_sees_a_rebuild_before_the_switch
        a_switch_waits_until_the_rebuild_has_caught_up
        after_a_switch_the_old_generation_takes_no_writes
        a_second_rebuild_throws_the_first_out
        rebuilds_that_begin_at_once_get_generations_of_their_own
        a_rollback_brings_the_previous_generation_back
        without_a_previous_generation_there_is_no_rollback
        a_generation_that_nobody_needs_is_dropped;
    loading:
        what_is_loaded_is_there_when_the_checkpoint_has_moved
        many_load_at_the_same_time
        what_broke_off_is_gone_when_the_next_rebuild_begins
        who_was_superseded_loads_nothing
        what_is_complete_or_live_or_on_its_way_back_takes_no_load;
}

#[tokio::test]
async fn a_new_file_may_be_opened_by_many_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("views.db");
    let path = path.to_str().expect("UTF-8");
    let opened = futures::future::join_all((0..4).map(|_| SqliteViewStore::at(path))).await;
    for store in opened {
        put(&store.expect("a store"), &articles(), &[article(1, 1)]).await;
    }
}

#[tokio::test]
async fn a_mongodb_that_is_down_is_reported() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let store = MongoViewStore::at(&format!("mongodb://{address}/portal?replicaSet=rs0"))
        .await
        .expect("no connection is needed yet");
    let view = articles();
    let (state, applied) = tokio::join!(store.state(&view), async {
        let from = Checkpoint::first(1);
        apply(&store, &view, Slot::Live, from, &[article(1, 1)]).await
    });
    assert!(matches!(state, Err(Unavailable(_))), "{state:?}");
    assert!(matches!(applied, Err(ApplyError::Unavailable(_))), "{applied:?}");
}

#[tokio::test]
async fn a_url_of_mongodb_must_name_a_database() {
    let error = MongoViewStore::at("mongodb://127.0.0.1:27017").await.err().expect("an error");
    assert!(error.to_string().contains("names no database"), "{error}");
}

#[tokio::test]
async fn a_writer_that_died_within_a_transaction_is_not_in_the_way_for_long() {
    let (store, database) = mongodb().await;
    live(&store, &articles()).await;
    let mut session = database.client().start_session().await.expect("a session");
    session.start_transaction().await.expect("a transaction");
    let (all, lock) = (doc! {}, doc! { "$set": { "locked": true } });
    let views = database.collection::<::mongodb::bson::Document>("views");
    views.update_one(all, lock).session(&mut session).await.expect("locked");
    let begun = Instant::now();
    put(&store, &articles(), &[article(1, 1)]).await;
    // MongoDB itself ends an abandoned transaction after a minute.
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
    database.drop().await.expect("dropped");
}
