//! Who waits in this process for a view to move is woken by whoever moves it here, instead of
//! looking again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use events::Position;
use tokio::sync::watch;

use super::View;

/// Where this process has moved the live generation of each view. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Moves(Arc<Mutex<HashMap<View, watch::Sender<Position>>>>);

impl Moves {
    pub(super) fn tell(&self, view: &View, to: Position) {
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        views.entry(view.clone()).or_insert_with(begin).send_replace(to);
    }

    pub(super) fn watch(&self, view: &View) -> watch::Receiver<Position> {
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        views.entry(view.clone()).or_insert_with(begin).subscribe()
    }
}

fn begin() -> watch::Sender<Position> {
    watch::channel(Position::START).0
}
