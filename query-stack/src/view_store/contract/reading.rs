//! Queries of readers.

use super::*;
use crate::view_store::ListPlace;

pub(super) async fn only_the_documents_that_exist_are_found(store: &dyn ViewStore) {
    put(store, &articles(), &[article(1, 1), article(2, None), article(3, 3)]).await;
    let ids = [3, 9, 2].map(Uuid::from_u128);
    let mut found = store.documents(&articles(), 1, &ids).await.expect("documents");
    found.sort_by_key(|document| document.id);
    assert_eq!(found, [article(2, None), article(3, 3)]);
    assert_eq!(store.documents(&articles(), 1, &[]).await.expect("none"), []);
    assert_eq!(store.documents(&articles(), 2, &ids).await.expect("none"), []);
}

pub(super) async fn lists_are_newest_first_and_break_ties_by_id(store: &dyn ViewStore) {
    let documents = [(1, 5), (2, 9), (3, 5), (4, -1), (5, 5), (6, 7)];
    put(store, &articles(), &documents.map(|(number, second)| article(number, second))).await;
    let listed = list(store, &articles(), &ListFilter::default(), 10).await;
    assert_eq!(numbers(&listed), [2, 6, 5, 3, 1, 4]);
    assert_eq!(listed[0].listed_at, article(2, 9).listed_at);
    let listed = list(store, &articles(), &ListFilter::default(), 2).await;
    assert_eq!(numbers(&listed), [2, 6]);
    assert_eq!(list(store, &articles(), &ListFilter::default(), 0).await, []);
}

pub(super) async fn pages_neither_repeat_nor_skip_while_newer_articles_come(store: &dyn ViewStore) {
    let view = articles();
    // Four articles per second, so pages of three always break within a tie.
    let documents: Vec<_> = (0..40_u32).map(|n| article(u128::from(n), i64::from(n / 4))).collect();
    put(store, &view, &documents).await;
    let (mut seen, mut after) = (Vec::new(), None);
    for page in 0.. {
        put(store, &view, &[article(100 + page, 100), article(200 + page, 9)]).await;
        let filter = ListFilter { after, ..ListFilter::default() };
        let listed = list(store, &view, &filter, 3).await;
        let Some(last) = listed.last() else { break };
        after = last.listed_at.map(|listed_at| ListPlace { listed_at, id: last.id });
        seen.extend(numbers(&listed));
    }
    // The first page started with the articles at that time.
    assert_eq!(seen[..2], [100, 200]);
    assert_eq!(seen[2..], (0..40).rev().collect::<Vec<_>>());
}

fn by(number: u128, author: u128, tags: &[&str]) -> Document {
    let author_id = Uuid::from_u128(author);
    let second = i64::try_from(number).expect("small");
    Document { body: json!({ "tags": tags, "author_id": author_id }), ..article(number, second) }
}

pub(super) async fn lists_filter_by_tag_and_author(store: &dyn ViewStore) {
    let written = [
        by(1, 7, &["cup", "final"]),
        by(2, 8, &["cup"]),
        by(3, 7, &[]),
        by(4, 7, &["Cup", "cu", "x\"y"]),
        article(5, 5),
        by(6, 7, &["final", "cup"]),
    ];
    put(store, &articles(), &written).await;
    let listed = async |tag: Option<&str>, author: Option<u128>, after: Option<u128>| {
        let after = after.map(|number| by(number, 0, &[]));
        let filter = ListFilter {
            tag: tag.map(str::to_owned),
            author_id: author.map(Uuid::from_u128),
            after: after.and_then(|place| {
                place.listed_at.map(|listed_at| ListPlace { listed_at, id: place.id })
            }),
            ..ListFilter::default()
        };
        numbers(&list(store, &articles(), &filter, 10).await)
    };
    assert_eq!(listed(Some("cup"), None, None).await, [6, 2, 1]);
    assert_eq!(listed(Some("x\"y"), None, None).await, [4]);
    assert_eq!(listed(Some("nowhere"), None, None).await, []);
    assert_eq!(listed(None, Some(7), None).await, [6, 4, 3, 1]);
    assert_eq!(listed(None, Some(9), None).await, []);
    assert_eq!(listed(Some("cup"), Some(7), None).await, [6, 1]);
    assert_eq!(listed(Some("cup"), None, Some(6)).await, [2, 1]);
    assert_eq!(listed(None, Some(7), Some(4)).await, [3, 1]);
    assert_eq!(listed(Some("cup"), Some(7), Some(5)).await, [1]);
}

