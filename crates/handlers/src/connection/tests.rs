//! A connection on a loop that the test turns itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::PathBuf;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use ftpdlib_authorizers::{DummyAuthorizer, User};
use ftpdlib_filesystems::{Filesystem, MemoryFs};
use ftpdlib_ioloop::IoLoop;
use ftpdlib_proto::TransferType;
use ftpdlib_session::ControlEvent;

use super::closing::CLOSING_TIME;
use super::*;
use crate::testing::{alone, connection, service, sockets};
use crate::{FtpHandler, ObservedCommand, ObservedSession, ObservedTransfer, Observer, Verdict};

/// Longer than any dialogue takes unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a turn waits if nothing happens.
const MOMENT: Duration = Duration::from_millis(10);

/// The loop of one connection, and its client.
struct Dialogue {
    events: IoLoop,
    client: TcpStream,
    replies: String,
    until: Instant,
}

impl Dialogue {
    /// With a user who has the file `a`.
    fn logged_in() -> Self {
        let files = MemoryFs::new();
        files.insert("/a", "hello").unwrap();
        Self::with(serving(files), |connection| connection)
    }

    /// With the user of `handler`, on a connection as `make` makes it.
    fn with<H: Handler + 'static>(handler: FtpHandler, make: fn(Connection) -> H) -> Self {
        let service = service(handler);
        let (client, stream) = sockets();
        client.set_nonblocking(true).unwrap();
        let mut dialogue = Self {
            events: alone(make(connection(&service, stream))),
            client,
            replies: String::new(),
            until: Instant::now() + PATIENCE,
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
        assert!(Instant::now() < self.until, "the dialogue hangs");
        self.events.turn(Some(MOMENT)).unwrap();
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

    /// A data connection, as yet without a transfer.
    fn connect(&mut self) -> TcpStream {
        let reply = self.say("EPSV", "229 ");
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()
    }

    /// The data connection of a download whose `226` has come.
    fn download(&mut self) -> TcpStream {
        let mut data = self.connect();
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

    /// Whether the connection ends before the server would no longer wait for its client, whose end
    /// of a stream may arrive late.
    fn is_over(&mut self) -> bool {
        let until = Instant::now() + CLOSING_TIME / 2;
        while !self.events.is_empty() && Instant::now() < until {
            self.events.turn(Some(MOMENT)).unwrap();
        }
        self.events.is_empty()
    }
}

/// Serves `files` to a user.
fn serving(files: MemoryFs) -> FtpHandler {
    let users = DummyAuthorizer::new();
    let user = User::new("user", "12345", "/").perm("elrw");
    users.add_user(user).unwrap();
    let files: Arc<dyn Filesystem> = Arc::new(files);
    FtpHandler::new(users).abstracted_fs(move |_| Ok(Arc::clone(&files)))
}

#[test]
fn a_client_that_had_closed_its_download_kept_its_place_after_quit() {
    let mut dialogue = Dialogue::logged_in();
    drop(dialogue.download());
    dialogue.quit();
    assert!(dialogue.is_over());
}

#[test]
fn the_end_of_a_download_that_came_after_quit_was_not_seen() {
    let mut dialogue = Dialogue::logged_in();
    let data = dialogue.download();
    dialogue.quit();
    assert!(!dialogue.events.is_empty(), "the download's end was cut");
    data.shutdown(Shutdown::Write).unwrap();
    assert!(dialogue.is_over());
}

#[test]
fn an_upload_was_complete_if_its_end_came_in_the_same_turn_as_abor() {
    let mut dialogue = Dialogue::logged_in();
    let mut data = dialogue.connect();
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

/// A connection that loses each data connection before a transfer has it.
struct Losing(Connection);

impl Losing {
    fn lose<T>(&mut self, outcome: T, cx: &mut Context<'_>) -> T {
        if let DataSide::Open { .. } = self.0.data {
            self.0.data.close(cx);
        }
        outcome
    }
}

impl Handler for Losing {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.0.start(cx)
    }

    fn ready(&mut self, source: SourceId, ready: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let flow = self.0.ready(source, ready, cx);
        self.lose(flow, cx)
    }

    fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        let flow = self.0.timeout(timer, cx);
        self.lose(flow, cx)
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.0.notified(cx)
    }
}

/// Tells of downloads that were not complete: the file and its representation.
struct Incomplete(mpsc::Sender<(Option<PathBuf>, TransferType)>);

impl Observer for Incomplete {
    fn is_inline(&self) -> bool {
        true
    }

