//! The contracts between the services and with their clients: the internal queries over gRPC, the
//! conventions that every HTTP answer of ours follows, what a call is to their OpenAPI document, what
//! the public may know of an event, the figures that every service tells, the tokens that say who asks,
//! and what a word is to who searches.

mod cloud_event;
pub mod conventions;
pub mod fields;
pub mod metrics;
pub mod openapi;
mod problem;
mod public;
pub mod token;
pub mod trace;
mod words;

pub use cloud_event::CloudEvent;
pub use problem::{FieldError, Problem, Refusal};
pub use public::{PUBLIC_TYPES, public};
pub use words::words;

/// `portal.v1`, generated from `proto/portal/v1`.
#[expect(
    clippy::allow_attributes,
    clippy::large_enum_variant,
    clippy::too_many_lines,
    reason = "generated; the comments are in the .proto files"
)]
pub mod v1 {
    tonic::include_proto!("portal.v1");
}
