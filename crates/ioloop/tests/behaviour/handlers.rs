//! Handlers, timers and messages: which are called, and when.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{Context, Flow, Interest, IoLoop, Pool, Task};

use crate::support::{Call, Counter, LONG, Probe, TestLoop, count, pair};

#[test]
fn a_loop_with_nothing_left_returns() {
    let mut io_loop = TestLoop::new();
    io_loop.run().unwrap();
    io_loop.handle().call_soon(|cx| {
        cx.call_later(Duration::ZERO, |_| ());
    });
    assert!(!io_loop.is_empty());
    io_loop.run().unwrap();
    assert!(io_loop.is_empty());
}

#[test]
fn a_stop_is_not_lost_before_the_loop_runs() {
    let mut io_loop = TestLoop::new();
    io_loop.call_later(LONG, |_| ());
    io_loop.handle().stop();
    io_loop.run().unwrap();
    assert!(!io_loop.is_empty());
    let handle = io_loop.handle();
    let thread = thread::spawn(move || handle.stop());
    io_loop.run_until_stopped().unwrap();
    thread.join().unwrap();
}

#[test]
fn a_stop_was_work() {
    let mut io_loop = TestLoop::new();
    io_loop.handle().stop();
    assert!(io_loop.is_empty());
    io_loop.call_later(LONG, |_| ());
    // The request to stop wakes the loop all the same.
    let wait = io_loop.turn(None).unwrap();
    assert!(wait.is_some_and(|wait| wait > Duration::ZERO));
    io_loop.run().unwrap();
}

#[test]
fn work_that_was_sent_in_a_turn_was_put_off() {
    let ran = Counter::default();
    let mut io_loop = TestLoop::new();
    let given = Rc::new(RefCell::new(None));
    let (give, counter) = (given.clone(), ran.clone());
    let probe = Probe::boxed(move |call, cx| {
        match call {
            Call::Start => *give.borrow_mut() = Some(cx.notifier()),
            Call::Notified => count(&counter),
            _ => {}
        }
        Ok(Flow::Continue)
    });
    io_loop.add(probe).unwrap();
    let notifier = given.take().unwrap();
    io_loop.call_later(Duration::ZERO, move |_| notifier.notify());
    io_loop.call_later(Duration::ZERO, |cx| assert!(cx.handle().call_soon(|_| ())));
    assert_eq!(io_loop.turn(Some(LONG)).unwrap(), Some(Duration::ZERO));
    assert_eq!(io_loop.turn(Some(LONG)).unwrap(), None);
    assert_eq!(ran.get(), 1);
}

#[test]
fn a_panic_ends_its_handler_only() {
    let endings = Rc::new(RefCell::new(Vec::new()));
    let mut io_loop = TestLoop::new();
    for name in 0..2 {
        let endings = endings.clone();
        let probe = Probe::boxed(move |call, cx| {
            match call {
                Call::Start => drop(cx.start_timer_after(Duration::ZERO)),
                Call::Timeout(_) if name == 0 => panic!("as expected"),
                Call::Closed(error) => endings.borrow_mut().push((name, error.is_some())),
                _ => {}
            }
            Ok(Flow::Close)
        });
        io_loop.add(probe).unwrap();
    }
    io_loop.call_later(Duration::ZERO, |_| panic!("as expected"));
    let repeats = Counter::default();
    let counter = repeats.clone();
    io_loop.call_every(Duration::ZERO, move |_| {
        count(&counter);
        panic!("as expected");
    });
    io_loop.run().unwrap();
    assert_eq!(*endings.borrow(), [(0, true), (1, false)]);
    assert_eq!(repeats.get(), 1);
}

#[test]
fn a_handler_that_does_not_start_is_dropped() {
    let dropped = Rc::new(());
    let mut io_loop = TestLoop::new();
    for panics in [false, true] {
        let held = dropped.clone();
        let probe = Probe::boxed(move |call, cx| {
            let _held = &held;
            assert!(matches!(call, Call::Start), "there is no other call");
            cx.start_timer_after(Duration::ZERO);
            assert!(!panics, "as expected");
            Err(ErrorKind::AddrInUse.into())
        });
        let error = io_loop.add(probe).unwrap_err();
        assert_eq!(
            error.kind(),
            if panics {
                ErrorKind::Other
            } else {
                ErrorKind::AddrInUse
            }
        );
    }
    assert_eq!(Rc::strong_count(&dropped), 1);
    assert!(io_loop.is_empty());
}

