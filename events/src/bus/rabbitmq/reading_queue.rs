//! Readings on their way: an exchange of their own, and one queue. Only who receives declares them,
//! so that the public door needs no right at the broker but to write there.

use async_trait::async_trait;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use serde::Deserialize;

use super::topology::{READINGS, declare_readings};
use super::{ANSWER_TIMEOUT, OpenChannel, PERSISTENT, RabbitMq, answered, consume};
use crate::bus::{BusError, ReadingSender, ReadingSubscriber, Subscription};
use crate::readings::Reading;

const REFUSED: &str = "the broker refused readings";

/// A message says several; one from before they were sent together says one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Several(Vec<Reading>),
    One(Reading),
}

fn read(delivery: &Delivery) -> Result<Vec<Reading>, serde_json::Error> {
    said(&delivery.data)
}

fn said(body: &[u8]) -> Result<Vec<Reading>, serde_json::Error> {
    Ok(match serde_json::from_slice(body)? {
        Said::Several(readings) => readings,
        Said::One(reading) => vec![reading],
    })
}

impl RabbitMq {
    async fn send_and_confirm(
        &self,
        sender: &mut Option<OpenChannel>,
        readings: &[Reading],
    ) -> Result<(), BusError> {
        // Taken out, so that after an error the next call starts with a fresh channel.
        let channel = match sender.take().filter(|channel| channel.0.status().connected()) {
            Some(open) => open,
            None => {
                let channel = self.channel().await?;
                channel.0.confirm_select(ConfirmSelectOptions::default()).await?;
                channel
            }
        };
        // In one message: the broker is as busy with a small one as with all of them.
        let body = serde_json::to_vec(readings);
        let body = body.map_err(|error| BusError::Unavailable(error.into()))?;
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into());
        let (exchange, options) = (READINGS.into(), BasicPublishOptions::default());
        let sent = channel.0.basic_publish(exchange, "".into(), options, &body, properties).await?;
        if !sent.await?.is_ack() {
            return Err(BusError::Unavailable(REFUSED.into()));
        }
        *sender = Some(channel);
        Ok(())
    }
}

#[async_trait]
impl ReadingSender for RabbitMq {
    async fn send(&self, readings: &[Reading]) -> Result<(), BusError> {
        let mut sender = self.reading_sender.lock().await;
        answered(ANSWER_TIMEOUT, self.send_and_confirm(&mut sender, readings)).await
    }
}

#[async_trait]
impl ReadingSubscriber for RabbitMq {
    async fn subscribe_to_readings(&self) -> Result<Box<dyn Subscription<Reading>>, BusError> {
        let beginning = async {
            let channel = self.channel().await?;
            declare_readings(&channel.0).await?;
            consume(channel, READINGS, read).await
        };
        Ok(Box::new(answered(ANSWER_TIMEOUT, beginning).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_from_before_readings_were_sent_together_is_understood() {
        let one = r#"{"user_id": "019ab000-0000-7000-8000-000000000001",
            "article_id": "019ab000-0000-7000-8000-000000000002", "category": "sports",
            "labels": ["sports"], "at": "2026-11-27T20:00:00.000Z"}"#;
        let alone = said(one.as_bytes()).expect("a reading");
        assert_eq!(alone.len(), 1);
        let together = said(format!("[{one}, {one}]").as_bytes()).expect("readings");
        assert_eq!(together, [alone.clone(), alone].concat());
        assert!(said(b"{}").is_err());
    }
}
