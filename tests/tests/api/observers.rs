//! Observers are told of everything, in order, and nobody else waits for them.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use ftpdlib::filesystems::{ErrorKind, Filesystem, MemoryFs};
use ftpdlib::handlers::{
    DtpHandler, ObservedCommand, ObservedPath, ObservedSession, ObservedTransfer, Observer, Verdict,
};
use ftpdlib::proto::{Reply, TransferEnd};
use ftpdlib_tests::client::{Client, USER, read_to_any_end, reset};
use ftpdlib_tests::gate::Gate;
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::PATIENCE;

/// Tells a test of every call, commands aside.
struct Recorder {
    calls: Sender<String>,
    inline: bool,
}

impl Recorder {
    fn tell(&self, call: String) {
        // A test that has seen enough listens no more.
        let _ = self.calls.send(call);
    }

    fn tell_of_transfer(&self, call: &str, transfer: &ObservedTransfer) {
        let ObservedTransfer {
            verb,
            file,
            transfer_type,
            end,
            bytes,
            ..
        } = transfer;
        let path = &file.path;
        self.tell(format!(
            "{call} {verb} {path} {transfer_type:?} {end:?} {bytes}"
        ));
    }
}

impl Observer for Recorder {
    fn is_inline(&self) -> bool {
        self.inline
    }

    fn wants_commands(&self) -> bool {
        false
    }

    fn on_connect(&self, session: &ObservedSession) {
        self.tell(format!("connect {}", session.peer().ip()));
    }

    fn on_disconnect(&self, session: &ObservedSession) {
        self.tell(format!("disconnect {:?}", session.username()));
    }

    fn on_login(&self, session: &ObservedSession, username: &str) {
        assert_eq!(session.username(), Some(username));
        self.tell(format!("login {username}"));
    }

    fn on_login_failed(&self, _: &ObservedSession, username: &str, password: &str) {
        self.tell(format!("login failed {username} {password}"));
    }

    fn on_logout(&self, _: &ObservedSession, username: &str) {
        self.tell(format!("logout {username}"));
    }

    fn on_file_sent(&self, _: &ObservedSession, transfer: &ObservedTransfer) {
        self.tell_of_transfer("sent", transfer);
    }

    fn on_file_received(&self, _: &ObservedSession, transfer: &ObservedTransfer) {
        self.tell_of_transfer("received", transfer);
    }

    fn on_incomplete_file_sent(&self, _: &ObservedSession, transfer: &ObservedTransfer) {
        let path = &transfer.file.path;
        self.tell(format!("incomplete sent {path} {:?}", transfer.end));
    }

    fn on_incomplete_file_received(&self, _: &ObservedSession, transfer: &ObservedTransfer) {
        let path = &transfer.file.path;
        self.tell(format!("incomplete received {path} {:?}", transfer.end));
    }

    fn on_rename(&self, _: &ObservedSession, from: &ObservedPath, to: &ObservedPath) {
        self.tell(format!("rename {} {}", from.path, to.path));
    }

    fn on_delete(&self, _: &ObservedSession, file: &ObservedPath) {
        self.tell(format!("delete {}", file.path));
    }

    fn on_mkdir(&self, _: &ObservedSession, directory: &ObservedPath) {
        self.tell(format!("mkdir {}", directory.path));
    }

    fn on_rmdir(&self, _: &ObservedSession, directory: &ObservedPath) {
        self.tell(format!("rmdir {}", directory.path));
    }

    fn on_other_change(
        &self,
        _: &ObservedSession,
        verb: &'static str,
        file: &ObservedPath,
        _: Option<&ObservedPath>,
    ) {
        self.tell(format!("other {verb} {}", file.path));
    }

    fn on_chmod(&self, _: &ObservedSession, file: &ObservedPath, mode: u32) {
        self.tell(format!("chmod {} {mode:o}", file.path));
    }
}

