//! Profiles and most-read articles.
//!
//! A user's decision holds at once for that user's own profile, before the store has deleted
//! anything. The users of a label and the most-read list are what the store has; with a position,
//! the users of a label wait for all deletions up to it.

use chrono::Utc;
use events::user::User;
use events::{Timestamp, UserId};
use proto::v1::recommendations_server::Recommendations;
use proto::v1::{
    GetMostReadRequest, GetProfileRequest, Label, ListReadersRequest, MostRead, MostReadAnswer,
    Profile, ReaderPage,
};
use tonic::{Request, Response, Status};

use super::most_read::most_read_before;
use super::{Queries, at_most, id, malformed, nothing, read};
use crate::reading_store;
use crate::view_store::View;

impl Queries {
    async fn profile(&self, request: GetProfileRequest) -> Result<Profile, Status> {
        let id = id(&request.user_id)?;
        let body = self.body(&View::users(), id, request.min_position).await?;
        let user: User = read(body.ok_or_else(nothing)?)?;
        if user.erased_at.is_some() {
            return Err(nothing());
        }
        if user.recommendations_off_since.is_some() {
            return Ok(Profile::default());
        }
        let reader = self.look(self.readings.reader(UserId(id))).await?;
        // The deletion has not reached the store: all of its readings may be older than it.
        let known = if user.readings_forgotten_at > reader.forgotten_until {
            reading_store::Profile::default()
        } else {
            reader.profile
        };
        Ok(told(&known, Utc::now().into()))
    }

    async fn most_read(&self, request: GetMostReadRequest) -> Result<MostReadAnswer, Status> {
        let limit = at_most(request.limit);
        let found = match request.as_of {
            Some(time) => {
                let time = time.parse().map_err(|_| malformed())?;
                self.look(most_read_before(&*self.readings, time, limit)).await?.into()
            }
            None => self.most_read_now().await?,
        };
        let items = found.iter().take(limit).map(|most_read| MostRead {
            article_id: most_read.article_id.to_string(),
            category: most_read.category.to_string(),
            readers: most_read.readers,
        });
        Ok(MostReadAnswer { items: items.collect() })
    }
}

fn told(profile: &reading_store::Profile, now: Timestamp) -> Profile {
    let label = |(label, weight): (&str, f64)| Label { label: label.to_owned(), weight };
    Profile {
        enabled: true,
        labels: profile.labels_at(now).into_iter().map(label).collect(),
        read: profile.read.iter().map(|read| read.article_id.to_string()).collect(),
    }
}

#[tonic::async_trait]
impl Recommendations for Queries {
    async fn get_profile(
        &self,
        request: Request<GetProfileRequest>,
    ) -> Result<Response<Profile>, Status> {
        self.profile(request.into_inner()).await.map(Response::new)
    }

    async fn list_readers(
        &self,
        request: Request<ListReadersRequest>,
    ) -> Result<Response<ReaderPage>, Status> {
        let ListReadersRequest { label, limit, after, min_position } = request.into_inner();
        let after = after.map(|after| after.parse().map(UserId).map_err(|_| malformed()));
        let (after, limit) = (after.transpose()?, at_most(limit));
        self.forgotten(min_position).await?;
        let users = self.look(self.readings.readers_of(&label, after, limit)).await?;
        let user_ids = users.iter().map(UserId::to_string).collect();
        Ok(Response::new(ReaderPage { user_ids }))
    }

    async fn get_most_read(
        &self,
        request: Request<GetMostReadRequest>,
    ) -> Result<Response<MostReadAnswer>, Status> {
        self.most_read(request.into_inner()).await.map(Response::new)
    }
}
