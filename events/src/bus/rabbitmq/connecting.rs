//! A connection to the broker; by TLS when the address begins with `amqps:`.

use lapin::tcp::OwnedTLSConfig;
use lapin::{Connection, ConnectionProperties};

use crate::{BoxError, ServerUrl};

pub(super) async fn connect(url: &ServerUrl) -> Result<Connection, BoxError> {
    let name = ConnectionProperties::default().with_connection_name("portal".into());
    let (url, tls) = (url.with_password(), tls(url)?);
    let runtime = lapin::runtime::default_runtime()?;
    Ok(Connection::connect_with_config(url, name, tls, runtime).await?)
}

/// Whose certificates are trusted.
pub(super) fn tls(url: &ServerUrl) -> Result<OwnedTLSConfig, BoxError> {
    Ok(OwnedTLSConfig { identity: None, cert_chain: authorities(url.with_password())? })
}

/// The file that the URL names, as RabbitMQ's own clients do it.
fn authorities(url: &str) -> Result<Option<String>, BoxError> {
    let options = url.split_once('?').map_or("", |(_, options)| options).split('&');
    let mut files = options.filter_map(|option| option.strip_prefix("cacertfile="));
    let Some(file) = files.next() else { return Ok(None) };
    let read = std::fs::read_to_string(file);
    read.map(Some).map_err(|error| format!("cacertfile={file}: {error}").into())
}
