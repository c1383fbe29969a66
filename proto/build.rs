//! Compiles the `.proto` tree with protox, so that nobody needs `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=portal");
    let files =
        protox::compile(["portal/v1/queries.proto", "portal/v1/recommendations.proto"], ["."])?;
    let mut config = tonic_prost_build::configure()
        .build_transport(false)
        // The messages are the resources of the public API: the documents of the views are read
        // into them, and the orchestrator writes them to readers, without a third type between.
        .type_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]")
        .type_attribute(".", "#[derive(schemars::JsonSchema)]")
        .type_attribute("portal.v1.FieldValue", "#[serde(transparent)]")
        .type_attribute("portal.v1.FieldValue.kind", "#[serde(untagged)]")
        .type_attribute("portal.v1.Texts", "#[serde(transparent)]");
    // What an article always could have is null when it has none; these are not there.
    for rare in [
        "publish_at",
        "embargo_until",
        "HistoryEntry.note",
        "Change.diff",
        "PublicEvent.category",
        "PublicEvent.from",
        "PublicEvent.article_id",
        "PublicEvent.version",
    ] {
        config =
            config.field_attribute(rare, "#[serde(skip_serializing_if = \"Option::is_none\")]");
    }
    config = config.field_attribute("ArticleSummary.relevance", "#[serde(skip)]");
    // Texts here, and of a form that readers can rely on.
    for time in ["created_at", "published_at", "updated_at", "publish_at", "embargo_until", "at"] {
        config = config.field_attribute(time, "#[schemars(extend(\"format\" = \"date-time\"))]");
    }
    for id in ["id", "author_id", "article_id", "user_id"] {
        config = config.field_attribute(id, "#[schemars(extend(\"format\" = \"uuid\"))]");
    }
    config.compile_fds(files)?;
    Ok(())
}
