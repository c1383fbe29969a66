//! Notifies waiting queries when this process moves a view, which saves them from polling.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Checkpoint, View};

/// A move of the live checkpoint of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The new checkpoint.
    pub to: Checkpoint,
    /// When the store confirmed it.
    pub at: Instant,
    /// How long the store took.
    pub took: Duration,
}

/// The last move of each view by this process; clones share it.
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
