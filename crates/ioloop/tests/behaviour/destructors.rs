//! Values that panic when dropped do not harm the loop.

use std::cell::Cell;
use std::panic::panic_any;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use ftpdlib_ioloop::{Context, Flow, IoLoop, TimerId};

use crate::support::{Counter, LONG, Probe, TestLoop, count};

/// Panics when it is dropped, unless something panics already.
struct Bomb(Counter);

impl Drop for Bomb {
    fn drop(&mut self) {
        count(&self.0);
        assert!(thread::panicking(), "as expected");
    }
}

/// The payload of a panic. Dropping it panics with another payload, this many times.
struct Payload(u32);

impl Drop for Payload {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Self(self.0 - 1));
        }
    }
}

/// Runs a loop to its end, after `prepare` has given it something that panics when dropped.
#[track_caller]
fn check(prepare: impl FnOnce(&mut IoLoop, Bomb)) {
    let dropped = Counter::default();
    let mut io_loop = TestLoop::new();
    prepare(&mut io_loop, Bomb(dropped.clone()));
    io_loop.run().unwrap();
    assert!(io_loop.is_empty());
    drop(io_loop);
    assert_eq!(dropped.get(), 1);
}

#[test]
fn a_repeated_callback_that_panicked_as_it_was_dropped_ended_the_loop() {
    check(|io_loop, bomb| {
        let own: Rc<Cell<Option<TimerId>>> = Rc::default();
        let id = Rc::clone(&own);
        let timer = io_loop.call_every(Duration::ZERO, move |cx| {
            let _held = &bomb;
            assert!(cx.cancel_timer(id.get().unwrap()));
        });
        own.set(Some(timer));
    });
    check(|io_loop, bomb| {
        io_loop.call_every(Duration::ZERO, move |_| {
            let _held = &bomb;
            panic!("as expected");
        });
    });
}

#[test]
fn the_payload_of_a_panic_ended_the_loop_when_it_was_dropped() {
    let mut io_loop = TestLoop::new();
    for times in 1..=2 {
        io_loop.call_later(Duration::ZERO, move |_| panic_any(Payload(times)));
        io_loop.run().unwrap();
        let failing = Probe::boxed(move |_, _| panic_any(Payload(times)));
        assert!(io_loop.add(failing).is_err());
    }
}

#[test]
fn a_timer_that_panicked_as_it_was_dropped_kept_the_loop_from_closing() {
    let closed = |io_loop: &mut IoLoop, bomb| {
        for bomb in [Some(bomb), None] {
            io_loop.call_later(LONG, move |_| drop(bomb));
        }
        io_loop.close();
        let handler = Probe::boxed(|_, _: &mut Context<'_>| Ok(Flow::Close));
        let id = io_loop.add(handler).expect("it may be used again");
        assert!(io_loop.remove(id));
    };
    check(closed);
}

#[test]
fn unread_work_that_panicked_as_it_was_dropped_did_so_in_the_loop() {
    struct Unread;
    impl Drop for Unread {
        fn drop(&mut self) {
            assert!(thread::panicking(), "as expected");
        }
    }
    let io_loop = TestLoop::new();
    let handle = io_loop.handle();
    for _ in 0..2 {
        let unread = Unread;
        assert!(handle.call_soon(move |_| drop(unread)));
    }
    drop(io_loop);
    assert!(!handle.call_soon(|_| ()));
}
