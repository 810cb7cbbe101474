//! What observers have to do with the beginning and the end of a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use ftpdlib::handlers::{FtpHandler, ObservedSession, Observer, TlsFtpHandler};
use ftpdlib_tests::client::Client;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::PATIENCE;

/// Tells whose connection has ended.
struct Leaving(Sender<Option<String>>);

impl Observer for Leaving {
    fn on_disconnect(&self, session: &ObservedSession) {
        let _ = self.0.send(session.username().map(str::to_owned));
    }
}

#[test]
fn nobody_was_told_who_had_left_with_quit() {
    for (goodbye, user) in [
        (("QUIT", 221), Some("user")),
        (("REIN", 220), None),
        (("USER user", 331), None),
    ] {
        let (users, told) = mpsc::channel();
        let server = TestServer::with(|handler| handler.observer(Leaving(users)));
        let mut client = server.client();
        client.play(&[goodbye]);
        drop(client);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(user.map(str::to_owned)));
    }
}

/// Lets nobody in.
struct Closing;

impl Observer for Closing {
    fn is_inline(&self) -> bool {
        true
    }

    fn on_connect(&self, session: &ObservedSession) {
        session.close();
    }
}

#[test]
fn a_client_that_was_turned_away_was_greeted_first() {
    let server = TestServer::with(|handler| handler.observer(Closing));
    let mut client = Client::open(server.address());
    client.expect_reply(421);
    client.expect_end();
    let server = TestServer::with(|handler| {
        let handler = TlsFtpHandler::new(handler.observer(Closing)).implicit(true);
        FtpHandler::from(handler)
    });
    Client::open(server.address()).expect_end();
}

/// Takes its time to write something down.
struct Slow(Arc<AtomicBool>);

impl Observer for Slow {
    fn on_disconnect(&self, _: &ObservedSession) {
        thread::sleep(Duration::from_millis(1500));
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn what_an_observer_was_told_last_was_lost_after_a_second() {
    let written = Arc::new(AtomicBool::new(false));
    let server = TestServer::with(|handler| handler.observer(Slow(Arc::clone(&written))));
    let mut client = server.client();
    client.expect("QUIT", 221);
    client.expect_end();
    drop(server);
    assert!(written.load(Ordering::Acquire));
}
