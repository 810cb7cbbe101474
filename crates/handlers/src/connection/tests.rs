//! A connection on a loop that the test turns itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

use ftpdlib_authorizers::{DummyAuthorizer, User};
use ftpdlib_filesystems::{Filesystem, MemoryFs};
use ftpdlib_ioloop::IoLoop;
use ftpdlib_session::ControlEvent;

use super::*;
use crate::FtpHandler;
use crate::testing::{alone, connection, service, sockets};

/// The loop of one connection, and its client.
struct Dialogue {
    events: IoLoop,
    client: TcpStream,
    replies: String,
}

impl Dialogue {
    /// With a user who has the file `a`.
    fn logged_in() -> Self {
        let users = DummyAuthorizer::new();
        let user = User::new("user", "12345", "/").perm("elrw");
        users.add_user(user).unwrap();
        let handler = FtpHandler::new(users).abstracted_fs(|_| {
            let files = MemoryFs::new();
            files.insert("/a", "hello")?;
            Ok(Arc::new(files) as Arc<dyn Filesystem>)
        });
        let service = service(handler);
        let (client, stream) = sockets();
        client.set_nonblocking(true).unwrap();
        let mut dialogue = Self {
            events: alone(connection(&service, stream)),
            client,
            replies: String::new(),
        };
        dialogue.say("USER user", "331 ");
        dialogue.say("PASS 12345", "230 ");
        dialogue
    }

    /// Sends a line, and takes the replies up to the one that begins so.
    fn say(&mut self, line: &str, code: &str) -> String {
        self.client
            .write_all(format!("{line}\r\n").as_bytes())
            .unwrap();
        self.expect(code)
    }

    fn expect(&mut self, code: &str) -> String {
        loop {
            while let Some(end) = self.replies.find('\n') {
                let reply: String = self.replies.drain(..=end).collect();
                if reply.starts_with(code) {
                    return reply;
                }
            }
            assert!(self.turn(), "no {code}");
        }
    }

    /// Turns the loop, then takes what the client got; whether that can go on.
    fn turn(&mut self) -> bool {
        let moment = Duration::from_millis(10);
        self.events.turn(Some(moment)).unwrap();
        let mut bytes = [0; 512];
        match self.client.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.replies
                    .push_str(str::from_utf8(&bytes[..count]).unwrap());
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                true
            }
        }
    }

    /// The data connection of a download whose `226` has come.
    fn download(&mut self) -> TcpStream {
        let reply = self.say("EPSV", "229 ");
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        let mut data = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        self.say("RETR a", "226 ");
        let mut content = String::new();
        data.read_to_string(&mut content).unwrap();
        assert_eq!(content, "hello");
        data
    }

    fn quit(&mut self) {
        self.say("QUIT", "221 ");
        while self.turn() {}
    }
}

#[test]
fn a_client_that_had_closed_its_download_kept_its_place_after_quit() {
    let mut dialogue = Dialogue::logged_in();
    drop(dialogue.download());
    dialogue.quit();
    assert!(dialogue.events.is_empty());
}

#[test]
fn the_end_of_a_download_that_came_after_quit_was_not_seen() {
    let mut dialogue = Dialogue::logged_in();
    let data = dialogue.download();
    dialogue.quit();
    assert!(!dialogue.events.is_empty(), "the download's end was cut");
    data.shutdown(Shutdown::Write).unwrap();
    dialogue.events.turn(Some(Duration::ZERO)).unwrap();
    assert!(dialogue.events.is_empty());
}

#[test]
fn an_upload_was_complete_if_its_end_came_in_the_same_turn_as_abor() {
    let mut dialogue = Dialogue::logged_in();
    let reply = dialogue.say("EPSV", "229 ");
    let port = reply.split('|').nth(3).unwrap().parse().unwrap();
    let mut data = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    dialogue.say("STOR part", "150 ");
    data.write_all(b"the beginning").unwrap();
    dialogue.client.write_all(b"ABOR\r\n").unwrap();
    drop(data);
    dialogue.expect("426 ");
    dialogue.expect("226 ");
}

#[test]
fn the_end_of_the_server_was_told_with_a_later_time_than_what_came_after_it() {
    let service = service(FtpHandler::new(DummyAuthorizer::new()));
    let (_client, stream) = sockets();
    let mut connection = connection(&service, stream);
    let now = Instant::now();
    for line in [&b"USER user"[..], b"PASS 12345"] {
        let event = ControlEvent::Line(line);
        connection.session.handle_control(event, now);
    }
    service.sessions.end();
    let turn = now + Duration::from_secs(60);
    connection.follow_phase(turn);
    // From then on the job of the login is waited for.
    let until = connection.session.poll_timeout();
    assert_eq!(until, Some(turn + Duration::from_secs(5)));
}
