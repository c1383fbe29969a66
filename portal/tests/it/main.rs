//! The portal as its users and operators meet it: one module per topic, all in one program, so that
//! the portal is linked once.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "chaos is another program, which uses the rest")]
#[macro_use]
#[path = "../support/mod.rs"]
mod support;

mod crash;
mod documents;
mod feeds;
mod front;
mod home;
mod hostile;
mod imports;
mod journey;
mod limits;
mod live;
mod load;
mod metrics;
mod monitoring;
mod newsroom;
mod openapi;
mod operations;
mod outages;
mod poison;
mod public_log;
mod readme;
mod recommendations;
mod roles;
mod search;
mod several;
mod telemetry;
mod tidy;
mod tls;
mod tools;
mod users;
mod visibility;
mod webhooks;
