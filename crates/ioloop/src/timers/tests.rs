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
    /// Each timer that fires may arm another one for `arms` ago, and move one to a time in the
    /// past.
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

/// A timer of the model, which keeps its timers in the order of arming.
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
    assert_eq!(std::iter::from_fn(|| timers.pop()).count(), 100);
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
