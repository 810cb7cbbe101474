//! Observers that block only at times are called on the loop otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

use ftpdlib::handlers::{ObservedCommand, ObservedSession, Observer, Verdict};
use ftpdlib::ioloop::is_in_turn;
use ftpdlib::proto::Reply;
use ftpdlib_tests::client::Client;
use ftpdlib_tests::gate::Gate;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::PATIENCE;

/// Refuses deletions, and tells whether it is asked on a loop.
struct Judge {
    may_block: fn() -> bool,
    asked: Sender<bool>,
}

impl Observer for Judge {
    fn may_block(&self) -> bool {
        (self.may_block)()
    }

    fn on_command(&self, _: &ObservedSession, command: &ObservedCommand) -> Verdict {
        if command.verb != "DELE" {
            return Verdict::Allow;
        }
        self.asked.send(is_in_turn()).unwrap();
        Verdict::Refuse(Reply::new(550, "Stays here."))
    }
}

/// Blocks, but has nothing to do.
struct Other {
    may_block: bool,
}

impl Observer for Other {
    fn may_block(&self) -> bool {
        self.may_block
    }
}

#[track_caller]
fn check(may_block: fn() -> bool, other_may: bool, expected: bool) {
    let (asked, on_loop) = mpsc::channel();
    let server = TestServer::with(|handler| {
        let other = Other {
            may_block: other_may,
        };
        handler.observer(other).observer(Judge { may_block, asked })
    });
    let path = server.file("a", "content");
    let mut client = server.client();
    client.expect("DELE a", 550);
    client.expect("NOOP", 200);
    assert!(path.exists());
    assert_eq!(on_loop.recv_timeout(PATIENCE), Ok(expected));
}

#[test]
fn observers_are_called_on_the_loop_if_none_of_them_may_block() {
    check(|| false, false, true);
    check(|| true, false, false);
    check(|| false, true, false);
}

#[test]
fn an_observer_that_panics_when_asked_whether_it_may_block_is_called_on_a_thread() {
    check(|| panic!("as the test wants it"), false, false);
}

/// Blocks at a gate when a user logs in, and tells what it is called for, and whether on a loop.
struct AtTimes {
    may_block: Arc<AtomicBool>,
    gate: Gate,
    calls: Sender<(u64, &'static str, bool)>,
}

impl AtTimes {
    fn tell(&self, session: &ObservedSession, call: &'static str) {
        // A test that has seen enough listens no more.
        let _ = self.calls.send((session.id(), call, is_in_turn()));
    }
}

impl Observer for AtTimes {
    fn may_block(&self) -> bool {
        self.may_block.load(Ordering::SeqCst)
    }

    fn wants_commands(&self) -> bool {
        false
    }

    fn on_connect(&self, session: &ObservedSession) {
        self.tell(session, "connect");
    }

    fn on_login(&self, session: &ObservedSession, _: &str) {
        self.gate.pass();
        self.tell(session, "login");
    }

    fn on_disconnect(&self, session: &ObservedSession) {
        self.tell(session, "disconnect");
    }
}

#[test]
fn an_event_that_may_be_told_on_the_loop_waits_for_those_before_it() {
    let (gate, keeper) = Gate::closed();
    let may_block = Arc::new(AtomicBool::new(true));
    let (calls, told) = mpsc::channel();
    let server = TestServer::with(|handler| {
        handler.observer(AtTimes {
            may_block: Arc::clone(&may_block),
            gate,
            calls,
        })
    });
    let client = server.client();
    keeper.wait_for(1);
    may_block.store(false, Ordering::SeqCst);
    client.reset();
    // By then the loop has seen the end of the session.
    Client::connect(server.address());
    keeper.open();
    let (first, ..) = told.recv_timeout(PATIENCE).unwrap();
    let of_it = std::iter::repeat_with(|| told.recv_timeout(PATIENCE).unwrap())
        .filter(|&(id, ..)| id == first)
        .map(|(_, call, on_loop)| (call, on_loop));
    let expected = [("login", false), ("disconnect", false)];
    assert_eq!(of_it.take(2).collect::<Vec<_>>(), expected);
}