#[test]
fn a_removed_handler_takes_its_sources_and_timers_along() {
    let (server, _client) = pair();
    let (mut server, mut sockets) = (Some(server), Vec::new());
    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        match (call, server.take()) {
            (Call::Start, Some(stream)) => {
                sockets.push(cx.register(stream, Interest::BOTH)?);
                cx.start_timer_after(Duration::ZERO);
                cx.notifier().notify();
            }
            (Call::Closed(error), _) => {
                assert!(error.is_none());
                cx.start_timer_after(Duration::ZERO);
            }
            _ => panic!("called after it was removed"),
        }
        Ok(Flow::Continue)
    });
    let id = io_loop.add(probe).unwrap();
    assert_eq!(io_loop.handler_count(), 1);
    assert!(io_loop.remove(id));
    assert!(!io_loop.remove(id));
    io_loop.run().unwrap();
    assert_eq!(io_loop.turn(Some(Duration::ZERO)).unwrap(), None);
}

#[test]
fn a_handler_may_remove_itself_and_add_others() {
    let closed = Counter::default();
    let mut io_loop = TestLoop::new();
    let counter = closed.clone();
    io_loop
        .add(Probe::boxed(move |call, cx| {
            match call {
                Call::Start => {
                    assert!(cx.remove(cx.id()));
                    assert!(!cx.remove(cx.id()), "it is going already");
                    let counter = counter.clone();
                    let parent = cx.id();
                    let child = cx.add(Probe::boxed(move |call, cx| {
                        if let Call::Closed(_) = call {
                            count(&counter);
                        }
                        assert_ne!(cx.id(), parent);
                        Ok(Flow::Continue)
                    }))?;
                    assert!(cx.remove(child));
                }
                Call::Closed(_) => count(&counter),
                _ => panic!("called after it was removed"),
            }
            Ok(Flow::Continue)
        }))
        .unwrap();
    assert_eq!(closed.get(), 2);
    assert!(io_loop.is_empty());
}

#[test]
fn closing_the_loop_closes_its_handlers() {
    let closed = Counter::default();
    let probe = |counter: Counter| {
        Probe::boxed(move |call, cx: &mut Context<'_>| {
            if let Call::Closed(error) = call {
                assert!(error.is_none());
                assert!(cx.add(Probe::boxed(|_, _| Ok(Flow::Continue))).is_err());
                count(&counter);
            }
            Ok(Flow::Continue)
        })
    };
    let mut io_loop = TestLoop::new();
    io_loop.add(probe(closed.clone())).unwrap();
    io_loop.call_later(LONG, |_| ());
    io_loop.close();
    assert_eq!(closed.get(), 1);
    assert!(io_loop.is_empty());
    io_loop.add(probe(closed.clone())).unwrap();
    let handle = io_loop.handle();
    drop(io_loop);
    assert_eq!(closed.get(), 2);
    assert!(!handle.call_soon(|_| ()), "the loop is gone");
}

#[test]
fn notifications_are_gathered() {
    let calls = Counter::default();
    let counter = calls.clone();
    let given = Rc::new(RefCell::new(None));
    let give = given.clone();
    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        match call {
            Call::Start => *give.borrow_mut() = Some(cx.notifier()),
            Call::Notified => count(&counter),
            _ => {}
        }
        Ok(if counter.get() == 2 {
            Flow::Close
        } else {
            Flow::Continue
        })
    });
    io_loop.add(probe).unwrap();
    let notifier = given.take().unwrap();
    for expected in 1..=2 {
        let other = notifier.clone();
        thread::spawn(move || (0..10).for_each(|_| other.notify()))
            .join()
            .unwrap();
        notifier.notify();
        io_loop.turn(Some(LONG)).unwrap();
        assert_eq!(calls.get(), expected);
    }
    assert!(io_loop.is_empty());
    notifier.notify();
    io_loop.run().unwrap();
    assert_eq!(calls.get(), 2, "the handler is gone");
}

#[test]
fn no_notification_is_lost_among_many() {
    const JOBS: usize = 200;
    let pool = Pool::new();
    let lane = pool.lane("test", 4);
    let (mut tasks, mut sum) = (Vec::new(), 0);
    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        match call {
            Call::Start => {
                for number in 0..JOBS {
                    tasks.push(Task::spawn(&lane, &cx.notifier(), move || number)?);
                }
            }
            Call::Notified => tasks.retain(|task| match task.take() {
                Some(number) => {
                    sum += number.unwrap();
                    false
                }
                None => true,
            }),
            Call::Closed(_) => assert_eq!(sum, JOBS * (JOBS - 1) / 2),
            Call::Ready(..) | Call::Timeout(_) => {}
        }
        Ok(if tasks.is_empty() {
            Flow::Close
        } else {
            Flow::Continue
        })
    });
    io_loop.add(probe).unwrap();
    io_loop.run().unwrap();
    assert!(pool.shutdown(LONG));
}

