//! Compiles the `.proto` tree with protox, so that nobody needs `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=portal");
    let files = protox::compile(["portal/v1/queries.proto"], ["."])?;
    tonic_prost_build::configure()
        .build_transport(false)
        // The messages are the resources of the public API: what a query-stack answers is what the
        // orchestrator sends to readers, without a copy into a third type.
        .type_attribute(".", "#[derive(serde::Serialize)]")
        .compile_fds(files)?;
    Ok(())
}
