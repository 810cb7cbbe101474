//! Timers, ordered by deadline. Time is a parameter: nothing here reads a clock.

use std::time::{Duration, Instant};

use crate::slab::{Key, Slab};

/// The id of a timer in its loop. Never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TimerId(pub(crate) Key);

/// A heap in which every timer knows its position, so that cancelling one is `O(log n)` and leaves
/// nothing behind.
///
/// Putting a timer off is `O(1)`, however often it is done: the timer keeps the position of its
/// former deadline, and sinks to its new position only when it reaches the top.
pub(crate) struct Timers<T> {
    slots: Slab<Slot<T>>,
    heap: Vec<Node>,
    sequence: u64,
    /// The instant from which deadlines are counted. Earlier deadlines count as this one.
    origin: Instant,
}

impl<T> Timers<T> {
    pub(crate) fn new(origin: Instant) -> Self {
        Self {
            slots: Slab::new(),
            heap: Vec::new(),
            sequence: 0,
            origin,
        }
    }

    /// Arms a timer for `at`. A deadline in the past is due at once, after all timers that are
    /// already due.
    pub(crate) fn arm(&mut self, now: Instant, at: Instant, value: T) -> TimerId {
        let rank = self.new_rank(self.nanos(at.max(now)));
        let position = self.heap.len();
        let key = self.slots.insert(Slot {
            rank,
            delay: nanos_between(now, at),
            position: position as u32,
            value,
        });
        self.heap.push(Node { rank, key });
        self.sift_up(position);
        TimerId(key)
    }

