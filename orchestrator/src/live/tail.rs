//! The newest public events, cached for all listeners.

use std::collections::VecDeque;
use std::iter;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use events::Position;
use proto::Problem;
use proto::v1::{Happened, PublicEvent};
use tokio::sync::watch;
use tokio::time::timeout;

/// Events in memory, about 5 MB; older ones come from the log.
const KEPT: usize = 16_384;
/// Most bytes per read, unless one event alone has more.
const CHUNK: usize = 64 << 10;
/// How long a client may wait for the first events, or until its position is reached.
const FIRST: Duration = Duration::from_secs(2);

pub(crate) struct Tail {
    recent: Mutex<Recent>,
    /// All events up to here were received; `None` before the first message.
    head: watch::Sender<Option<Position>>,
}

#[derive(Default)]
struct Recent {
    events: VecDeque<Told>,
    /// All later events are in `events`.
    since: Position,
    /// The position up to which all events were received.
    heard: Option<Position>,
}

struct Told {
    position: Position,
    category: Option<String>,
    from: Option<String>,
    frame: Bytes,
}

/// What comes after a listener's position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// These frames, and the position after them.
    Frames(Bytes, Position),
    /// No events for this listener up to here.
    Nothing(Position),
    /// Some events are only in the log.
    Older,
}

impl Tail {
    pub(crate) fn new() -> Self {
        Self { recent: Mutex::default(), head: watch::Sender::new(None) }
    }

    pub(crate) fn head(&self) -> watch::Receiver<Option<Position>> {
        self.head.subscribe()
    }

    /// The position from which new followers must start.
    pub(crate) fn heard(&self) -> Option<Position> {
        *self.head.borrow()
    }

    /// Waits briefly until all events up to a position were received; returns the position reached.
    ///
    /// # Errors
    /// 503 when no query-stack sends events; `too_far` when `after` is beyond the end of the log.
    pub(crate) async fn reached(
        &self,
        after: Option<Position>,
        too_far: impl FnOnce(&'static str) -> Problem,
    ) -> Result<(watch::Receiver<Option<Position>>, Position), Problem> {
        let mut head = self.head();
        let reaches = |heard: &Option<Position>| heard.is_some_and(|heard| Some(heard) >= after);
        let heard = timeout(FIRST, head.wait_for(reaches)).await;
        let heard = heard.ok().and_then(Result::ok).and_then(|heard| *heard);
        let heard = heard.ok_or_else(|| match self.heard() {
            None => Problem::unavailable("there is no live news right now"),
            Some(_) => too_far("the log has not reached this position: it must be an earlier one"),
        })?;
        Ok((head, heard))
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the start position; false if there already is one, from which the caller must follow.
    ///
    /// Calls `note` before the position becomes visible.
    pub(crate) fn begin(&self, position: Position, note: impl FnOnce()) -> bool {
        let mut recent = self.recent();
        if recent.heard.is_some() {
            return false;
        }
        (recent.since, recent.heard) = (position, Some(position));
        note();
        // Under the lock, this once: the listeners that it wakes look up the start position.
        self.tell(position);
        true
    }

    /// Adds a query-stack's message; all send the same events, so the first delivery counts.
    ///
    /// Calls `note` with the new events before they become visible.
    pub(crate) fn hear(&self, happened: &Happened, note: impl FnOnce(&[PublicEvent])) {
        let position = Position::new(happened.position);
        let mut recent = self.recent();
        let Some(heard) = recent.heard.filter(|heard| *heard < position) else { return };
        let known = happened.events.partition_point(|event| event.position <= heard.get());
        let new = happened.events.get(known..).unwrap_or_default();
        note(new);
        new.iter().for_each(|event| recent.push(event));
        recent.heard = Some(position);
        drop(recent);
        self.tell(position);
    }

    /// Not under the lock, which every woken listener needs.
    fn tell(&self, position: Position) {
        self.head.send_if_modified(|head| {
            let is_new = *head < Some(position);
            *head = (*head).max(Some(position));
            is_new
        });
    }

    /// The next frames of a category, or of all.
    pub(crate) fn after(&self, heard: Position, category: Option<&str>) -> Next {
        let recent = self.recent();
        if heard < recent.since {
            return Next::Older;
        }
        let end = recent.heard.unwrap_or(recent.since).max(heard);
        let first = recent.events.partition_point(|event| event.position <= heard);
        let mut events = recent.events.range(first..).filter(|event| event.is_of(category));
        let Some(first) = events.next() else { return Next::Nothing(end) };
        let Some(second) = events.next() else {
            // The usual case: nothing is copied.
            return Next::Frames(first.frame.clone(), first.position);
        };
        let (mut frames, mut last) = (first.frame.to_vec(), first.position);
        for event in iter::once(second).chain(events) {
            if frames.len() + event.frame.len() > CHUNK {
                break;
            }
            frames.extend_from_slice(&event.frame);
            last = event.position;
        }
        Next::Frames(frames.into(), last)
    }
}

impl Recent {
    fn push(&mut self, event: &PublicEvent) {
        if self.events.len() == KEPT
            && let Some(oldest) = self.events.pop_front()
        {
            self.since = oldest.position;
        }
        self.events.push_back(Told {
            position: Position::new(event.position),
            category: event.category.clone(),
            from: event.from.clone(),
            frame: frame(event),
        });
    }
}

impl Told {
    fn is_of(&self, category: Option<&str>) -> bool {
        is_of(self.category.as_deref(), self.from.as_deref(), category)
    }
}

/// Whether an event is for a subscriber; an event without a category is for all.
pub(crate) fn is_of(category: Option<&str>, from: Option<&str>, wanted: Option<&str>) -> bool {
    wanted.is_none() || category.is_none() || category == wanted || from == wanted
}

/// The event as a server-sent event (WHATWG HTML, 9.2).
pub(crate) fn frame(event: &PublicEvent) -> Bytes {
    let data = serde_json::to_string(event).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", event.position, event.event).into()
}

#[cfg(test)]
mod tests;
