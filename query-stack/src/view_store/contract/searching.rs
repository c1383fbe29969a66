//! Results and order of a search, the same in every store.

use super::*;
use crate::view_store::{ListPlace, Relevance, SearchPlace};

fn searched() -> View {
    view(Projection::Search, "news.sports")
}

/// An article published at second `number`.
fn news(number: u128, title: &str, summary: &str, content: &str) -> Document {
    let second = i64::try_from(number).expect("small");
    let body = json!({ "title": title, "summary": summary, "content": content });
    Document { body, ..article(number, second) }
}

async fn page(
    store: &dyn ViewStore,
    question: &str,
    filter: &ListFilter,
    after: Option<SearchPlace>,
    limit: usize,
) -> Vec<(Relevance, Document)> {
    let (view, words) = (searched(), proto::words(question));
    let generation = live(store, &view).await.generation;
    let found = search(store, &view, generation, &words, filter, after, limit).await;
    found.expect("an answer")
}

async fn found(store: &dyn ViewStore, question: &str) -> Vec<u128> {
    let page = page(store, question, &ListFilter::default(), None, 100).await;
    page.into_iter().map(|(_, document)| document.id.as_u128()).collect()
}

pub(super) async fn what_has_every_word_is_found_the_most_relevant_first(store: &dyn ViewStore) {
    let written = [
        news(1, "Cup final", "Who won", "The goal."),
        news(2, "Who won", "The cup final", "A goal."),
        news(3, "Who won", "The final", "They have the cup."),
        news(4, "Cup", "Who won the final", "The goal."),
        news(5, "The final of the Cup", "", ""),
        news(6, "Who won", "", "The cup: a final and a goal."),
        news(7, "Cup", "", "The goal."),
    ];
    put(store, &searched(), &written).await;
    let found_page = page(store, "cup final", &ListFilter::default(), None, 100).await;
    let relevances: Vec<_> = found_page.iter().map(|(relevance, _)| *relevance).collect();
    let [title, summary, content] = [Relevance::Title, Relevance::Summary, Relevance::Content];
    assert_eq!(relevances, [title, title, summary, summary, content, content]);
    assert_eq!(found(store, "cup final").await, [5, 1, 4, 2, 6, 3]);
    assert_eq!(found_page[0].1.body, json!({ "title": "The final of the Cup", "summary": "" }));
    assert_eq!(found(store, "final goal cup CUP").await, [6, 4, 2, 1]);
    assert_eq!(found(store, "goal").await, [7, 6, 4, 2, 1]);
    assert_eq!(found(store, "cup nowhere").await, []);
    assert_eq!(found(store, "").await, []);
}

pub(super) async fn case_and_diacritics_count_for_nothing_and_endings_do(store: &dyn ViewStore) {
    let written = [
        news(1, "Café CRÈME", "", ""),
        news(2, "", "cafe\u{301} creme", ""),
        news(3, "", "", "CAFE, crème"),
        news(4, "Cafes", "", "cremes"),
        news(5, "ΟΔΟΣ", "", "Straße 日本"),
        news(6, "οδός", "", "STRASSE x_y 1,5"),
    ];
    put(store, &searched(), &written).await;
    for question in ["cafe creme", "CAFÉ Crème", "  crème,café  "] {
        assert_eq!(found(store, question).await, [1, 2, 3], "{question}");
    }
    assert_eq!(found(store, "caf").await, []);
    assert_eq!(found(store, "οδος").await, [6, 5]);
    assert_eq!(found(store, "strasse").await, [6, 5]);
    assert_eq!(found(store, "日本").await, [5]);
    assert_eq!(found(store, "x 5").await, [6]);
}

