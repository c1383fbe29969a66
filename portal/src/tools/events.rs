//! `portal events`: reads the log.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Result;
use events::{Position, RecordedEvent, StreamId};
use tokio::time::timeout;

use crate::settings::{Addresses, Events};
use crate::wiring;

const PAGE: usize = 500;
const POLL: Duration = Duration::from_millis(500);

pub(crate) async fn run(addresses: &Addresses, arguments: Events) -> Result<()> {
    let log = wiring::existing_event_log(addresses).await?;
    let stream = arguments.stream.clone().map(StreamId::from);
    let mut after = arguments.after;
    let mut appended = log.appended();
    loop {
        appended.mark_unchanged();
        let page = match &stream {
            // A stream is short: all of it at once, less what was shown.
            Some(stream) => after_position(log.read_stream(stream).await?, after),
            None => log.read_after(after, None, PAGE).await?,
        };
        let Some(last) = page.last() else {
            if !arguments.follow {
                return Ok(());
            }
            // Whether woken or not: look again.
            let _ = timeout(POLL, appended.changed()).await;
            continue;
        };
        after = last.position;
        match print(&page, arguments.json) {
            // `portal events | head` ends here.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            printed => printed?,
        }
    }
}

fn after_position(mut events: Vec<RecordedEvent>, after: Position) -> Vec<RecordedEvent> {
    events.retain(|event| event.position > after);
    events
}

fn print(events: &[RecordedEvent], json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for event in events {
        if json {
            serde_json::to_writer(&mut out, event)?;
            writeln!(out)?;
        } else {
            let RecordedEvent { position, recorded_at, event_type, stream_id, version, .. } = event;
            let (actor, data) = (&event.metadata.actor, event.data.get());
            writeln!(
                out,
                "{position:>8}  {recorded_at}  {event_type:<24} {stream_id} v{version}  {actor}  {data}"
            )?;
        }
    }
    out.flush()
}
