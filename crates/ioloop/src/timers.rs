//! Deadlines in order. Time is a parameter: nothing here reads a clock.

use std::time::{Duration, Instant};

use crate::slab::{Key, Slab};

/// Names a timer of one loop. Never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TimerId(pub(crate) Key);

/// An indexed binary heap: every timer knows its place in it, so that cancelling and moving one are
/// `O(log n)` and leave nothing behind, however often they are done.
pub(crate) struct Timers<T> {
    slots: Slab<Slot<T>>,
    heap: Vec<Node>,
    sequence: u64,
}

impl<T> Timers<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Slab::new(),
            heap: Vec::new(),
            sequence: 0,
        }
    }

    /// Arms a timer for `at`; one of the past is due at once.
    pub(crate) fn arm(&mut self, now: Instant, at: Instant, value: T) -> TimerId {
        let delay = at.saturating_duration_since(now);
        let key = self.slots.insert(Slot {
            position: self.heap.len(),
            delay,
            value,
        });
        let sequence = self.next_sequence();
        self.heap.push(Node { at, sequence, key });
        self.sift_up(self.heap.len() - 1);
        TimerId(key)
    }

    /// Disarms a timer. Gives what it was armed with, unless it is gone already.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<T> {
        let slot = self.slots.remove(id.0)?;
        self.heap.swap_remove(slot.position);
        if slot.position < self.heap.len() {
            self.restore(slot.position);
        }
        Some(slot.value)
    }

    /// Gives a pending timer another deadline; it counts as armed anew among its equals.
    pub(crate) fn move_to(&mut self, id: TimerId, at: Instant) -> bool {
        let Some(position) = self.slots.get(id.0).map(|slot| slot.position) else {
            return false;
        };
        let sequence = self.next_sequence();
        self.heap[position] = Node {
            at,
            sequence,
            key: id.0,
        };
        self.restore(position);
        true
    }

    /// Restarts the delay that a pending timer was armed with.
    pub(crate) fn reset(&mut self, id: TimerId, now: Instant) -> bool {
        let Some(delay) = self.slots.get(id.0).map(|slot| slot.delay) else {
            return false;
        };
        self.move_to(id, later(now, delay))
    }

    /// Moves a timer that is due to the first future multiple of its delay after its deadline.
    pub(crate) fn repeat(&mut self, id: TimerId, now: Instant) -> bool {
        let Some(slot) = self.slots.get(id.0) else {
            return false;
        };
        let at = self.heap[slot.position].at;
        let behind = now.saturating_duration_since(at).as_nanos();
        let next = match behind.checked_rem(slot.delay.as_nanos()) {
            Some(past) => later(now, slot.delay - duration_from_nanos(past)),
            None => now,
        };
        self.move_to(id, next)
    }

    /// Disarms all.
    pub(crate) fn clear(&mut self) {
        while let Some(node) = self.heap.pop() {
            self.slots.remove(node.key);
        }
    }

    pub(crate) fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        self.slots.get_mut(id.0).map(|slot| &mut slot.value)
    }

    /// Separates the timers armed until now from those armed later; see [`due`](Self::due).
    pub(crate) const fn fence(&self) -> u64 {
        self.sequence
    }

    /// The next timer to fire, still armed, if it is due and was armed before `fence`.
    pub(crate) fn due(&self, now: Instant, fence: u64) -> Option<TimerId> {
        let first = self.heap.first()?;
        (first.at <= now && first.sequence < fence).then_some(TimerId(first.key))
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.first().map(|node| node.at)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    const fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }

    /// Brings the one node that may be out of order to its place.
    fn restore(&mut self, position: usize) {
        let position = self.sift_up(position);
        self.sift_down(position);
    }

    fn sift_up(&mut self, mut position: usize) -> usize {
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heap[parent].rank() < self.heap[position].rank() {
                break;
            }
            self.heap.swap(parent, position);
            self.note_position(position);
            position = parent;
        }
        self.note_position(position);
        position
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let left = 2 * position + 1;
            let Some(smaller) = (left..self.heap.len().min(left + 2))
                .min_by_key(|&child| self.heap[child].rank())
                .filter(|&child| self.heap[child].rank() < self.heap[position].rank())
            else {
                break;
            };
            self.heap.swap(smaller, position);
            self.note_position(position);
            position = smaller;
        }
        self.note_position(position);
    }

    fn note_position(&mut self, position: usize) {
        if let Some(slot) = self.slots.get_mut(self.heap[position].key) {
            slot.position = position;
        }
    }
}

/// `delay` after `now`, or as far in the future as makes no difference.
pub(crate) fn later(now: Instant, delay: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    now.checked_add(delay).unwrap_or_else(|| now + FAR)
}

fn duration_from_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    // A remainder by a delay is smaller than that delay, which is a `Duration` itself.
    Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
}

struct Slot<T> {
    position: usize,
    delay: Duration,
    value: T,
}

#[derive(Clone, Copy)]
struct Node {
    at: Instant,
    sequence: u64,
    key: Key,
}

impl Node {
    /// Equal deadlines fire in the order of arming.
    const fn rank(&self) -> (Instant, u64) {
        (self.at, self.sequence)
    }
}