#[test]
fn a_task_tells_of_a_panic() {
    let lane = Pool::new().lane("test", 1);
    let mut task: Option<Task<()>> = None;
    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        match call {
            Call::Start => {
                task = Some(Task::spawn(&lane, &cx.notifier(), || {
                    panic!("as expected")
                })?);
            }
            Call::Notified => {
                let outcome = task.as_ref().and_then(Task::take);
                let panicked = outcome.expect("notified after the end").unwrap_err();
                assert_eq!(panicked.to_string(), "job panicked: as expected");
                return Ok(Flow::Close);
            }
            _ => {}
        }
        Ok(Flow::Continue)
    });
    io_loop.add(probe).unwrap();
    io_loop.run().unwrap();
}

#[test]
fn jobs_that_nobody_waited_for_any_more_had_their_turn() {
    let pool = Pool::new();
    let lane = pool.lane("test", 1);
    let (begun, order) = mpsc::channel();
    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        if let Call::Start = call {
            let notifier = cx.notifier();
            let (open, gate) = mpsc::channel::<()>();
            lane.submit(move || gate.recv().unwrap_or_default())?;
            let job = |number| {
                let begun = begun.clone();
                move || begun.send(number).unwrap()
            };
            drop(Task::spawn(&lane, &notifier, job(1))?);
            drop(Task::spawn_while_wanted(&lane, &notifier, job(2))?);
            // This task is kept until its job ends.
            let last = Task::spawn_while_wanted(&lane, &notifier, job(3))?;
            drop(open);
            while last.take().is_none() {
                thread::yield_now();
            }
        }
        Ok(Flow::Close)
    });
    io_loop.add(probe).unwrap();
    assert!(pool.shutdown(LONG));
    drop(io_loop);
    assert_eq!(order.into_iter().collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn jobs_that_nobody_waited_for_any_more_kept_what_they_held_until_their_turn() {
    let pool = Pool::new();
    let lane = pool.lane("test", 1);
    let (begun, order) = mpsc::channel();
    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        if let Call::Start = call {
            let notifier = cx.notifier();
            let (open, gate) = mpsc::channel::<()>();
            lane.submit(move || gate.recv().unwrap_or_default())?;
            let held = Arc::new(());
            let spawn = |client: [u8; 4], number| {
                let (begun, held) = (begun.clone(), Arc::clone(&held));
                let job = move || {
                    begun.send(number).unwrap();
                    drop(held);
                };
                Task::spawn_for(&lane, client.into(), &notifier, job)
            };
            let (one, other) = ([192, 0, 2, 1], [192, 0, 2, 2]);
            let given_up = [
                spawn(one, 1)?,
                spawn(other, 2)?,
                spawn(one, 3)?,
                spawn(one, 4)?,
            ];
            // The other client's turn comes later.
            let (_first, last) = (spawn(one, 5)?, spawn([192, 0, 2, 3], 6)?);
            assert_eq!(Arc::strong_count(&held), 7);
            let [withdrawn, dropped @ ..] = given_up;
            assert!(withdrawn.withdraw());
            assert_eq!(Arc::strong_count(&held), 6);
            assert!(!withdrawn.withdraw());
            drop(dropped);
            assert_eq!(Arc::strong_count(&held), 3);
            drop(open);
            while last.take().is_none() {
                thread::yield_now();
            }
        }
        Ok(Flow::Close)
    });
    io_loop.add(probe).unwrap();
    assert!(pool.shutdown(LONG));
    drop(io_loop);
    assert_eq!(order.into_iter().collect::<Vec<_>>(), [5, 6]);
}

#[test]
fn handlers_come_from_other_threads() {
    let mut io_loop = TestLoop::new();
    let (handle, own) = (io_loop.handle(), thread::current().id());
    let thread = thread::spawn(move || {
        handle.call_soon(|cx| {
            let failing = Probe::boxed(|_, _| Err(io::ErrorKind::Other.into()));
            assert!(cx.add(failing).is_err());
        });
        handle.call_soon(move |cx| {
            assert_eq!(thread::current().id(), own);
            let stopping = Probe::boxed(|call, cx| {
                if let Call::Start = call {
                    cx.stop();
                }
                Ok(Flow::Continue)
            });
            cx.add(stopping).unwrap();
        })
    });
    io_loop.run_until_stopped().unwrap();
    assert!(thread.join().unwrap());
    assert_eq!(io_loop.handler_count(), 1);
}