pub(super) async fn lists_filter_by_status(store: &dyn ViewStore) {
    let with = |number, status: &str| {
        let mut document = by(number, number % 2, &["cup"]);
        document.body["status"] = status.into();
        document
    };
    let unlisted = Document { listed_at: None, ..with(6, "draft") };
    let written = [1, 2, 3, 5].map(|number| with(number, "draft"));
    put(store, &articles(), &written).await;
    put(store, &articles(), &[with(4, "published"), article(7, 7), unlisted]).await;
    let place = ListPlace { listed_at: Timestamp::from_millis(5_000), id: Uuid::from_u128(5) };
    let draft = ListFilter { status: Some("draft".to_owned()), ..ListFilter::default() };
    let author_id = Some(Uuid::from_u128(1));
    let cases = [
        (ListFilter { status: Some("published".to_owned()), ..ListFilter::default() }, vec![4]),
        (ListFilter { status: Some("scheduled".to_owned()), ..ListFilter::default() }, vec![]),
        (ListFilter { author_id, ..draft.clone() }, vec![5, 3, 1]),
        (ListFilter { after: Some(place), ..draft.clone() }, vec![3, 2, 1]),
        (ListFilter { tag: Some("cup".to_owned()), ..draft.clone() }, vec![5, 3, 2, 1]),
        (draft, vec![5, 3, 2, 1]),
    ];
    for (filter, expected) in cases {
        assert_eq!(numbers(&list(store, &articles(), &filter, 10).await), expected, "{filter:?}");
    }
}

pub(super) async fn unlisted_documents_are_in_no_list(store: &dyn ViewStore) {
    let draft = Document { listed_at: None, ..by(2, 7, &["cup"]) };
    put(store, &articles(), &[by(1, 7, &["cup"]), draft]).await;
    let after = ListPlace { listed_at: Timestamp::from_millis(9_000), id: Uuid::nil() };
    let filters = [
        ListFilter::default(),
        ListFilter { tag: Some("cup".to_owned()), ..ListFilter::default() },
        ListFilter { author_id: Some(Uuid::from_u128(7)), ..ListFilter::default() },
        ListFilter { after: Some(after), ..ListFilter::default() },
    ];
    for filter in filters {
        assert_eq!(numbers(&list(store, &articles(), &filter, 10).await), [1], "{filter:?}");
    }
}

pub(super) async fn lists_leave_the_content_out(store: &dyn ViewStore) {
    let whole = article(1, 1);
    put(store, &articles(), std::slice::from_ref(&whole)).await;
    let listed = list(store, &articles(), &ListFilter::default(), 1).await;
    assert_eq!(listed, [Document { body: json!({ "title": "Article 1" }), ..whole.clone() }]);
    let found = store.documents(&articles(), 1, &[whole.id]).await.expect("documents");
    assert_eq!(found, [whole]);
}

pub(super) async fn what_was_taken_back_is_told_the_last_first(store: &dyn ViewStore) {
    let taken_back = |number, second: i64| {
        let at = Timestamp::from_millis(second * 1_000);
        let body = json!({ "retraction": { "at": at, "reason": "Untrue." } });
        Document { body, ..article(number, None) }
    };
    let written = [taken_back(1, 5), article(2, 9), taken_back(3, 7), taken_back(4, 5)];
    put(store, &articles(), &written).await;
    put(store, &view(Projection::Articles, "news.politics"), &[taken_back(5, 9)]).await;
    let told = async |limit| store.retracted(&articles(), 1, limit).await.expect("documents");
    assert_eq!(numbers(&told(9).await), [3, 4, 1]);
    assert_eq!(told(1).await, [taken_back(3, 7)]);
    assert_eq!(told(0).await, []);
    // An article published again under its old id is no longer retracted.
    put(store, &articles(), &[article(3, 8)]).await;
    assert_eq!(numbers(&told(9).await), [4, 1]);
}

pub(super) async fn a_scan_goes_through_all_documents_in_order_of_id(store: &dyn ViewStore) {
    let documents: Vec<_> =
        (0..250_u128).rev().map(|n| article(n << 96 | n, (n % 2 == 0).then_some(1))).collect();
    put(store, &articles(), &documents).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.scan(&articles(), 1, after, 100).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        assert!(page.len() <= 100);
        seen.extend(page);
    }
    assert!(seen.iter().eq(documents.iter().rev()));
}