fn recorded(inline: bool) -> (TestServer, Receiver<String>) {
    let (calls, told) = mpsc::channel();
    let server = TestServer::with(|handler| handler.observer(Recorder { calls, inline }));
    (server, told)
}

#[track_caller]
fn expect(told: &Receiver<String>, expected: &[&str]) {
    for call in expected {
        assert_eq!(told.recv_timeout(PATIENCE).as_deref(), Ok(*call));
    }
}

#[test]
fn everything_is_told_in_order() {
    for inline in [false, true] {
        let (server, told) = recorded(inline);
        server.file("there", "hello");
        let mut client = Client::connect(server.address());
        client.play(&[("USER user", 331), ("PASS wrong", 530)]);
        client.play(&[("USER user", 331), ("PASS 12345", 230), ("TYPE I", 200)]);
        client.put("STOR new", b"four");
        client.put("APPE new", b"more");
        client.fetch("RETR new");
        client.fetch("LIST");
        client.play(&[("MKD d", 257), ("SITE CHMOD 640 new", 200)]);
        client.expect("MFMT 20200115120000 new", 213);
        client.expect("MFF UNIX.mode=600; new", 213);
        client.expect("MFF Modify=20200115120000;UNIX.mode=644; new", 213);
        client.expect("MFF Modify=20200115120000; new", 213);
        client.play(&[("RNFR new", 350), ("RNTO d/old", 250), ("DELE d/old", 250)]);
        client.play(&[("RMD d", 250), ("DELE nothing", 550), ("RETR new", 425)]);
        client.play(&[("USER user", 331), ("PASS 12345", 230), ("QUIT", 221)]);
        client.expect_end();
        drop(client);
        expect(
            &told,
            &[
                "connect 127.0.0.1",
                "login failed user wrong",
                "login user",
                "received STOR /new Image Complete 4",
                "received APPE /new Image Complete 4",
                "sent RETR /new Image Complete 8",
                "mkdir /d",
                "chmod /new 640",
                "other MFMT /new",
                "chmod /new 600",
                "chmod /new 644",
                "other MFF /new",
                "other MFF /new",
                "rename /new /d/old",
                "delete /d/old",
                "rmdir /d",
                "logout user",
                "login user",
                "logout user",
                "disconnect Some(\"user\")",
            ],
        );
    }
}

#[test]
fn observers_were_not_told_which_parts_were_deleted() {
    for inline in [false, true] {
        let (calls, told) = mpsc::channel();
        let files = MemoryFs::new();
        for name in ["/a", "/b", "/c"] {
            files.insert(name, "hello").unwrap();
        }
        let removals = AtomicUsize::new(0);
        let files = Hooked::new(files, move |call| {
            // The second part stays. A file that shows the mode of new ones is removed before.
            match call == "remove" && removals.fetch_add(1, Ordering::Relaxed) == 2 {
                true => Err(ErrorKind::PermissionDenied.into()),
                false => Ok(()),
            }
        });
        let files: Arc<dyn Filesystem> = Arc::new(files);
        let server = TestServer::with(|handler| {
            let handler = handler.observer(Recorder { calls, inline });
            handler.abstracted_fs(move |_| Ok(Arc::clone(&files)))
        });
        let mut client = server.client();
        client.play(&[("COMB all a b c", 550), ("COMB all b", 250)]);
        expect(
            &told,
            &[
                "connect 127.0.0.1",
                "login user",
                "other COMB /all",
                "delete /a",
                "delete /c",
                "other COMB /all",
                "delete /b",
            ],
        );
    }
}

#[test]
fn a_client_that_just_goes_does_not_log_out() {
    let (server, told) = recorded(false);
    drop(server.client());
    expect(
        &told,
        &[
            "connect 127.0.0.1",
            "login user",
            "disconnect Some(\"user\")",
        ],
    );
}