    fn on_incomplete_file_sent(&self, _: &ObservedSession, transfer: &ObservedTransfer) {
        let file = transfer.file.real_path.clone();
        self.0.send((file, transfer.transfer_type)).unwrap();
    }
}

#[test]
fn a_transfer_that_could_not_begin_was_told_without_its_real_path_and_type() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().canonicalize().unwrap().join("a");
    std::fs::write(&file, "hello").unwrap();
    let users = DummyAuthorizer::new();
    let user = User::new("user", "12345", home.path()).perm("elr");
    users.add_user(user).unwrap();
    let (told, heard) = mpsc::channel();
    let handler = FtpHandler::new(users).observer(Incomplete(told));
    let mut dialogue = Dialogue::with(handler, Losing);
    dialogue.say("TYPE I", "200 ");
    let _data = dialogue.connect();
    dialogue.say("NOOP", "200 ");
    dialogue.say("RETR a", "425 ");
    assert_eq!(heard.try_recv(), Ok((Some(file), TransferType::Image)));
}

/// Tells when it is asked about STAT, and answers when it is told to.
struct Pondering {
    asked: mpsc::Sender<()>,
    answers: Mutex<mpsc::Receiver<()>>,
}

impl Observer for Pondering {
    fn on_command(&self, _: &ObservedSession, command: &ObservedCommand) -> Verdict {
        if command.verb == "STAT" {
            self.asked.send(()).unwrap();
            // The test may have failed.
            let _ = self.answers.lock().unwrap().recv();
        }
        Verdict::Allow
    }
}

#[test]
fn stat_showed_no_bytes_that_had_come_while_an_observer_judged_it() {
    let files = MemoryFs::new();
    let (asked, hears) = mpsc::channel();
    let (answer, answers) = mpsc::channel();
    let pondering = Pondering {
        asked,
        answers: Mutex::new(answers),
    };
    let handler = serving(files.clone()).observer(pondering);
    let mut dialogue = Dialogue::with(handler, |connection| connection);
    let mut data = dialogue.connect();
    dialogue.say("STOR a", "150 ");
    data.write_all(b"before").unwrap();
    while files.contents("/a").unwrap() != b"before" {
        dialogue.turn();
    }
    dialogue.client.write_all(b"STAT\r\n").unwrap();
    while hears.try_recv().is_err() {
        dialogue.turn();
    }
    data.write_all(b", after").unwrap();
    while files.contents("/a").unwrap() != b"before, after" {
        dialogue.turn();
    }
    answer.send(()).unwrap();
    let shown = dialogue.expect(" Data connection");
    assert_eq!(shown.trim(), "Data connection open: 13 bytes received.");
}

/// Takes long over a few commands.
struct Slow;

impl Observer for Slow {
    fn is_inline(&self) -> bool {
        true
    }

    fn on_command(&self, _: &ObservedSession, _: &ObservedCommand) -> Verdict {
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(50) {}
        Verdict::Allow
    }
}

#[test]
fn the_lines_of_many_clients_that_took_long_were_all_served_in_each_turn() {
    let service = service(serving(MemoryFs::new()).observer(Slow));
    let mut events = IoLoop::new().unwrap();
    let lines = "NOOP\r\n".repeat(200);
    let lines = format!("USER user\r\nPASS 12345\r\n{lines}QUIT\r\n");
    let mut clients = Vec::new();
    for _ in 0..8 {
        let (mut client, stream) = sockets();
        client.write_all(lines.as_bytes()).unwrap();
        client.set_nonblocking(true).unwrap();
        events.add(Box::new(connection(&service, stream))).unwrap();
        clients.push((client, String::new()));
    }
    let mut fewest = clients.len();
    let have = |reply| move |(_, got): &(TcpStream, String)| got.contains(reply);
    while !clients.iter().all(have("\n221 ")) {
        let all_go_on = clients.iter().all(have("\n230 "));
        events.turn(Some(MOMENT)).unwrap();
        let served = clients.iter_mut().filter_map(|(client, got)| {
            let before = got.len();
            // It would block at the end of what has come.
            let _ = client.read_to_string(got);
            (got.len() > before).then_some(())
        });
        let served = served.count();
        if all_go_on && !clients.iter().any(have("\n221 ")) {
            fewest = fewest.min(served);
        }
    }
    assert!(fewest < clients.len(), "{fewest}");
}
