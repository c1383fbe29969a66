//! What the server reports about itself: for `portal doctor`.

use events::BoxError;
use events::inspection::Inspection;
use mongodb::bson::{Document, doc};

use super::{MongoViewStore, answered, slots};

impl MongoViewStore {
    /// Reads with the user of the address, and asks for the version.
    ///
    /// # Errors
    /// When the server does not answer, refuses the user, or is no replica set, without which
    /// there are no transactions.
    pub async fn inspect(&self) -> Result<Inspection, BoxError> {
        let hello = answered(self.database.run_command(doc! { "hello": 1 })).await??;
        let is_router = hello.get_str("msg").is_ok_and(|message| message == "isdbgrid");
        if !is_router && !hello.contains_key("setName") {
            return Err("the server is no member of a replica set".into());
        }
        // `hello` and `buildInfo` are answered to everybody.
        let views = self.database.collection::<Document>(slots::COLLECTION);
        answered(views.find_one(doc! {})).await??;
        let build = answered(self.database.run_command(doc! { "buildInfo": 1 })).await??;
        Ok(Inspection::new("MongoDB", build.get_str("version")?.to_owned(), "6.0"))
    }
}
