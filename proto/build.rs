//! Compiles the `.proto` tree with protox, so that nobody needs `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=portal");
    let files = protox::compile(["portal/v1/queries.proto"], ["."])?;
    let mut config = tonic_prost_build::configure()
        .build_transport(false)
        // The messages are the resources of the public API: the documents of the views are read
        // into them, and the orchestrator writes them to readers, without a third type between.
        .type_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]")
        .type_attribute("portal.v1.FieldValue", "#[serde(transparent)]")
        .type_attribute("portal.v1.FieldValue.kind", "#[serde(untagged)]")
        .type_attribute("portal.v1.Texts", "#[serde(transparent)]");
    // What an article always could have is null when it has none; these are not there.
    for rare in ["publish_at", "embargo_until", "HistoryEntry.note", "Change.diff"] {
        config =
            config.field_attribute(rare, "#[serde(skip_serializing_if = \"Option::is_none\")]");
    }
    config.compile_fds(files)?;
    Ok(())
}
