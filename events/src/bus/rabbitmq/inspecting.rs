//! What the broker reports about itself: for `portal doctor`.

use futures::{AsyncReadExt, AsyncWriteExt};
use lapin::tcp::AMQPUriTcpExt;
use lapin::types::AMQPValue;
use lapin::types::parsing::parse_field_table;
use lapin::uri::AMQPUri;
use tokio::time::timeout;

use super::{CONNECT_TIMEOUT, RabbitMq, connecting};
use crate::inspection::Inspection;
use crate::{BoxError, Dependency, ServerUrl};

/// How a client of AMQP 0-9-1 begins.
const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// Type, channel and length of a frame.
const FRAME_HEADER: usize = 7;
/// Class, method and protocol version: what is before the server's properties in `connection.start`.
const START_HEADER: usize = 6;
/// `connection.start` of RabbitMQ has some 500 bytes.
const LARGEST_START: usize = 64 << 10;

impl RabbitMq {
    /// Connects with the user and the vhost of the address, and asks for the version.
    ///
    /// # Errors
    /// When the broker does not answer or refuses the user or the vhost.
    pub async fn inspect(&self) -> Result<Inspection, BoxError> {
        self.ping().await?;
        let version = timeout(CONNECT_TIMEOUT, version(&self.url)).await??;
        Ok(Inspection::new("RabbitMQ", version, "3.10"))
    }
}

/// From the broker's first frame, on a connection of its own, because lapin does not pass it on. The
/// broker logs a connection that ended early.
async fn version(url: &ServerUrl) -> Result<String, BoxError> {
    let tls = connecting::tls(url)?;
    let uri = url.with_password().parse::<AMQPUri>().map_err(|_| "not an AMQP address")?;
    let runtime = lapin::runtime::default_runtime()?;
    let mut stream = uri.connect_with_config_async(tls.as_ref(), &runtime).await?;
    stream.write_all(PROTOCOL_HEADER).await?;
    stream.flush().await?;
    let mut header = [0; FRAME_HEADER];
    stream.read_exact(&mut header).await?;
    let [_, _, _, length @ ..] = header;
    let length = usize::try_from(u32::from_be_bytes(length))?;
    if length > LARGEST_START {
        return Err("the server does not speak AMQP 0-9-1".into());
    }
    let mut start = vec![0; length];
    stream.read_exact(&mut start).await?;
    reported_version(&start).ok_or_else(|| "the broker does not report its version".into())
}

/// The property `version` of a frame `connection.start`.
fn reported_version(start: &[u8]) -> Option<String> {
    let (_, properties) = parse_field_table(start.get(START_HEADER..)?).ok()?;
    match properties.inner().get("version")? {
        AMQPValue::LongString(version) => Some(version.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_one_of_the_properties_of_the_first_frame() {
        let properties = b"\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x063.10.8";
        let length = u32::try_from(properties.len()).expect("short").to_be_bytes();
        let start = [&[0, 10, 0, 10, 0, 9][..], &length, properties, b"\0\0\0\x05PLAIN"].concat();
        assert_eq!(reported_version(&start).as_deref(), Some("3.10.8"));
        for end in 0..length.len() + properties.len() {
            assert_eq!(reported_version(&start[..end]), None, "{end} bytes");
        }
    }
}
