//! Compiles the `.proto` tree with protox, so that nobody needs `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=portal");
    let files = protox::compile(["portal/v1/queries.proto"], ["."])?;
    tonic_prost_build::configure()
        .build_transport(false)
        // The messages are the resources of the public API: the documents of the views are read
        // into them, and the orchestrator writes them to readers, without a third type between.
        .type_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]")
        .compile_fds(files)?;
    Ok(())
}