    /// Disarms a timer. Returns the value that it was armed with, unless the timer is gone.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<T> {
        let slot = self.slots.remove(id.0)?;
        let position = slot.position as usize;
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            // The last node has moved here from another branch.
            let position = self.sift_up(position);
            self.sift_down(position);
        }
        Some(slot.value)
    }

    /// Gives a pending timer another deadline. Among equal deadlines, it counts as newly armed.
    pub(crate) fn move_to(&mut self, id: TimerId, now: Instant, at: Instant) -> bool {
        let at = self.nanos(at.max(now));
        self.move_to_nanos(id, at)
    }

    /// Restarts the delay that a pending timer was armed with.
    pub(crate) fn reset(&mut self, id: TimerId, now: Instant) -> bool {
        let Some(delay) = self.slots.get(id.0).map(|slot| slot.delay) else {
            return false;
        };
        self.move_to_nanos(id, self.nanos(now).saturating_add(delay))
    }

    /// Moves a due timer forward by the smallest multiple of its delay that puts it in the future.
    pub(crate) fn repeat(&mut self, id: TimerId, now: Instant) -> bool {
        let Some(slot) = self.slots.get(id.0) else {
            return false;
        };
        let now = self.nanos(now);
        let behind = now.saturating_sub(slot.rank.at);
        let left = match behind.checked_rem(slot.delay) {
            Some(past) => slot.delay - past,
            None => 0,
        };
        self.move_to_nanos(id, now.saturating_add(left))
    }

    /// Disarms any one timer, and returns the value that it was armed with; `None` if there is no
    /// timer.
    pub(crate) fn pop(&mut self) -> Option<T> {
        // The last node has no children.
        let node = self.heap.pop()?;
        self.slots.remove(node.key).map(|slot| slot.value)
    }

    pub(crate) fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        self.slots.get_mut(id.0).map(|slot| &mut slot.value)
    }

    /// Returns the next timer to fire, which stays armed, if it is due and was armed before
    /// `fence`. Timers armed later come after all of these, provided that `now` is not earlier than
    /// when they were armed.
    pub(crate) fn due(&mut self, now: Instant, fence: u64) -> Option<TimerId> {
        while let Some(&first) = self.heap.first() {
            if first.rank.at > self.nanos(now) {
                return None;
            }
            if !self.sink_first() {
                return (first.rank.sequence < fence).then_some(TimerId(first.key));
            }
        }
        None
    }

    /// Returns the earliest deadline, or an earlier time: if many timers were put off, it takes
    /// more than one call to move them all to their positions.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        for _ in 0..PUT_OFF_AT_ONCE {
            if !self.sink_first() {
                break;
            }
        }
        let first = self.heap.first()?;
        Some(later(self.origin, Duration::from_nanos(first.rank.at)))
    }

    /// Returns a mark that separates timers armed before this call from timers armed later; see
    /// [`due`](Self::due).
    pub(crate) const fn fence(&self) -> u64 {
        self.sequence
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn move_to_nanos(&mut self, id: TimerId, at: u64) -> bool {
        let rank = self.new_rank(at);
        let Some(slot) = self.slots.get_mut(id.0) else {
            return false;
        };
        slot.rank = rank;
        let position = slot.position as usize;
        let node = &mut self.heap[position];
        if rank < node.rank {
            node.rank = rank;
            self.sift_up(position);
        }
        true
    }

    /// Moves the first node to its position if its timer was put off. Returns `false` if it was
    /// not.
    fn sink_first(&mut self) -> bool {
        let Some(first) = self.heap.first_mut() else {
            return false;
        };
        match self.slots.get(first.key) {
            Some(slot) if slot.rank != first.rank => first.rank = slot.rank,
            _ => return false,
        }
        self.sift_down(0);
        true
    }

    fn sift_up(&mut self, mut position: usize) -> usize {
        let node = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / CHILDREN;
            if self.heap[parent].rank < node.rank {
                break;
            }
            self.place(self.heap[parent], position);
            position = parent;
        }
        self.place(node, position);
        position
    }

    fn sift_down(&mut self, mut position: usize) {
        let node = self.heap[position];
        loop {
            let first = CHILDREN * position + 1;
            let Some(smallest) = (first..self.heap.len().min(first + CHILDREN))
                .min_by_key(|&child| self.heap[child].rank)
                .filter(|&child| self.heap[child].rank < node.rank)
            else {
                break;
            };
            self.place(self.heap[smallest], position);
            position = smallest;
        }
        self.place(node, position);
    }

    fn place(&mut self, node: Node, position: usize) {
        self.heap[position] = node;
        if let Some(slot) = self.slots.get_mut(node.key) {
            slot.position = position as u32;
        }
    }

    const fn new_rank(&mut self, at: u64) -> Rank {
        let sequence = self.sequence;
        self.sequence += 1;
        Rank { at, sequence }
    }

    fn nanos(&self, at: Instant) -> u64 {
        nanos_between(self.origin, at)
    }
}

/// Returns `now` plus `delay`, or an instant 30 years ahead if that would overflow.
pub(crate) fn later(now: Instant, delay: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    now.checked_add(delay).unwrap_or_else(|| now + FAR)
}

/// The nanoseconds from `from` to `to`: at least 0, at most 584 years.
fn nanos_between(from: Instant, to: Instant) -> u64 {
    let nanos = to.saturating_duration_since(from).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// The number of children of a node. With four, the heap is half as deep as with two, for hardly
/// more work at each step.
const CHILDREN: usize = 4;

/// The most timers moved to their positions before one wait, so that this does not take long if all
/// were put off. If some are left, the wait ends early and the next call goes on.
const PUT_OFF_AT_ONCE: usize = 64;

struct Slot<T> {
    /// The deadline.
    rank: Rank,
    delay: u64,
    /// The position of its node. There are no more nodes than slots, so it fits.
    position: u32,
    value: T,
}

#[derive(Clone, Copy)]
struct Node {
    /// The deadline of the timer, or an earlier one if the timer was put off.
    rank: Rank,
    key: Key,
}

/// Equal deadlines fire in the order of arming.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Rank {
    /// In nanoseconds since the origin.
    at: u64,
    sequence: u64,
}

#[cfg(test)]
mod tests;
