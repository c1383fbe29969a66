//! Adds missing indexes to collections of older programs; until then queries run without them.

use super::super::{Unavailable, View};
use super::{MongoViewStore, collections};

impl MongoViewStore {
    pub(super) async fn make_indexes(&self, view: &View) -> Result<(), Unavailable> {
        let state = self.find_or_create(view).await?.state;
        for generation in [Some(state.live), state.previous].into_iter().flatten() {
            collections::index(&self.database, view, generation.generation).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use events::{Position, Version};
    use mongodb::bson::{Document as Bson, doc};
    use uuid::Uuid;

    use super::super::super::{Change, Document, Slot, ViewStore, contract};
    use super::super::stored;
    use super::*;

    #[tokio::test]
    async fn what_was_taken_back_is_found_by_an_index_that_an_old_collection_gets() {
        let (store, database) = contract::mongodb().await;
        let view = View::articles("sports".parse().expect("a category"));
        let body = |number| match number {
            0 => serde_json::json!({ "retraction": { "at": "2026-11-21T07:00:00.000Z" } }),
            _ => serde_json::json!({ "title": "Goal" }),
        };
        let document = |number: u128| Document {
            id: Uuid::from_u128(number),
            version: Version::new(1),
            listed_at: None,
            body: body(number),
        };
        let documents: Vec<_> = (0..300).map(document).collect();
        let from = store.state(&view).await.expect("a state").live;
        let change = Change { to: Position::new(1), documents: &documents, ..Default::default() };
        store.apply(&view, Slot::Live, from, &change).await.expect("applied");
        let name = collections::name(&view, 1);
        let index = "body.retraction.at_-1__id_-1";
        database.collection::<Bson>(&name).drop_index(index).await.expect("an old collection");
        assert_eq!(store.retracted(&view, 1, 9).await.expect("documents").len(), 1);
        store.upgrade(&view).await.expect("upgraded");
        assert_eq!(store.retracted(&view, 1, 9).await.expect("documents").len(), 1);
        let (filter, sort) = (stored::retracted(), stored::retracted_index());
        let find = doc! { "find": name, "filter": filter, "sort": sort, "limit": 9 };
        let explain = doc! { "explain": find, "verbosity": "queryPlanner" };
        let plan = database.run_command(explain).await.expect("a plan");
        let plan = plan.get_document("queryPlanner").expect("a planner");
        let plan = plan.get_document("winningPlan").expect("a plan").to_string();
        assert!(plan.contains(&format!("\"{index}\"")) && !plan.contains("\"SORT\""), "{plan}");
        database.drop().await.expect("dropped");
    }
}
