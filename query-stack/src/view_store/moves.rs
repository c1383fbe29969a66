//! Who waits in this process for a view to move is woken by whoever moves it here, instead of
//! looking again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Checkpoint, View};

/// A move of the live checkpoint of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Where it is since.
    pub to: Checkpoint,
    /// When the store had confirmed it.
    pub at: Instant,
    /// How long that took it.
    pub took: Duration,
}

/// The last move of each view by this process. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Moves(Arc<Mutex<HashMap<View, watch::Sender<Option<Move>>>>>);

impl Moves {
    pub(super) fn tell(&self, view: &View, to: Checkpoint, began: Instant) {
        let at = Instant::now();
        let moved = Move { to, at, took: at - began };
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        views.entry(view.clone()).or_default().send_replace(Some(moved));
    }

    pub(super) fn watch(&self, view: &View) -> watch::Receiver<Option<Move>> {
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        views.entry(view.clone()).or_default().subscribe()
    }
}