#[test]
fn timers_fire_in_order_unless_cancelled() {
    let fired = Rc::new(RefCell::new(Vec::new()));
    let mut io_loop = TestLoop::new();
    let start = Instant::now();
    let note = |name: &'static str| {
        let fired = fired.clone();
        move |cx: &mut Context<'_>| {
            assert!(cx.now() >= start);
            fired.borrow_mut().push(name);
        }
    };
    io_loop.call_at(start + Duration::from_millis(2), note("third"));
    io_loop.call_at(start, note("first"));
    io_loop.call_at(start + Duration::from_millis(1), note("second"));
    let reset = io_loop.call_later(Duration::ZERO, note("cancelled"));
    assert!(io_loop.reset(reset));
    assert!(io_loop.cancel(reset));
    assert!(!io_loop.reset(reset) && !io_loop.cancel(reset));
    io_loop.run().unwrap();
    assert_eq!(*fired.borrow(), ["first", "second", "third"]);
}

#[test]
fn a_repeated_call_may_cancel_itself() {
    let calls = Counter::default();
    let (counter, own) = (calls.clone(), Rc::new(RefCell::new(None)));
    let id = own.clone();
    let mut io_loop = TestLoop::new();
    let timer = io_loop.call_every(Duration::ZERO, move |cx| {
        count(&counter);
        if counter.get() == 3 {
            assert!(cx.cancel_timer(id.borrow().unwrap()));
        }
    });
    *own.borrow_mut() = Some(timer);
    for expected in 1..=3 {
        io_loop.turn(None).unwrap();
        assert_eq!(calls.get(), expected, "once per turn");
    }
    assert!(io_loop.is_empty());
}

#[test]
fn a_handler_has_timers_of_its_own() {
    let mut io_loop = TestLoop::new();
    let mut expected = Vec::new();
    let probe = Probe::boxed(move |call, cx| {
        match call {
            Call::Start => {
                let moved = cx.start_timer_after(LONG);
                let cancelled = cx.start_timer_after(Duration::ZERO);
                let kept = cx.start_timer(cx.now());
                assert!(cx.cancel_timer(cancelled) && !cx.cancel_timer(cancelled));
                assert!(cx.move_timer(moved, cx.now()) && cx.reset_timer(kept));
                expected.extend([moved, kept]);
            }
            Call::Timeout(timer) => {
                assert_eq!(timer, expected.remove(0));
                assert!(!cx.move_timer(timer, cx.now()), "it is gone");
            }
            _ => {}
        }
        Ok(if expected.is_empty() {
            Flow::Close
        } else {
            Flow::Continue
        })
    });
    io_loop.add(probe).unwrap();
    io_loop.run().unwrap();
}

#[test]
fn each_of_many_timers_looked_for_itself_among_the_others() {
    // If each timer had to be searched for, this would take minutes.
    const TIMERS: usize = 300_000;
    let (fired, mut timers) = (Counter::default(), Vec::new());
    let counter = fired.clone();
    let probe = Probe::boxed(move |call, cx| {
        match call {
            Call::Start => {
                timers.extend((0..TIMERS).map(|_| cx.start_timer_after(Duration::ZERO)));
                assert!(
                    timers
                        .drain(..TIMERS / 2)
                        .all(|timer| cx.cancel_timer(timer))
                );
                // This timer is removed with its handler.
                cx.start_timer_after(LONG);
            }
            Call::Timeout(timer) => {
                assert_eq!(timer, timers[counter.get()]);
                count(&counter);
            }
            _ => {}
        }
        Ok(if counter.get() == TIMERS / 2 {
            Flow::Close
        } else {
            Flow::Continue
        })
    });
    let mut io_loop = TestLoop::new();
    io_loop.add(probe).unwrap();
    io_loop.run().unwrap();
    assert!(io_loop.is_empty());
    assert_eq!(fired.get(), TIMERS / 2);
}

#[test]
fn the_scratch_buffer_is_shared() {
    let mut io_loop = TestLoop::of(IoLoop::with_scratch_size(1000));
    io_loop.call_later(Duration::ZERO, |cx| {
        let mut scratch = cx.take_scratch();
        assert_eq!(scratch.len(), 1000);
        scratch[0] = 7;
        assert_eq!(
            cx.take_scratch()[0],
            0,
            "while it is taken, another is made"
        );
        cx.return_scratch(scratch);
        assert_eq!(cx.take_scratch()[0], 7);
    });
    io_loop.run().unwrap();
}
