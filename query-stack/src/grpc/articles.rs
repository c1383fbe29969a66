//! Current articles: from the public view for the public, from the newsroom view for the newsroom.

use events::Timestamp;
use events::news::{Article, Viewer};
use events::personal::PersonalText;
use proto::v1::article_answer::Answer;
use proto::v1::{ArticlePage, ArticleSummary, GetArticleRequest, ListArticlesRequest, ListPlace};
use serde::Deserialize;
use serde_json::Value;
use tonic::Status;
use uuid::Uuid;

use super::article_history::point;
use super::{Queries, at_most, id, malformed, nothing, place, read, viewer};
use crate::view_store::{Document, ListFilter, Relevance, SearchPlace, View, search};

impl Queries {
    pub(super) async fn articles(
        &self,
        request: ListArticlesRequest,
    ) -> Result<ArticlePage, Status> {
        let category = self.category(&request.category)?.clone();
        let mut filter = filter(&request)?;
        let view = match (&filter.status, viewer(request.viewer.clone())?) {
            (None, _) if request.q.is_some() => View::search(category),
            (None, _) => View::articles(category),
            // Only public articles can be searched.
            (Some(_), _) if request.q.is_some() => return Err(malformed()),
            (Some(_), None) => return Err(Status::permission_denied("for the newsroom only")),
            (Some(_), Some(viewer)) => {
                if !narrow(&mut filter, viewer) {
                    return Ok(ArticlePage::default());
                }
                View::desk(category)
            }
        };
        let live = self.live(&view, request.min_position).await?;
        let found = self.found(&view, live.generation, filter, &request).await?;
        let (relevances, mut bodies): (Vec<_>, Vec<_>) =
            found.into_iter().map(|(relevance, document)| (relevance, document.body)).unzip();
        self.open_bylines(&mut bodies).await;
        let summary = |(body, relevance): (_, Option<Relevance>)| {
            let summary: ArticleSummary = read(body)?;
            Ok(ArticleSummary { relevance: relevance.map(Relevance::get), ..summary })
        };
        let items =
            bodies.into_iter().zip(relevances).map(summary).collect::<Result<_, Status>>()?;
        Ok(ArticlePage { items, position: live.position.get() })
    }

    /// The documents of a page; with their relevance if it is a search.
    async fn found(
        &self,
        view: &View,
        generation: i64,
        filter: ListFilter,
        request: &ListArticlesRequest,
    ) -> Result<Vec<(Option<Relevance>, Document)>, Status> {
        let (store, limit) = (&*self.store, at_most(request.limit));
        let Some(question) = &request.q else {
            let listed = self.look(store.list(view, generation, &filter, limit)).await?;
            return Ok(listed.into_iter().map(|document| (None, document)).collect());
        };
        let (words, after) = (proto::words(question), search_place(request, &filter)?);
        let found = search(store, view, generation, &words, &filter, after, limit);
        let found = self.look(found).await?;
        Ok(found.into_iter().map(|(relevance, document)| (Some(relevance), document)).collect())
    }

    pub(super) async fn article(&self, request: GetArticleRequest) -> Result<Answer, Status> {
        let (category, id) = (self.category(&request.category)?, id(&request.id)?);
        let point = point(request.version, request.as_of.as_deref())?;
        let viewer = viewer(request.viewer)?;
        if let Some(point) = point {
            return self.past_article(category, id, point, viewer).await;
        }
        let public = View::articles(category.clone());
        if let Some(body) = self.body(&public, id, request.min_position).await? {
            return self.answer(body).await;
        }
        let viewer = viewer.ok_or_else(nothing)?;
        let desk = View::desk(category.clone());
        self.answer(self.seen_by(viewer, &desk, id, request.min_position).await?).await
    }

    async fn seen_by(
        &self,
        viewer: Viewer,
        desk: &View,
        id: Uuid,
        min: i64,
    ) -> Result<Value, Status> {
        let body = self.body(desk, id, min).await?.ok_or_else(nothing)?;
        let article: Article = read(body.clone())?;
        let seen = article.is_seen_by(viewer, Timestamp::from(chrono::Utc::now()));
        if seen { Ok(body) } else { Err(nothing()) }
    }

    /// The newsroom gets the same answer as the public for a retracted article.
    async fn answer(&self, mut body: Value) -> Result<Answer, Status> {
        for (field, answer) in [
            ("moved_to", (|value| read(value).map(Answer::Moved)) as fn(_) -> _),
            ("retraction", |value| read(value).map(Answer::Retracted)),
        ] {
            if let Some(value) = body.get_mut(field) {
                return answer(value.take());
            }
        }
        self.open_bylines(std::slice::from_mut(&mut body)).await;
        Ok(Answer::Article(read(body)?))
    }

    /// Replaces encrypted bylines with their printed form.
    pub(super) async fn open_bylines(&self, bodies: &mut [Value]) {
        let sealed = bodies.iter().map(|body| PersonalText::deserialize(&body["byline"]).ok());
        let sealed: Vec<_> = sealed.collect();
        let keys = self.keyring.keys_for(sealed.iter().flatten()).await;
        for (body, byline) in bodies.iter_mut().zip(sealed) {
            body["byline"] = byline.and_then(|byline| keys.open(&byline).printed()).into();
        }
    }
}

/// Limits authors to their own articles; false if they ask for another author's.
fn narrow(filter: &mut ListFilter, viewer: Viewer) -> bool {
    if viewer.editor {
        return true;
    }
    let own = viewer.user_id.0;
    filter.author_id.replace(own).is_none_or(|asked| asked == own)
}

fn filter(request: &ListArticlesRequest) -> Result<ListFilter, Status> {
    let author = |id: &String| Uuid::parse_str(id).map_err(|_| malformed());
    let time = |text: &String| text.parse().map_err(|_| malformed());
    Ok(ListFilter {
        tag: request.tag.clone(),
        author_id: request.author_id.as_ref().map(author).transpose()?,
        status: request.status.clone(),
        byline: request.byline.clone(),
        from: request.from.as_ref().map(time).transpose()?,
        to: request.to.as_ref().map(time).transpose()?,
        search: None,
        after: place(request.after.as_ref())?,
    })
}

fn search_place(
    request: &ListArticlesRequest,
    filter: &ListFilter,
) -> Result<Option<SearchPlace>, Status> {
    let relevance = |after: &ListPlace| after.relevance.and_then(Relevance::of);
    let relevance = request.after.as_ref().map(|after| relevance(after).ok_or_else(malformed));
    Ok(relevance.transpose()?.zip(filter.after))
}

#[cfg(test)]
mod tests {
    use events::UserId;

    use super::*;

    #[test]
    fn an_author_gets_the_own_articles_and_an_editor_anybodys() {
        let (own, another) = (Uuid::from_u128(1), Some(Uuid::from_u128(2)));
        let author = Viewer { user_id: UserId(own), editor: false };
        let mut all = ListFilter::default();
        assert!(narrow(&mut all, author));
        assert_eq!(all.author_id, Some(own));
        let mut of_another = ListFilter { author_id: another, ..ListFilter::default() };
        assert!(narrow(&mut of_another.clone(), Viewer { editor: true, ..author }));
        assert!(!narrow(&mut of_another, author));
    }
}
