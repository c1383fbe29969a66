//! The limit beside which `scripts/bench home` is measured: axum with one route, which answers what
//! is in a file, the argument, and does nothing else.

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::{Router, serve};
use tokio::net::TcpListener;

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let file = std::env::args().nth(1).ok_or("bare_axum FILE")?;
    let page = Bytes::from(std::fs::read(file)?);
    let answer = async move || ([(CONTENT_TYPE, "application/json")], page.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(serve(listener, Router::new().route("/v1/home", get(answer))).await?)
}