pub(super) async fn nothing_in_a_question_is_an_operator(store: &dyn ViewStore) {
    let written = [news(1, "Goal", "and", "not near"), news(2, "Goal", "or", "title words")];
    put(store, &searched(), &written).await;
    assert_eq!(found(store, "goal -near").await, [1]);
    assert_eq!(found(store, "goal NOT near").await, [1]);
    assert_eq!(found(store, "goal AND near").await, [1]);
    assert_eq!(found(store, "title:words").await, [2]);
    assert_eq!(found(store, "\"near goal\"").await, [1]);
    assert_eq!(found(store, "goal\" OR \"").await, [2]);
    for harmless in ["goa*", "^goal$x", "NEAR(goal, 2)", "go\"al", "{$where: 1}", "summary/goal"] {
        assert_eq!(found(store, harmless).await, [], "{harmless}");
    }
    for nothing in ["*", "\"", "\"\"", "-", "$", "()", " ", "\0", "'; --"] {
        assert_eq!(found(store, nothing).await, [], "{nothing}");
    }
}

pub(super) async fn a_search_passes_the_filters_of_a_list(store: &dyn ViewStore) {
    let with = |number, tags: &[&str], author: u128, byline: serde_json::Value| {
        let mut document = news(number, "Goal", "", "");
        let body = json!({ "tags": tags, "author_id": Uuid::from_u128(author), "byline": byline });
        let (own, more) = (document.body.as_object_mut(), body.as_object().cloned());
        own.expect("an object").extend(more.expect("an object"));
        document
    };
    let sealed = json!({ "of": Uuid::nil(), "sealed": "Ada" });
    let written = [
        with(1, &["cup"], 7, json!("Ada")),
        with(2, &["cup", "final"], 8, sealed.clone()),
        with(3, &[], 7, json!("Ada")),
        with(4, &["final"], 8, json!("ada")),
        with(5, &["cup"], 7, json!(null)),
    ];
    put(store, &searched(), &written).await;
    let time = |second: i64| Some(Timestamp::from_millis(second * 1_000));
    let byline = |text: &str| ListFilter { byline: Some(text.to_owned()), ..Default::default() };
    let tag = Some("cup".to_owned());
    let cases = [
        (ListFilter { tag: tag.clone(), ..Default::default() }, vec![5, 2, 1]),
        (ListFilter { author_id: Some(Uuid::from_u128(7)), ..Default::default() }, vec![5, 3, 1]),
        (byline("Ada"), vec![3, 1]),
        (byline(&sealed.to_string()), vec![]),
        (ListFilter { from: time(2), to: time(4), ..Default::default() }, vec![3, 2]),
        (ListFilter { from: time(4), ..Default::default() }, vec![5, 4]),
        (ListFilter { to: time(2), ..Default::default() }, vec![1]),
        (ListFilter { from: time(4), to: time(2), ..Default::default() }, vec![]),
        (ListFilter { tag, to: time(3), ..byline("Ada") }, vec![1]),
    ];
    for (filter, expected) in cases {
        let listed = numbers(&list(store, &searched(), &filter, 10).await);
        assert_eq!(listed, expected, "listed: {filter:?}");
        let found = page(store, "goal", &filter, None, 10).await;
        let found = found.iter().map(|(_, document)| document.id.as_u128());
        assert_eq!(found.collect::<Vec<_>>(), expected, "found: {filter:?}");
    }
}

