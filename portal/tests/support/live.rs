//! A client of the live updates, as a browser's `EventSource` is one.

use reqwest::{Method, Response};

use super::http::Door;

/// Somebody who listens, and remembers where he is.
pub struct Listener {
    door: Door,
    path: String,
    /// The last id that came.
    pub last: i64,
    /// What came: positions and what happened.
    pub heard: Vec<(i64, String)>,
}

impl Listener {
    /// Somebody who has everything up to a position.
    pub fn after(door: Door, path: &str, last: i64) -> Self {
        Self { door, path: path.to_owned(), last, heard: Vec::new() }
    }

    pub async fn connect(&self) -> Result<Response, reqwest::Error> {
        let request = self.door.request(Method::GET, &self.path);
        request.header("last-event-id", self.last).send().await?.error_for_status()
    }

    /// Listens until so many events came, or `enough`, or the connection ends. What has not come
    /// whole by then is lost.
    pub async fn listen(
        &mut self,
        at_most: usize,
        enough: impl Fn(i64) -> bool,
    ) -> Result<(), reqwest::Error> {
        let mut response = self.connect().await?;
        let (mut text, mut count) = (String::new(), 0);
        while let Some(chunk) = response.chunk().await? {
            text += std::str::from_utf8(&chunk).expect("frames are not cut within a letter");
            while let Some(end) = text.find("\n\n") {
                let frame: String = text.drain(..end + 2).collect();
                count += usize::from(self.hear(&frame));
                if count == at_most || enough(self.last) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether it is an event and not only a sign of life.
    fn hear(&mut self, frame: &str) -> bool {
        let field = |name| frame.lines().find_map(|line| line.strip_prefix(name));
        if let Some(id) = field("id: ") {
            self.last = id.parse().expect("a position");
        }
        let event = field("event: ").filter(|_| field("data: ").is_some());
        self.heard.extend(event.map(|event| (self.last, event.to_owned())));
        event.is_some()
    }
}
