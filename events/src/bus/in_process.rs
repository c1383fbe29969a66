//! The bus of the embedded wiring: queues in memory.
//!
//! Bounded without blocking: a full queue drops its oldest message, because one slow projector
//! must not hold up the others, and what was dropped is seen as a gap and read from the log.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::{BusError, EventPublisher, EventSubscriber, Message, Queue, Subscription};
use crate::{BoxError, Dependency, Partition};

/// Messages that wait in one queue at most.
const QUEUE_CAPACITY: usize = 2_048;
/// Bytes that wait in one queue at most, unless one message alone has more.
const QUEUE_BYTES: usize = 16 << 20;
/// Messages that one `receive` returns at most.
const BATCH: usize = 512;

/// Queues in this process's memory. Clones share them.
#[derive(Clone, Default)]
pub struct InProcessBus {
    queues: Arc<Mutex<HashMap<Queue, Arc<MemoryQueue>>>>,
}

struct MemoryQueue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    single_consumer: Arc<Semaphore>,
}

/// Messages, and how many bytes they are.
#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Waiting {
    /// Makes room for it by dropping the oldest.
    fn push(&mut self, message: Message) {
        self.bytes += size(&message);
        self.messages.push_back(message);
        while self.messages.len() > QUEUE_CAPACITY
            || self.bytes > QUEUE_BYTES && self.messages.len() > 1
        {
            self.take(1);
        }
    }

    /// The oldest ones, as many as asked for.
    fn take(&mut self, at_most: usize) -> Vec<Message> {
        let count = self.messages.len().min(at_most);
        let taken: Vec<_> = self.messages.drain(..count).collect();
        self.bytes -= taken.iter().map(size).sum::<usize>();
        taken
    }

    /// What was taken and is not done with.
    fn give_back(&mut self, messages: Vec<Message>) {
        self.bytes += messages.iter().map(size).sum::<usize>();
        for message in messages.into_iter().rev() {
            self.messages.push_front(message);
        }
    }
}

fn size(message: &Message) -> usize {
    message.event.data.get().len()
}

impl InProcessBus {
    fn queue(&self, queue: &Queue) -> Arc<MemoryQueue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            Arc::new(MemoryQueue {
                waiting: Mutex::default(),
                arrived: Notify::new(),
                single_consumer: Arc::new(Semaphore::new(1)),
            })
        };
        Arc::clone(queues.entry(queue.clone()).or_insert_with(new))
    }

    fn bound_to(&self, partition: &Partition) -> Vec<Arc<MemoryQueue>> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = queues.iter().filter(|(queue, _)| &queue.partition == partition);
        bound.map(|(_, queue)| Arc::clone(queue)).collect()
    }
}

impl MemoryQueue {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Dependency for InProcessBus {
    async fn ping(&self) -> Result<(), BoxError> {
        Ok(())
    }
}

#[async_trait]
impl EventPublisher for InProcessBus {
    async fn declare(&self, queues: &[Queue]) -> Result<(), BusError> {
        queues.iter().for_each(|queue| drop(self.queue(queue)));
        Ok(())
    }

    async fn replace(&self, queues: &[Queue]) -> Result<(), BusError> {
        queues.iter().for_each(|queue| *self.queue(queue).waiting() = Waiting::default());
        Ok(())
    }

    async fn publish(&self, messages: &[Message]) -> Result<(), BusError> {
        for message in messages {
            let bound = self.bound_to(&message.event.partition);
            if bound.is_empty() {
                return Err(BusError::Unroutable(message.event.routing_key()));
            }
            for queue in bound {
                queue.waiting().push(message.clone());
                queue.arrived.notify_one();
            }
        }
        Ok(())
    }
}

#[async_trait]
impl EventSubscriber for InProcessBus {
    async fn subscribe(&self, queue: &Queue) -> Result<Box<dyn Subscription>, BusError> {
        let queue = self.queue(queue);
        Ok(Box::new(MemorySubscription { queue, turn: None, received: Vec::new() }))
    }
}

struct MemorySubscription {
    queue: Arc<MemoryQueue>,
    turn: Option<OwnedSemaphorePermit>,
    received: Vec<Message>,
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn receive(&mut self) -> Result<Vec<Message>, BusError> {
        if self.turn.is_none() {
            let turn = Arc::clone(&self.queue.single_consumer).acquire_owned().await;
            self.turn = Some(turn.map_err(|closed| BusError::Unavailable(closed.into()))?);
        }
        loop {
            let arrived = self.queue.arrived.notified();
            let batch = self.queue.waiting().take(BATCH);
            if !batch.is_empty() {
                self.received.extend_from_slice(&batch);
                return Ok(batch);
            }
            arrived.await;
        }
    }

    async fn acknowledge(&mut self) -> Result<(), BusError> {
        self.received.clear();
        Ok(())
    }
}

impl Drop for MemorySubscription {
    fn drop(&mut self) {
        self.queue.waiting().give_back(std::mem::take(&mut self.received));
        self.queue.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::super::contract::message;
    use super::*;

    fn of_size(bytes: usize, position: i64) -> Message {
        let mut message = message("news.sports", position);
        let text = format!("\"{}\"", "a".repeat(bytes - 2));
        message.event.data = RawValue::from_string(text).expect("JSON");
        message
    }

    #[test]
    fn a_queue_nobody_receives_from_keeps_the_newest_that_fit_and_counts_them_right() {
        let mut waiting = Waiting::default();
        for position in 1..=40 {
            waiting.push(of_size(1 << 20, position));
        }
        assert_eq!((waiting.messages.len(), waiting.bytes), (16, QUEUE_BYTES));
        assert_eq!(waiting.messages[0].event.position.get(), 25);
        let taken = waiting.take(10);
        waiting.give_back(taken);
        assert_eq!((waiting.messages.len(), waiting.bytes), (16, QUEUE_BYTES));
        waiting.push(of_size(2 * QUEUE_BYTES, 41));
        assert_eq!(waiting.messages.len(), 1, "one alone may be larger");
        waiting.take(1);
        assert_eq!((waiting.messages.len(), waiting.bytes), (0, 0));
    }
}
