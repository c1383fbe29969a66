//! The bus of the embedded wiring: queues in memory.
//!
//! Bounded without blocking: a full queue drops its oldest message, because one slow projector
//! must not hold up the others, and what was dropped is seen as a gap and read from the log.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::{
    BusError, EventPublisher, EventSubscriber, Message, Queue, ReadingSender, ReadingSubscriber,
    Subscription,
};
use crate::readings::Reading;
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
    queues: Arc<Mutex<HashMap<Queue, Arc<MemoryQueue<Message>>>>>,
    readings: Arc<MemoryQueue<Reading>>,
}

struct MemoryQueue<T> {
    waiting: Mutex<Waiting<T>>,
    arrived: Notify,
    single_consumer: Arc<Semaphore>,
}

/// What can wait in memory.
trait Weighed: Clone + Send + 'static {
    /// Its bytes, as far as they differ from one to the next.
    fn size(&self) -> usize;
}

impl Weighed for Message {
    fn size(&self) -> usize {
        self.event.data.get().len()
    }
}

impl Weighed for Reading {
    fn size(&self) -> usize {
        self.labels.iter().map(String::len).sum()
    }
}

/// Messages, and how many bytes they are.
struct Waiting<T> {
    messages: VecDeque<T>,
    bytes: usize,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { messages: VecDeque::new(), bytes: 0 }
    }
}

impl<T: Weighed> Waiting<T> {
    /// Makes room for it by dropping the oldest.
    fn push(&mut self, message: T) {
        self.bytes += message.size();
        self.messages.push_back(message);
        while self.messages.len() > QUEUE_CAPACITY
            || self.bytes > QUEUE_BYTES && self.messages.len() > 1
        {
            self.take(1);
        }
    }

    /// The oldest ones, as many as asked for.
    fn take(&mut self, at_most: usize) -> Vec<T> {
        let count = self.messages.len().min(at_most);
        let taken: Vec<_> = self.messages.drain(..count).collect();
        self.bytes -= taken.iter().map(T::size).sum::<usize>();
        taken
    }

    /// What was taken and is not done with.
    fn give_back(&mut self, messages: Vec<T>) {
        self.bytes += messages.iter().map(T::size).sum::<usize>();
        for message in messages.into_iter().rev() {
            self.messages.push_front(message);
        }
    }
}

impl InProcessBus {
    fn queue(&self, queue: &Queue) -> Arc<MemoryQueue<Message>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(queues.entry(queue.clone()).or_default())
    }

    fn bound_to(&self, partition: &Partition) -> Vec<Arc<MemoryQueue<Message>>> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = queues.iter().filter(|(queue, _)| &queue.partition == partition);
        bound.map(|(_, queue)| Arc::clone(queue)).collect()
    }
}

impl<T> Default for MemoryQueue<T> {
    fn default() -> Self {
        let single_consumer = Arc::new(Semaphore::new(1));
        Self { waiting: Mutex::default(), arrived: Notify::new(), single_consumer }
    }
}

impl<T: Weighed> MemoryQueue<T> {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, message: T) {
        self.waiting().push(message);
        self.arrived.notify_one();
    }

    fn subscribe(self: Arc<Self>) -> MemorySubscription<T> {
        MemorySubscription { queue: self, turn: None, received: Vec::new() }
    }
}

#[async_trait]
impl Dependency for InProcessBus {
    fn system(&self) -> &'static str {
        "in_process"
    }

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
            bound.iter().for_each(|queue| queue.push(message.clone()));
        }
        Ok(())
    }
}

#[async_trait]
impl EventSubscriber for InProcessBus {
    async fn subscribe(&self, queue: &Queue) -> Result<Box<dyn Subscription>, BusError> {
        Ok(Box::new(self.queue(queue).subscribe()))
    }
}

#[async_trait]
impl ReadingSender for InProcessBus {
    async fn send(&self, readings: &[Reading]) -> Result<(), BusError> {
        readings.iter().for_each(|reading| self.readings.push(reading.clone()));
        Ok(())
    }
}

#[async_trait]
impl ReadingSubscriber for InProcessBus {
    async fn subscribe_to_readings(&self) -> Result<Box<dyn Subscription<Reading>>, BusError> {
        Ok(Box::new(Arc::clone(&self.readings).subscribe()))
    }
}

struct MemorySubscription<T: Weighed> {
    queue: Arc<MemoryQueue<T>>,
    turn: Option<OwnedSemaphorePermit>,
    received: Vec<T>,
}

#[async_trait]
impl<T: Weighed> Subscription<T> for MemorySubscription<T> {
    async fn receive(&mut self) -> Result<Vec<T>, BusError> {
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

impl<T: Weighed> Drop for MemorySubscription<T> {
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
