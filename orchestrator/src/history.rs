//! `GET /v1/news/{category}/{id}/history`: the history of an article.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use proto::Problem;
use proto::conventions::Address;
use proto::v1::history_answer::Answer;
use proto::v1::{GetHistoryRequest, HistoryAnswer};

use crate::Door;
use crate::articles::{for_who_asks, gone, moved};
use crate::parameters;
use crate::queries::{ANSWER_DEADLINE, QueryError, Terms, get_history};

pub(crate) async fn get(
    State(portal): State<Door>,
    Address((category, id)): Address<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    parameters::none(&uri)?;
    let terms = Terms::of(&headers, ANSWER_DEADLINE)?;
    let (category, upstream) = portal.queries.category(&category)?;
    let answer = async {
        let viewer = portal.identity.viewer(&headers).await?;
        let request = GetHistoryRequest { category: category.to_string(), id, viewer };
        show(get_history(upstream, request, terms).await?, &uri)
    };
    Ok(for_who_asks(&headers, answer.await))
}

fn show(answer: HistoryAnswer, uri: &Uri) -> Result<Response, Problem> {
    match answer.answer {
        Some(Answer::History(history)) => Ok(Json(history.entries).into_response()),
        Some(Answer::Retracted(retracted)) => Err(gone(&retracted)),
        Some(Answer::Moved(to)) => moved(uri, &to),
        None => Err(QueryError::Unavailable.into()),
    }
}
