//! Deadlines in order. Time is a parameter: nothing here reads a clock.

use std::time::{Duration, Instant};

use crate::slab::{Key, Slab};

/// Names a timer of one loop. Never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TimerId(pub(crate) Key);

/// A heap in which every timer knows its place, so that cancelling one is `O(log n)` and leaves
/// nothing behind.
///
/// Putting one off is `O(1)`, however often it is done: it keeps the place of its former deadline
/// in the heap, and sinks to its new place when it has come to the top.
pub(crate) struct Timers<T> {
    slots: Slab<Slot<T>>,
    heap: Vec<Node>,
    sequence: u64,
    /// Deadlines are counted from here. Earlier ones count as this one.
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

    /// Arms a timer for `at`; one of the past is due at once, behind all that are due already.
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

    /// Disarms a timer. Returns what it was armed with, unless it is gone already.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<T> {
        let slot = self.slots.remove(id.0)?;
        let position = slot.position as usize;
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            // The last node has come here from another branch.
            let position = self.sift_up(position);
            self.sift_down(position);
        }
        Some(slot.value)
    }

    /// Gives a pending timer another deadline; it counts as armed anew among its equals.
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

    /// Moves a timer that is due to the first future multiple of its delay after its deadline.
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

    /// Disarms all.
    pub(crate) fn clear(&mut self) {
        while let Some(node) = self.heap.pop() {
            self.slots.remove(node.key);
        }
    }

    pub(crate) fn get_mut(&mut self, id: TimerId) -> Option<&mut T> {
        self.slots.get_mut(id.0).map(|slot| &mut slot.value)
    }

    /// The next timer to fire, still armed, if it is due and was armed before `fence`. Those armed
    /// later come behind all of these, as long as `now` is not earlier than it was for them.
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

    /// The earliest deadline, or an earlier time: if many timers were put off, it takes more than
    /// one call to bring them all to their places.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        for _ in 0..PUT_OFF_AT_ONCE {
            if !self.sink_first() {
                break;
            }
        }
        let first = self.heap.first()?;
        Some(later(self.origin, Duration::from_nanos(first.rank.at)))
    }

    /// Separates the timers armed until now from those armed later; see [`due`](Self::due).
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

    /// Brings the first node to its place if its timer was put off. Returns `false` if it was not.
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

/// `delay` after `now`, or as far in the future as makes no difference.
pub(crate) fn later(now: Instant, delay: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    now.checked_add(delay).unwrap_or_else(|| now + FAR)
}