#[test]
fn transfers_that_are_not_whole_are_told_apart() {
    let (server, told) = recorded(false);
    server.file("big", vec![b'x'; 32 << 20]);
    let mut client = server.client();
    let stream = client.begin("RETR big");
    client.play(&[("ABOR", 426)]);
    client.expect_reply(226);
    drop(stream);
    let mut stream = client.begin("STOR part");
    stream.write_all(b"hello").unwrap();
    client.play(&[("ABOR", 426)]);
    client.expect_reply(226);
    expect(
        &told,
        &[
            "connect 127.0.0.1",
            "login user",
            "incomplete sent /big Aborted",
            "incomplete received /part Aborted",
        ],
    );
}

#[test]
fn every_end_of_a_transfer_is_told() {
    type Break = fn(Client, TcpStream);
    let reset_data: Break = |mut client, stream| {
        reset(stream);
        client.expect_reply(426);
    };
    let stop: Break = |mut client, stream| {
        client.expect_reply(421);
        client.expect_end();
        drop(stream);
    };
    let lose: Break = |client, stream| {
        client.reset();
        // Nobody but the server ends the data connection.
        read_to_any_end(stream);
    };
    let fail: Break = |mut client, stream| {
        client.expect_reply(451);
        drop(stream);
    };
    let kick: Break = |mut client, stream| {
        client.expect_reply(421);
        drop(stream);
    };
    for (command, file, way, end) in [
        ("STOR new", "new", reset_data, "Reset"),
        ("RETR big", "big", reset_data, "Reset"),
        ("STOR new", "new", stop, "Stalled"),
        ("RETR big", "big", stop, "Stalled"),
        ("STOR new", "new", lose, "ControlLost"),
        ("RETR big", "big", lose, "ControlLost"),
        ("STOR fails", "fails", fail, "LocalError"),
        ("RETR fails", "fails", fail, "LocalError"),
        ("STOR new", "new", kick, "Shutdown"),
        ("RETR big", "big", kick, "Shutdown"),
    ] {
        let (calls, told) = mpsc::channel();
        let files = MemoryFs::new();
        files.insert("/big", vec![b'x'; 32 << 20]).unwrap();
        files.insert("/fails", "hello").unwrap();
        let fails = end == "LocalError";
        let files = Hooked::new(files, move |call| match call {
            "read" | "write" if fails => Err(ErrorKind::Other.into()),
            _ => Ok(()),
        });
        let files: Arc<dyn Filesystem> = Arc::new(files);
        let timeout = (end == "Stalled").then_some(Duration::from_millis(500));
        let server = TestServer::with(|handler| {
            let inline = false;
            let handler = handler.observer(Recorder { calls, inline });
            handler
                .dtp_handler(DtpHandler::default().timeout(timeout))
                .abstracted_fs(move |_| Ok(Arc::clone(&files)))
        });
        let mut client = server.client();
        let mut stream = client.begin(command);
        if command.starts_with("STOR") {
            stream.write_all(b"hello").unwrap();
        }
        if end == "Shutdown" {
            server.handle().close_all();
        }
        way(client, stream);
        let way = if command.starts_with("STOR") {
            "received"
        } else {
            "sent"
        };
        let expected = format!("incomplete {way} /{file} {end}");
        expect(&told, &["connect 127.0.0.1", "login user", &expected]);
    }
}

#[test]
fn an_upload_does_not_outlive_its_control_connection() {
    let (gate, keeper) = Gate::closed();
    let files = Hooked::new(MemoryFs::new(), move |call| {
        if call == "write" {
            gate.pass();
        }
        Ok(())
    });
    let (calls, told) = mpsc::channel();
    let inline = false;
    let files: Arc<dyn Filesystem> = Arc::new(files);
    let server = TestServer::with(|handler| {
        let handler = handler.observer(Recorder { calls, inline });
        handler.abstracted_fs(move |_| Ok(Arc::clone(&files)))
    });
    let mut client = server.client();
    let mut stream = client.begin("STOR part");
    stream.write_all(b"hello").unwrap();
    keeper.wait_for(1);
    drop(client);
    // Whoever is answered now comes after that.
    Client::connect(server.address()).expect("NOOP", 200);
    keeper.open();
    let told: Vec<String> = std::iter::from_fn(|| told.recv_timeout(PATIENCE).ok())
        .filter(|call| call.starts_with("incomplete"))
        .take(1)
        .collect();
    assert_eq!(told, ["incomplete received /part ControlLost"]);
    // The data connection was open all the time.
    drop(stream);
}

