//! What observers are told of TLS.

use std::io::Write;
use std::net::Shutdown;
use std::sync::mpsc::{self, Sender};

use ftpdlib::handlers::{
    CustomCommand, FtpHandler, ObservedCommand, ObservedSession, ObservedTransfer, Observer,
    TlsFtpHandler, Verdict,
};
use ftpdlib::proto::Reply;
use ftpdlib_tests::client::USER;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::tls::{TlsClient, VERSIONS, config};
use ftpdlib_tests::wait::PATIENCE;

/// Tells a test what is secure.
struct Recorder(Sender<String>);

impl Recorder {
    fn tell(&self, what: &str, session: &ObservedSession, transfer: Option<&ObservedTransfer>) {
        let mut call = format!("{what} {}", session.is_secure());
        if let Some(transfer) = transfer {
            call = format!("{call} {} {:?}", transfer.secure, transfer.end);
        }
        // A test that has seen enough listens no more.
        let _ = self.0.send(call);
    }
}

impl Observer for Recorder {
    fn on_connect(&self, session: &ObservedSession) {
        self.tell("connect", session, None);
    }

    fn on_command(&self, session: &ObservedSession, command: &ObservedCommand) -> Verdict {
        if command.verb == "USER" {
            self.tell("USER", session, None);
        }
        Verdict::Allow
    }

    fn on_login(&self, session: &ObservedSession, _: &str) {
        self.tell("login", session, None);
    }

    fn on_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
        self.tell("received", session, Some(transfer));
    }

    fn on_incomplete_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
        self.tell("incomplete", session, Some(transfer));
    }

    fn on_disconnect(&self, session: &ObservedSession) {
        self.tell("disconnect", session, None);
    }
}

#[test]
fn both_connections_are_told_to_be_secure_when_they_are() {
    let (calls, told) = mpsc::channel();
    let server = TestServer::with(|handler| {
        FtpHandler::from(TlsFtpHandler::new(handler.observer(Recorder(calls))))
    });
    let mut client = TlsClient::explicit(server.address(), &config(VERSIONS[1]));
    client.expect(&format!("USER {}", USER.0), 331);
    client.expect(&format!("PASS {}", USER.1), 230);
    let mut stream = client.passive();
    client.expect("STOR clear", 150);
    stream.write_all(b"hello").unwrap();
    drop(stream);
    client.expect_reply(226);

    client.play(&[("PBSZ 0", 200), ("PROT P", 200)]);
    client.upload("secure", b"hello");

    // An end that is not announced may be somebody else's doing.
    let mut stream = client.begin("STOR truncated");
    stream.write_all(b"hello").unwrap();
    stream.flush().unwrap();
    stream.sock.shutdown(Shutdown::Write).unwrap();
    client.expect_reply(426);

    // What is no handshake is none.
    let mut stream = client.passive();
    client.expect("STOR noise", 150);
    stream.write_all(b"hello, no TLS is spoken here").unwrap();
    client.expect_reply(522);
    drop(client);

    for call in [
        "connect false",
        "USER true",
        "login true",
        "received true false Complete",
        "received true true Complete",
        "incomplete true true Truncated",
        "incomplete true true Unsecured",
        "disconnect true",
    ] {
        assert_eq!(told.recv_timeout(PATIENCE).as_deref(), Ok(call));
    }
}

#[test]
fn a_command_could_not_tell_whether_it_came_in_the_clear() {
    let server = TestServer::with(|handler| {
        let asked = CustomCommand::new("SITE TLS", |cx| {
            Reply::new(200, format!("{}.", cx.is_secure()))
        });
        TlsFtpHandler::new(handler.command(asked)).into()
    });
    let mut clear = server.client();
    assert_eq!(clear.expect("SITE TLS", 200).argument(), "false.");
    let mut secure = TlsClient::login(server.address(), &config(VERSIONS[1]));
    assert_eq!(secure.expect("SITE TLS", 200).argument(), "true.");
}
