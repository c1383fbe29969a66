//! The contracts between the services and with their clients: the internal queries over gRPC, and
//! the conventions that every HTTP answer of ours follows.

pub mod conventions;
mod problem;

pub use problem::{FieldError, Problem};

/// `portal.v1`, generated from `proto/portal/v1`.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::large_enum_variant,
    clippy::too_many_lines,
    reason = "generated; the comments are in the .proto files"
)]
pub mod v1 {
    tonic::include_proto!("portal.v1");
}
