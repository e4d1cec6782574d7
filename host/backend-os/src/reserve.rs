//! Sandboxes made ahead of need: whole ones, of orders that came before. Each is handed out once, or never.
//!
//! ```text
//!   order ─► its shelf? ── none ────────► made while the caller waits; an empty shelf is put up for it
//!               │
//!               ├── one stands ready ───► taken
//!               └── empty ──────────────► made while the caller waits
//!
//!   keeper (a thread): once nobody has ordered for a moment, fills the shelves of orders that came twice
//! ```
//!
//! What is handed out is exactly what would have been made: an order is a plan and its limits, and two that are equal make equal
//! sandboxes. Whatever the host holds open for an order (volumes, an image) belongs to that order alone, so such are never made
//! ahead. An order that came once may never come again: a host that makes one sandbox makes no second.
//!
//! Bounded: there are few shelves, the one that was used longest ago gives way, and all go with the backend.

use std::mem;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::enclosure::{Order, Ready, Workshop};

/// Most orders for which sandboxes are made ahead.
const SHELVES: usize = 4;
/// Whoever ordered is likely to run something now, or to order more: the machine is theirs for so long.
const QUIET: Duration = Duration::from_millis(5);

/// The shelves and their keeper. Dropping it ends what stands on them.
#[derive(Debug)]
pub(crate) struct Reserve {
    store: Arc<Store>,
    workshop: Arc<Workshop>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Store {
    /// How many of each order stand ready.
    depth: usize,
    shelves: Mutex<Shelves>,
    changed: Condvar,
}

#[derive(Debug)]
struct Shelves {
    /// The one last used first.
    all: Vec<Shelf>,
    quiet_from: Instant,
    made: u64,
    closed: bool,
}

#[derive(Debug)]
struct Shelf {
    order: Arc<Order>,
    came_again: bool,
    ready: Vec<Ready>,
}

impl Reserve {
    /// Keeps `depth` sandboxes of each order; none at all for zero.
    pub(crate) fn new(depth: usize, workshop: Arc<Workshop>) -> Self {
        let shelves = Shelves { all: Vec::new(), quiet_from: Instant::now(), made: 0, closed: false };
        let store = Store { depth, shelves: Mutex::new(shelves), changed: Condvar::new() };
        Self { store: Arc::new(store), workshop, keeper: Mutex::new(None) }
    }

    /// One that was made ahead, if there is one. Takes note of the order either way.
    pub(crate) fn take(&self, order: &Order) -> Option<Ready> {
        if self.store.depth == 0 || !order.attachments.is_empty() {
            return None;
        }
        let (taken, dropped) = self.store.shelves.lock().take(order);
        // Not under the lock: it waits for the end of processes.
        drop(dropped);
        self.store.changed.notify_one();
        if taken.came_again {
            self.ensure_keeper();
        }
        taken.ready
    }

    fn ensure_keeper(&self) {
        let mut keeper = self.keeper.lock();
        if keeper.is_none() {
            let (store, workshop) = (Arc::clone(&self.store), Arc::clone(&self.workshop));
            let keep = move || store.keep(&workshop);
            // Where the machine has no thread to spare, nothing is made ahead.
            *keeper = thread::Builder::new().name("mimobox-reserve".to_owned()).spawn(keep).ok();
        }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        let shelves = {
            let mut shelves = self.store.shelves.lock();
            shelves.closed = true;
            mem::take(&mut shelves.all)
        };
        self.store.changed.notify_one();
        drop(shelves);
        if let Some(keeper) = self.keeper.get_mut().take()
            && keeper.join().is_err()
        {
            tracing::error!("the thread that makes sandboxes ahead has failed");
        }
    }
}

struct Taken {
    ready: Option<Ready>,
    came_again: bool,
}

/// What is to be dropped once nobody waits for the shelves.
type Dropped = (Vec<Ready>, Option<Shelf>);

impl Shelves {
    fn take(&mut self, order: &Order) -> (Taken, Dropped) {
        self.quiet_from = Instant::now() + QUIET;
        let Some(place) = self.all.iter().position(|shelf| shelf.order.is_like(order)) else {
            let order = Arc::new(order.again(order.name.clone()));
            self.all.insert(0, Shelf { order, came_again: false, ready: Vec::new() });
            let dropped = if self.all.len() > SHELVES { self.all.pop() } else { None };
            return (Taken { ready: None, came_again: false }, (Vec::new(), dropped));
        };
        let mut shelf = self.all.remove(place);
        shelf.came_again = true;
        let mut dead = Vec::new();
        let mut ready = None;
        while let Some(next) = shelf.ready.pop() {
            if next.enclosure.has_ended() {
                dead.push(next);
            } else {
                ready = Some(next);
                break;
            }
        }
        self.all.insert(0, shelf);
        (Taken { ready, came_again: true }, (dead, None))
    }

    /// What to make next.
    fn wanted(&mut self, depth: usize) -> Option<Order> {
        let shelf = self.all.iter().find(|shelf| shelf.came_again && shelf.ready.len() < depth)?;
        self.made += 1;
        Some(shelf.order.again(format!("ahead-{}", self.made)))
    }

    /// Puts it on its shelf; gives it back if that has gone meanwhile.
    fn put(&mut self, order: &Order, ready: Ready) -> Option<Ready> {
        match self.all.iter_mut().find(|shelf| shelf.order.is_like(order)) {
            Some(shelf) => {
                shelf.ready.push(ready);
                None
            }
            None => Some(ready),
        }
    }

    /// Makes none of this order until it comes once more.
    fn give_up(&mut self, order: &Order) {
        if let Some(shelf) = self.all.iter_mut().find(|shelf| shelf.order.is_like(order)) {
            shelf.came_again = false;
        }
    }
}

impl Store {
    /// What the keeper does, until the reserve is dropped.
    fn keep(&self, workshop: &Arc<Workshop>) {
        while let Some(order) = self.next() {
            let left = match workshop.make(&order) {
                Ok(ready) => self.shelves.lock().put(&order, ready),
                Err(error) => {
                    tracing::warn!(cause = &error as &dyn std::error::Error, "no sandbox was made ahead");
                    self.shelves.lock().give_up(&order);
                    None
                }
            };
            drop(left);
        }
    }

    /// Waits until something is to be made; none at the end.
    fn next(&self) -> Option<Order> {
        let mut shelves = self.shelves.lock();
        loop {
            if shelves.closed {
                return None;
            }
            if Instant::now() < shelves.quiet_from {
                let quiet_from = shelves.quiet_from;
                self.changed.wait_until(&mut shelves, quiet_from);
            } else if let Some(order) = shelves.wanted(self.depth) {
                return Some(order);
            } else {
                self.changed.wait(&mut shelves);
            }
        }
    }
}
