//! Observers that take long, and clients that wait for them or do not.

use std::io::Read;
use std::time::Duration;

use ftpdlib::handlers::{ObservedCommand, ObservedSession, Observer, Verdict};
use ftpdlib_tests::client::Client;
use ftpdlib_tests::gate::{Gate, GateKeeper};
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::PATIENCE;

/// Lets these commands wait at a gate, or, with none, who has logged in.
struct Slow {
    gate: Gate,
    verbs: &'static [&'static str],
}

impl Observer for Slow {
    fn wants_commands(&self) -> bool {
        !self.verbs.is_empty()
    }

    fn on_login(&self, _: &ObservedSession, _: &str) {
        if self.verbs.is_empty() {
            self.gate.pass();
        }
    }

    fn on_command(&self, _: &ObservedSession, command: &ObservedCommand) -> Verdict {
        if self.verbs.contains(&command.verb.as_str()) {
            self.gate.pass();
        }
        Verdict::Allow
    }
}

fn slow_at(verbs: &'static [&'static str], timeout: Duration) -> (TestServer, GateKeeper) {
    let (gate, keeper) = Gate::closed();
    let server =
        TestServer::with(|handler| handler.observer(Slow { gate, verbs }).timeout(timeout));
    (server, keeper)
}

#[test]
fn a_client_that_waited_for_observers_was_taken_to_be_idle() {
    for verbs in [&["NOOP"][..], &[]] {
        let (server, keeper) = slow_at(verbs, Duration::from_secs(1));
        let mut client = server.client();
        client.send("NOOP");
        keeper.wait_for(1);
        // One that has come later, and is idle, is out of time.
        let mut idle = Client::connect(server.address());
        idle.expect_reply(421);
        keeper.open();
        client.expect_reply(200);
    }
}

#[test]
fn a_client_that_had_left_was_kept_while_observers_judged_its_last_command() {
    let (server, keeper) = slow_at(&["NOOP"], Duration::from_secs(1));
    let mut client = server.client();
    client.send("NOOP");
    keeper.wait_for(1);
    client.end_sending();
    client.expect_reply(421);
    client.expect_end();
    keeper.open();
}

/// Its observers were told that it was given.
#[test]
fn the_last_command_before_the_end_was_forgotten_while_observers_judged_it() {
    let (server, keeper) = slow_at(&["DELE"], PATIENCE);
    let path = server.file("a", "content");
    let mut client = server.client();
    client.send("DELE a");
    keeper.wait_for(1);
    client.end_sending();
    // By then the loop has seen that end.
    server.check_serves();
    keeper.open();
    client.expect_reply(250);
    client.expect_end();
    assert!(!path.exists());
}

#[test]
fn a_quit_that_observers_judged_did_not_keep_the_download_before_it() {
    let (server, keeper) = slow_at(&["QUIT"], PATIENCE);
    // More than sockets hold.
    let content = vec![7; 32 << 20];
    server.file("a", &content);
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let mut data = client.begin("RETR a");
    client.send("QUIT");
    keeper.wait_for(1);
    client.end_sending();
    server.client().expect("NOOP", 200);
    keeper.open();
    let mut received = Vec::new();
    data.read_to_end(&mut received).unwrap();
    assert!(received == content);
    client.expect_reply(226);
    client.expect_reply(221);
    client.expect_end();
}
