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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Arm { after: u64 },
        Cancel { which: usize },
        Reset { which: usize },
        Move { which: usize, after: u64 },
        Fire { after: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..20u64).prop_map(|after| Step::Arm { after }),
            1 => (0..40usize).prop_map(|which| Step::Cancel { which }),
            1 => (0..40usize).prop_map(|which| Step::Reset { which }),
            1 => (0..40usize, 0..20u64).prop_map(|(which, after)| Step::Move { which, after }),
            1 => (0..10u64).prop_map(|after| Step::Fire { after }),
        ]
    }

    /// A timer of the model: all of it, in the order of arming.
    #[derive(Clone, Copy)]
    struct Naive {
        id: TimerId,
        at: Instant,
        delay: Duration,
        name: usize,
    }

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn fire_all(timers: &mut Timers<usize>, now: Instant) -> Vec<usize> {
        let fence = timers.fence();
        std::iter::from_fn(|| timers.due(now, fence).and_then(|id| timers.cancel(id))).collect()
    }

    proptest! {
        #[test]
        fn timers_fire_like_a_sorted_list(steps in prop::collection::vec(step(), 0..200)) {
            let mut now = Instant::now();
            let mut timers = Timers::new();
            let mut model: Vec<Naive> = Vec::new();
            let mut ids = Vec::new();
            for (name, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Arm { after } => {
                        let (delay, at) = (millis(after), now + millis(after));
                        let id = timers.arm(now, at, name);
                        ids.push(id);
                        model.push(Naive { id, at, delay, name });
                    }
                    Step::Cancel { which } => {
                        let Some(&id) = ids.get(which) else { continue };
                        let place = model.iter().position(|timer| timer.id == id);
                        let expected = place.map(|place| model.remove(place).name);
                        prop_assert_eq!(timers.cancel(id), expected);
                    }
                    Step::Reset { which } => {
                        let Some(&id) = ids.get(which) else { continue };
                        let place = model.iter().position(|timer| timer.id == id);
                        prop_assert_eq!(timers.reset(id, now), place.is_some());
                        if let Some(place) = place {
                            let timer = model.remove(place);
                            model.push(Naive { at: now + timer.delay, ..timer });
                        }
                    }
                    Step::Move { which, after } => {
                        let Some(&id) = ids.get(which) else { continue };
                        let place = model.iter().position(|timer| timer.id == id);
                        prop_assert_eq!(timers.move_to(id, now + millis(after)), place.is_some());
                        if let Some(place) = place {
                            let timer = model.remove(place);
                            model.push(Naive { at: now + millis(after), ..timer });
                        }
                    }
                    Step::Fire { after } => {
                        now += millis(after);
                        let (mut due, left): (Vec<_>, Vec<_>) =
                            model.into_iter().partition(|timer| timer.at <= now);
                        due.sort_by_key(|timer| timer.at);
                        model = left;
                        let due: Vec<_> = due.into_iter().map(|timer| timer.name).collect();
                        prop_assert_eq!(fire_all(&mut timers, now), due);
                    }
                }
                prop_assert_eq!(timers.next(), model.iter().map(|timer| timer.at).min());
                prop_assert_eq!(timers.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn endless_resets_leave_nothing_behind() {
        let now = Instant::now();
        let mut timers = Timers::new();
        let ids: Vec<_> = (0..100)
            .map(|name| timers.arm(now, now + millis(name), name))
            .collect();
        for _ in 0..1000 {
            assert!(ids.iter().all(|&id| timers.reset(id, now)));
        }
        assert_eq!((timers.heap.len(), timers.slots.len()), (100, 100));
        timers.clear();
        assert!(timers.is_empty());
        assert!(!timers.reset(ids[0], now));
    }

    #[test]
    fn a_timer_armed_by_another_waits_for_the_next_turn() {
        let now = Instant::now();
        let mut timers = Timers::new();
        let first = timers.arm(now, now, 'a');
        let fence = timers.fence();
        let second = timers.arm(now, now, 'b');
        assert_eq!(timers.due(now, fence), Some(first));
        timers.cancel(first);
        assert_eq!(timers.due(now, fence), None);
        assert_eq!(timers.due(now, timers.fence()), Some(second));
    }

    #[track_caller]
    fn check_repeat(interval: u64, fired_at: u64, next: u64) {
        let origin = Instant::now();
        let mut timers = Timers::new();
        let id = timers.arm(origin, origin + millis(interval), ());
        assert!(timers.repeat(id, origin + millis(fired_at)));
        assert_eq!(
            timers.next(),
            Some(origin + millis(next)),
            "{interval} ms, fired at {fired_at}"
        );
    }

    #[test]
    fn repetition_keeps_to_multiples_of_the_interval() {
        check_repeat(10, 10, 20);
        check_repeat(10, 11, 20);
        check_repeat(10, 19, 20);
        check_repeat(10, 20, 30);
        check_repeat(10, 1005, 1010);
        check_repeat(0, 7, 7);
    }

    #[test]
    fn the_far_future_is_no_overflow() {
        let now = Instant::now();
        assert!(later(now, Duration::MAX) > now);
        assert_eq!(later(now, millis(1)), now + millis(1));
    }
}