/// Gives the real path of the first upload, and what its session's note says.
struct Paths(Sender<(Option<std::path::PathBuf>, String)>);

impl Observer for Paths {
    fn on_login(&self, session: &ObservedSession, username: &str) {
        session.set_note(format!("note of {username}"));
    }

    fn on_file_received(&self, session: &ObservedSession, upload: &ObservedTransfer) {
        let note = session.note::<String>().unwrap();
        let _ = self
            .0
            .send((upload.file.real_path.clone(), note.to_string()));
    }
}

#[test]
fn real_paths_and_notes_are_for_observers() {
    let (paths, told) = mpsc::channel();
    let server = TestServer::with(|handler| handler.observer(Paths(paths)));
    server.client().put("STOR new", b"hello");
    let (path, note) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        path,
        Some(server.home().canonicalize().unwrap().join("new"))
    );
    assert_eq!(note, "note of user");
}

/// Stands at a gate at every login.
struct Sleeper(Gate);

impl Observer for Sleeper {
    fn on_login(&self, _: &ObservedSession, _: &str) {
        self.0.pass();
    }
}

#[test]
fn a_callback_that_sleeps_stalls_its_own_session_only() {
    let (gate, keeper) = Gate::closed();
    let server = TestServer::with(|handler| handler.observer(Sleeper(gate)));
    let mut sleepers: Vec<_> = (0..40).map(|_| Client::connect(server.address())).collect();
    for client in &mut sleepers {
        client.play(&[("USER user", 331), ("PASS 12345", 230)]);
        client.send("NOOP");
    }
    keeper.wait_for(40);
    let mut other = Client::connect(server.address());
    other.play(&[("NOOP", 200), ("USER user", 331), ("NOOP", 200)]);
    keeper.open();
    for client in &mut sleepers {
        client.expect_reply(200);
        client.expect("QUIT", 221);
    }
}

/// Forbids DELE, panics at MKD and closes at ALLO.
struct Judge {
    inline: bool,
    seen: Sender<(String, Vec<u8>)>,
}

impl Observer for Judge {
    fn is_inline(&self) -> bool {
        self.inline
    }

    fn on_command(&self, session: &ObservedSession, command: &ObservedCommand) -> Verdict {
        let _ = self
            .seen
            .send((command.verb.clone(), command.argument.clone()));
        match command.verb.as_str() {
            "DELE" => Verdict::Refuse(Reply::new(550, "Not today.")),
            "RMD" => Verdict::Refuse(Reply::new(150, "More to come.")),
            "MKD" => panic!("as the test wants it"),
            "ALLO" => {
                session.close();
                Verdict::Allow
            }
            _ => Verdict::Allow,
        }
    }
}