pub(super) async fn pages_of_a_search_neither_repeat_nor_skip_while_articles_come(
    store: &dyn ViewStore,
) {
    let view = searched();
    let of_relevance = |number: u128, second: i64, relevance: u128| {
        let document = match relevance {
            0 => news(number, "Goal", "", ""),
            1 => news(number, "", "Goal", ""),
            _ => news(number, "", "", "Goal"),
        };
        Document { listed_at: Some(Timestamp::from_millis(second * 1_000)), ..document }
    };
    // Four articles per second, so pages of three break within ties and within relevances.
    let documents: Vec<_> =
        (0..42_u32).map(|n| of_relevance(n.into(), i64::from(n / 4), u128::from(n % 3))).collect();
    put(store, &view, &documents).await;
    let (mut seen, mut after) = (Vec::new(), None);
    for number in 0.. {
        let filter = ListFilter::default();
        let page = page(store, "goal", &filter, after, 3).await;
        let Some((relevance, last)) = page.last() else { break };
        let place = |listed_at| (*relevance, ListPlace { listed_at, id: last.id });
        after = last.listed_at.map(place);
        seen.extend(page.iter().map(|(_, document)| document.id.as_u128()));
        // The newest of each relevance: a reader past that place never sees it.
        let relevance = 3 - u128::from(relevance.get());
        put(store, &view, &[of_relevance(100 + number, 100, relevance), news(200, "", "", "")])
            .await;
    }
    let expected = (0..3).flat_map(|relevance| (0..42).rev().filter(move |n| n % 3 == relevance));
    // A content match that arrived while the pages were at summaries is seen in its place.
    let seen_before: Vec<_> = seen.iter().copied().filter(|number| *number < 100).collect();
    assert_eq!(seen_before, expected.collect::<Vec<_>>());
    assert_eq!(seen.len(), 42, "{seen:?}");
}

pub(super) async fn only_what_a_document_says_now_is_found(store: &dyn ViewStore) {
    let view = searched();
    put(store, &view, &[news(1, "First", "words", "here"), news(2, "First", "", "")]).await;
    put(store, &view, &[news(1, "Second", "words", "there")]).await;
    assert_eq!(found(store, "first").await, [2]);
    assert_eq!(found(store, "here").await, []);
    assert_eq!(found(store, "words there").await, [1]);
    put(store, &view, &[Document { listed_at: None, ..news(1, "Second", "words", "there") }]).await;
    assert_eq!(found(store, "second").await, []);
    put(store, &view, &[news(1, "Third", "", "")]).await;
    assert_eq!(found(store, "third").await, [1]);
    let from = live(store, &view).await;
    let (to, removed) = (step(from, 1).position, [1, 2].map(Uuid::from_u128));
    let change = Change { to, removed: &removed, ..Change::default() };
    store.apply(&view, Slot::Live, from, &change).await.expect("applied");
    assert_eq!(found(store, "third").await, []);
    assert_eq!(found(store, "first").await, []);
}

pub(super) async fn each_generation_of_each_view_is_searched_for_itself(store: &dyn ViewStore) {
    let (view, politics) = (searched(), view(Projection::Search, "news.politics"));
    put(store, &view, &[news(1, "Goal", "", "old")]).await;
    put(store, &politics, &[news(1, "Goal", "", "politics")]).await;
    let building = store.begin_rebuild(&view).await.expect("begun");
    let loaded = [news(1, "Goal", "", "new"), news(2, "Goal", "", "new")];
    store.load(&view, building, &loaded).await.expect("loaded");
    let change = Change { to: step(building, 1).position, ..Change::default() };
    let loaded = store.apply(&view, Slot::Building, building, &change).await.expect("applied");
    assert_eq!((found(store, "goal").await, found(store, "new").await), (vec![1], vec![]));
    store.switch(&view, loaded).await.expect("switched");
    assert_eq!((found(store, "goal").await, found(store, "old").await), (vec![2, 1], vec![]));

    let back = store.begin_rollback(&view).await.expect("begun").expect("a previous one");
    let back = apply(store, &view, Slot::Building, back, &[news(3, "Goal", "", "")]).await;
    store.switch(&view, back.expect("applied")).await.expect("switched");
    assert_eq!((found(store, "goal").await, found(store, "old").await), (vec![3, 1], vec![1]));
    // The generation with the same number in the other category is unchanged.
    let words = proto::words("politics");
    let elsewhere = search(store, &politics, 1, &words, &ListFilter::default(), None, 10).await;
    assert_eq!(elsewhere.expect("an answer").len(), 1);
}
