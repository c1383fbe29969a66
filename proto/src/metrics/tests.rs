use axum::body::to_bytes;

use super::*;

#[tokio::test]
async fn figures_are_told_by_their_names_once_they_are_known() {
    let told = async || {
        let body = to_bytes(exposition().await.into_body(), usize::MAX).await.expect("a body");
        String::from_utf8(body.to_vec()).expect("a text")
    };
    assert!(!told().await.contains("portal_leading{"));
    leads("relay", false);
    view_position("articles_sports", Some(Position::new(7)));
    view_lag("articles_sports", None);
    view_parked("articles_sports", "waiting", 2);
    append_overloaded();
    let text = told().await;
    for line in [
        "portal_leading{task=\"relay\"} 0.0",
        "portal_view_position{view=\"articles_sports\"} 7.0",
        "portal_view_lag_seconds{view=\"articles_sports\"} NaN",
        "portal_view_parked_streams{view=\"articles_sports\",state=\"waiting\"} 2.0",
        "portal_appends_overloaded_total{} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in {text}");
    }
}