#[test]
fn a_veto_is_the_reply() {
    for inline in [false, true] {
        let (seen, told) = mpsc::channel();
        let server = TestServer::with(|handler| handler.observer(Judge { inline, seen }));
        server.file("a", "hello");
        let mut client = server.client();
        assert_eq!(client.expect("DELE a", 550).argument(), "Not today.");
        assert!(server.path("a").exists());
        client.play(&[("RNFR a", 350), ("DELE a", 550), ("RNTO b", 503)]);
        // Not a reply after which the client would wait for another.
        client.play(&[("RMD d", 451), ("NOOP", 200)]);
        client.play(&[("MKD d", 451), ("NOOP", 200), ("site chmod 600 a", 200)]);
        client.send_raw(b"NOOP\r\nDELE a\r\nNOOP\r\n");
        for code in [200, 550, 200] {
            client.expect_reply(code);
        }
        let seen: Vec<_> = told.try_iter().collect();
        assert!(seen.contains(&("PASS".into(), Vec::new())), "{seen:?}");
        assert!(seen.contains(&("SITE CHMOD".into(), b"600 a".to_vec())));
        client.send("ALLO 1");
        let mut codes = Vec::new();
        while let Some(reply) = client.next_reply() {
            codes.push(reply.code);
        }
        assert_eq!(codes.last(), Some(&421), "{codes:?}");
        server.check_serves();
    }
}

/// Waits at a gate before each command of a logged-in user.
struct SlowJudge(Gate);

impl Observer for SlowJudge {
    fn on_command(&self, session: &ObservedSession, _: &ObservedCommand) -> Verdict {
        if session.username().is_some() {
            self.0.pass();
        }
        Verdict::Allow
    }
}

#[test]
fn only_its_session_waits_for_a_verdict() {
    let (gate, keeper) = Gate::closed();
    let server = TestServer::with(|handler| handler.observer(SlowJudge(gate)));
    let mut client = server.client();
    client.send_raw(b"NOOP\r\nNOOP\r\nQUIT\r\n");
    keeper.wait_for(1);
    let mut other = Client::connect(server.address());
    other.play(&[("NOOP", 200), (&format!("USER {}", USER.0), 331)]);
    let gone = server.client();
    gone.reset();
    keeper.open();
    for code in [200, 200, 221] {
        client.expect_reply(code);
    }
    client.expect_end();
}

/// Limits every session to what takes a second for the test's file.
struct Slow;

impl Observer for Slow {
    fn on_login(&self, session: &ObservedSession, _: &str) {
        session.set_rate(0, 1 << 20);
    }

    fn wants_commands(&self) -> bool {
        false
    }
}

#[test]
fn a_rate_is_set_for_one_session() {
    let (calls, told) = mpsc::channel();
    let server = TestServer::with(|handler| {
        let recorder = Recorder {
            calls,
            inline: false,
        };
        handler.observer(Slow).observer(recorder)
    });
    server.file("a", vec![b'x'; 256 << 10]);
    let start = std::time::Instant::now();
    server.client().fetch("RETR a");
    // Less is impossible however fast the machine is.
    assert!(start.elapsed().as_millis() >= 150, "{:?}", start.elapsed());
    expect(&told, &["connect 127.0.0.1", "login user"]);
}

/// Holds up the loop at NOOP, and tells of uploads that were broken off.
struct Staller {
    gate: Gate,
    calls: Sender<TransferEnd>,
}

impl Observer for Staller {
    fn is_inline(&self) -> bool {
        true
    }

    fn on_command(&self, _: &ObservedSession, command: &ObservedCommand) -> Verdict {
        if command.verb == "NOOP" {
            self.gate.pass();
        }
        Verdict::Allow
    }

    fn on_incomplete_file_received(&self, _: &ObservedSession, transfer: &ObservedTransfer) {
        let _ = self.calls.send(transfer.end.clone());
    }
}

#[test]
fn a_data_connection_older_than_its_command_was_found_after_it() {
    let (gate, keeper) = Gate::closed();
    let (calls, told) = mpsc::channel();
    let server = TestServer::with(|handler| handler.observer(Staller { gate, calls }));
    let mut client = server.client();
    let address = client.epsv();
    client.send("NOOP");
    keeper.wait_for(1);
    let _stream = TcpStream::connect(address).unwrap();
    client.send_raw(b"STOR part\r\nABOR\r\n");
    keeper.open();
    for code in [200, 150, 426, 226] {
        client.expect_reply(code);
    }
    assert_eq!(told.recv_timeout(PATIENCE), Ok(TransferEnd::Aborted));
}