/// At least 0, at most 584 years.
fn nanos_between(from: Instant, to: Instant) -> u64 {
    let nanos = to.saturating_duration_since(from).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// Four to a node make the heap half as deep as two, for hardly more work at each step.
const CHILDREN: usize = 4;

/// The most timers that are brought to their places before one wait, so that this does not take
/// long if all were put off. If some are left, that wait ends early, and the next call goes on.
const PUT_OFF_AT_ONCE: usize = 64;

struct Slot<T> {
    /// The deadline.
    rank: Rank,
    delay: u64,
    /// That of its node. There are no more nodes than slots, so it fits.
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Arm {
            after: u64,
        },
        Cancel {
            which: usize,
        },
        Reset {
            which: usize,
        },
        Move {
            which: usize,
            after: u64,
        },
        /// Each timer that fires may arm another, for so long ago, and move one to that time.
        Fire {
            after: u64,
            arms: Option<u64>,
            moves: Option<(usize, u64)>,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..20u64).prop_map(|after| Step::Arm { after }),
            1 => (0..40usize).prop_map(|which| Step::Cancel { which }),
            1 => (0..40usize).prop_map(|which| Step::Reset { which }),
            1 => (0..40usize, 0..20u64).prop_map(|(which, after)| Step::Move { which, after }),
            1 => fire(),
        ]
    }

    fn fire() -> impl Strategy<Value = Step> {
        let arms = prop::option::of(0..20u64);
        let moves = prop::option::of((0..40usize, 0..20u64));
        (0..10u64, arms, moves).prop_map(|(after, arms, moves)| Step::Fire { after, arms, moves })
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

    fn settled_next<T>(timers: &mut Timers<T>) -> Option<Instant> {
        while timers.sink_first() {}
        timers.next()
    }

    proptest! {
        #[test]
        fn timers_fire_like_a_sorted_list(steps in prop::collection::vec(step(), 0..200)) {
            let mut now = Instant::now();
            let mut timers = Timers::new(now);
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
                        prop_assert_eq!(timers.move_to(id, now, now + millis(after)), place.is_some());
                        if let Some(place) = place {
                            let timer = model.remove(place);
                            model.push(Naive { at: now + millis(after), ..timer });
                        }
                    }
                    Step::Fire { after, arms, moves } => {
                        now += millis(after);
                        let (mut due, left): (Vec<_>, Vec<_>) =
                            model.into_iter().partition(|timer| timer.at <= now);
                        due.sort_by_key(|timer| timer.at);
                        model = left;
                        let fence = timers.fence();
                        while let Some(id) = timers.due(now, fence) {
                            prop_assert!(!due.is_empty());
                            prop_assert_eq!(timers.cancel(id), Some(due.remove(0).name));
                            if let Some(ago) = arms {
                                let id = timers.arm(now, now - millis(ago), name);
                                ids.push(id);
                                model.push(Naive { id, at: now, delay: millis(0), name });
                            }
                            let Some((which, ago)) = moves else { continue };
                            let Some(&id) = ids.get(which) else { continue };
                            let place = due.iter().position(|timer| timer.id == id);
                            let moved = match place {
                                Some(place) => Some(due.remove(place)),
                                None => {
                                    let place = model.iter().position(|timer| timer.id == id);
                                    place.map(|place| model.remove(place))
                                }
                            };
                            let at = now - millis(ago);
                            prop_assert_eq!(timers.move_to(id, now, at), moved.is_some());
                            model.extend(moved.map(|timer| Naive { at: now, ..timer }));
                        }
                        prop_assert!(due.is_empty());
                    }
                }
                let first = model.iter().map(|timer| timer.at).min();
                prop_assert!(timers.next() <= first);
                prop_assert_eq!(settled_next(&mut timers), first);
                prop_assert_eq!(timers.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn endless_resets_leave_nothing_behind() {
        let now = Instant::now();
        let mut timers = Timers::new(now);
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
    fn no_wait_is_long_though_all_timers_were_put_off() {
        let now = Instant::now();
        let mut timers = Timers::new(now);
        let count = 10 * PUT_OFF_AT_ONCE as u64;
        let ids: Vec<_> = (1..=count)
            .map(|name| timers.arm(now, now + millis(name), name))
            .collect();
        let later = now + millis(count);
        assert!(ids.iter().all(|&id| timers.reset(id, later)));
        let put_off = |timers: &Timers<u64>| {
            let early =
                |node: &&Node| Some(node.rank) != timers.slots.get(node.key).map(|slot| slot.rank);
            timers.heap.iter().filter(early).count()
        };
        assert_eq!(put_off(&timers), ids.len(), "nothing is done for a reset");
        assert!(timers.next() <= Some(later));
        assert_eq!(put_off(&timers), ids.len() - PUT_OFF_AT_ONCE);
        assert_eq!(timers.due(later, timers.fence()), None);
        assert_eq!(timers.next(), Some(later + millis(1)));
    }

    #[test]
    fn a_timer_armed_by_another_waits_for_the_next_turn() {
        let now = Instant::now();
        let mut timers = Timers::new(now);
        let first = timers.arm(now, now, 'a');
        let fence = timers.fence();
        let second = timers.arm(now, now, 'b');
        assert_eq!(timers.due(now, fence), Some(first));
        timers.cancel(first);
        assert_eq!(timers.due(now, fence), None);
        assert_eq!(timers.due(now, timers.fence()), Some(second));
    }

    #[test]
    fn a_timer_that_armed_another_for_the_past_kept_all_others_from_firing() {
        let origin = Instant::now();
        let mut timers = Timers::new(origin);
        let mut first = timers.arm(origin, origin, 'a');
        let second = timers.arm(origin, origin + millis(1), 'b');
        let moved = timers.arm(origin, origin + millis(1), 'c');
        let now = origin + millis(2);
        let fence = timers.fence();
        assert_eq!(timers.due(now, fence), Some(first));
        timers.cancel(first);
        first = timers.arm(now, origin, 'a');
        assert_eq!(timers.due(now, fence), Some(second));
        timers.cancel(second);
        assert!(timers.move_to(first, now, origin));
        assert_eq!(timers.due(now, fence), Some(moved));
        timers.cancel(moved);
        assert_eq!(timers.due(now, fence), None);
        assert_eq!(timers.due(now, timers.fence()), Some(first));
    }

    #[track_caller]
    fn check_repeat(interval: u64, fired_at: u64, next: u64) {
        let origin = Instant::now();
        let mut timers = Timers::new(origin);
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
