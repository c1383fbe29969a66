//! The contracts between the services and with their clients: the internal queries over gRPC, the
//! conventions that every HTTP answer of ours follows, the figures that every service tells, and the
//! tokens that say who asks.

pub mod conventions;
pub mod metrics;
mod problem;
pub mod token;

pub use problem::{FieldError, Problem, Refusal};

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
