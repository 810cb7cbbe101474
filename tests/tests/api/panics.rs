//! Code of the server's owner that panics costs its own session and nobody else.

use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use ftpdlib::authorizers::{
    AuthenticationFailed, Authorizer, DummyAuthorizer, Login, LoginRequest, User,
};
use ftpdlib::filesystems::{Filesystem, FilesystemError, Layer, Layered, MemoryFs};
use ftpdlib::handlers::{
    CustomCommand, FtpHandler, ObservedCommand, ObservedSession, ObservedTransfer, Observer,
    Verdict,
};
use ftpdlib::proto::{Metadata, Perm, Reply, TransferEnd, VirtualPath};
use ftpdlib::servers::FtpServerBuilder;
use ftpdlib_tests::client::Client;
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::PATIENCE;
use tempfile::TempDir;

/// Panics where it is told to: in `authenticate` for the user `panic`, in `has_perm` for a path of
/// that name.
struct Fragile {
    users: DummyAuthorizer,
    immediate: bool,
}

impl Authorizer for Fragile {
    fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
        assert_ne!(request.username, "panic", "as the test wants it");
        self.users.authenticate(request)
    }

    fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
        assert_ne!(path.as_bytes(), b"/panic", "as the test wants it");
        self.users.has_perm(login, perm, path)
    }

    fn is_immediate(&self, _: &str) -> bool {
        self.immediate
    }

    fn is_local(&self) -> bool {
        self.immediate
    }
}

/// Panics when it is asked about `panics`.
struct FragileFacts {
    local: bool,
}

impl Layer for FragileFacts {
    fn stat(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Metadata, FilesystemError> {
        assert_ne!(path.as_bytes(), b"/panics", "as the test wants it");
        inner.stat(path)
    }

    fn is_local(&self, _: &dyn Filesystem) -> bool {
        self.local
    }
}

/// Panics whenever a client connects.
struct FragileObserver {
    inline: bool,
}

impl Observer for FragileObserver {
    fn is_inline(&self) -> bool {
        self.inline
    }

    fn on_connect(&self, _: &ObservedSession) {
        panic!("as the test wants it");
    }

    fn wants_commands(&self) -> bool {
        false
    }
}

/// What is logged as an error by the servers of this program.
struct Errors(Mutex<Vec<String>>);

static ERRORS: Errors = Errors(Mutex::new(Vec::new()));

impl Errors {
    /// Has them collected, whichever test asks first.
    fn collect() {
        static COLLECTING: Once = Once::new();
        COLLECTING.call_once(|| log::set_logger(&ERRORS).unwrap());
        log::set_max_level(log::LevelFilter::Error);
    }

    /// Checks that one of them begins with `start` and has `told` in it.
    #[track_caller]
    fn check_one(start: &str, told: &str) {
        let errors = ERRORS.0.lock().unwrap();
        let found = errors.iter().filter(|error| error.starts_with(start));
        let found = found.filter(|error| error.contains(told)).count();
        assert_eq!(found, 1, "{start} {told}: {errors:?}");
    }
}

impl log::Log for Errors {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// The code of the reply; `None` for a session that ended.
fn answer(client: &mut Client, line: &str) -> Option<u16> {
    client.send(line);
    client.next_reply().map(|reply| reply.code)
}

#[test]
fn a_panic_on_the_loop_ended_its_session_without_an_answer() {
    for on_the_loop in [false, true] {
        let home = TempDir::new().unwrap();
        let users = DummyAuthorizer::new();
        for name in ["user", "homeless"] {
            let user = User::new(name, "12345", home.path()).perm("elradfmwMT");
            users.add_user(user).unwrap();
        }
        let authorizer = Fragile {
            users,
            immediate: on_the_loop,
        };
        let handler = FtpHandler::new(authorizer)
            .auth_failed_timeout(Duration::ZERO)
            .observer(FragileObserver {
                inline: on_the_loop,
            })
            .abstracted_fs(move |login| {
                assert_ne!(login.username, "homeless", "as the test wants it");
                let files = MemoryFs::new();
                files.insert("/a", "hello")?;
                let local = on_the_loop;
                let files = Layered::new(FragileFacts { local }, Arc::new(files));
                Ok(Arc::new(files) as Arc<dyn Filesystem>)
            });
        let builder = FtpServerBuilder::new(handler).listen(([127, 0, 0, 1], 0));
        let server = TestServer::run(builder, home);
        let mut other = server.client();
        for (name, commands, code) in [
            ("panic", [].as_slice(), 421),
            ("homeless", &[], 421),
            ("user", &["SIZE panic"], 451),
            ("user", &["SIZE panics"], 451),
        ] {
            let mut client = Client::connect(server.address());
            client.expect(&format!("USER {name}"), 331);
            let mut answered = answer(&mut client, "PASS 12345");
            for command in commands {
                assert_eq!(answered, Some(230), "{name}");
                client.expect("TYPE I", 200);
                answered = answer(&mut client, command);
            }
            let what = format!("{name} {commands:?} on the loop: {on_the_loop}");
            assert_eq!(answered, Some(code), "{what}");
            match code {
                421 => client.expect_end(),
                _ => drop(client.expect("NOOP", 200)),
            }
            other.play(&[("NOOP", 200), ("TYPE I", 200), ("SIZE a", 213)]);
            server.check_serves();
        }
    }
}

/// Tells how transfers have ended that are not complete.
struct Ends(Sender<TransferEnd>);

impl Observer for Ends {
    fn is_inline(&self) -> bool {
        true
    }

    fn wants_commands(&self) -> bool {
        false
    }

    fn on_incomplete_file_sent(&self, _: &ObservedSession, transfer: &ObservedTransfer) {
        let _ = self.0.send(transfer.end.clone());
    }

    fn on_incomplete_file_received(&self, _: &ObservedSession, transfer: &ObservedTransfer) {
        let _ = self.0.send(transfer.end.clone());
    }
}

#[test]
fn a_panic_in_a_transfer_on_the_loop_was_told_as_the_end_of_the_server() {
    for on_the_loop in [false, true] {
        let (ends, told) = mpsc::channel();
        let panicking = Arc::new(Mutex::new(""));
        let asked = Arc::clone(&panicking);
        let (finishing, finished) = mpsc::channel();
        let server = TestServer::with(|handler| {
            handler.observer(Ends(ends)).abstracted_fs(move |_| {
                let files = MemoryFs::new();
                files.insert("/a", "hello")?;
                let (asked, finishing) = (Arc::clone(&asked), finishing.clone());
                let files = Hooked::new(files, move |call| {
                    if call == "finish" {
                        let _ = finishing.send(());
                    }
                    let panics = *asked.lock().unwrap() == call;
                    assert!(!panics, "as the test wants it");
                    Ok(())
                });
                Ok(Arc::new(if on_the_loop { files.local() } else { files }))
            })
        });
        let mut client = server.client();
        let panic_in = |call| *panicking.lock().unwrap() = call;
        panic_in("mkdir");
        client.expect("MKD d", 451);
        for (call, command) in [
            ("write", "STOR b"),
            ("finish", "STOR b"),
            ("read", "RETR a"),
        ] {
            panic_in(call);
            let mut data = client.begin(command);
            if command == "STOR b" {
                data.write_all(b"x").unwrap();
                data.shutdown(Shutdown::Write).unwrap();
            }
            client.expect_reply(451);
            let end = told.recv_timeout(PATIENCE);
            assert_eq!(end, Ok(TransferEnd::LocalError), "{call}");
            let was_finished = finished.try_recv().is_ok();
            assert_eq!(was_finished, command == "STOR b", "{call}");
        }
        panic_in("next_batch");
        let data = client.begin("NLST");
        client.expect_reply(451);
        drop(data);
        panic_in("");
        assert_eq!(client.fetch("RETR a"), b"hello");
    }
}

/// Panics when it is asked about a command without an argument.
struct Choosy {
    inline: bool,
}

impl Observer for Choosy {
    fn is_inline(&self) -> bool {
        self.inline
    }

    fn on_command(&self, _: &ObservedSession, command: &ObservedCommand) -> Verdict {
        assert_ne!(command.verb, "SYST", "as the test wants it");
        match command.verb == "PWD" {
            true => Verdict::Refuse(Reply::new(150, "Wait.")),
            false => Verdict::Allow,
        }
    }
}

#[test]
fn nobody_knew_whose_code_had_failed_in_which_session() {
    Errors::collect();
    for inline in [false, true] {
        let server = TestServer::with(|handler| {
            handler
                .log_prefix("[{remote_port} {username}]")
                .observer(Choosy { inline })
                .command(CustomCommand::new("SITE PANIC", |_| {
                    panic!("as the test wants it")
                }))
                .command(CustomCommand::new("SITE WAIT", |_| {
                    Reply::new(150, "Wait.")
                }))
        });
        let mut client = server.client();
        let prefix = format!("[{} user] ", client.local_addr().port());
        for (line, told) in [
            ("SITE PANIC", "the custom command SITE PANIC panicked: "),
            ("SITE WAIT", "the custom command SITE WAIT gave a reply "),
            ("SYST", "an observer's on_command (SYST) panicked: "),
            ("PWD", "an observer's on_command (PWD) gave a reply "),
        ] {
            client.expect(line, 451);
            Errors::check_one(&format!("{prefix}{told}"), "");
        }
    }
}

/// Panics, while it is told to, when it is asked whether it wants commands.
struct Undecided {
    inline: bool,
    panics: Arc<AtomicBool>,
}

impl Observer for Undecided {
    fn is_inline(&self) -> bool {
        self.inline
    }

    fn wants_commands(&self) -> bool {
        assert!(!self.panics.load(Ordering::Relaxed), "as the test wants it");
        true
    }
}

#[test]
fn a_panic_of_an_observer_asked_for_its_interest_froze_or_ended_the_session() {
    Errors::collect();
    for inline in [false, true] {
        let panics = Arc::new(AtomicBool::new(false));
        let observer = Undecided {
            inline,
            panics: Arc::clone(&panics),
        };
        let server = TestServer::with(|handler| {
            let handler = handler.log_prefix("[{remote_port} {username}]");
            handler.observer(observer)
        });
        let mut client = server.client();
        panics.store(true, Ordering::Relaxed);
        client.expect("SYST", 451);
        let mut newcomer = Client::connect(server.address());
        newcomer.expect("NOOP", 451);
        panics.store(false, Ordering::Relaxed);
        client.expect("NOOP", 200);
        newcomer.expect("NOOP", 200);
        let prefix = format!("[{} user] ", client.local_addr().port());
        let told = "an observer's on_command (SYST) panicked: ";
        Errors::check_one(&format!("{prefix}{told}"), "");
    }
}

#[test]
fn nobody_knew_in_which_session_an_authorizer_or_a_filesystem_had_failed() {
    Errors::collect();
    for on_the_loop in [false, true] {
        let home = TempDir::new().unwrap();
        let users = DummyAuthorizer::new();
        for name in ["user", "homeless"] {
            users
                .add_user(User::new(name, "12345", home.path()))
                .unwrap();
        }
        let authorizer = Fragile {
            users,
            immediate: on_the_loop,
        };
        let handler = FtpHandler::new(authorizer)
            .auth_failed_timeout(Duration::ZERO)
            .log_prefix("[{remote_port}]")
            .abstracted_fs(move |login| {
                assert_ne!(login.username, "homeless", "as the test wants it");
                let files = Hooked::new(MemoryFs::new(), |call| {
                    assert_ne!(call, "list", "as the test wants it");
                    Ok(())
                });
                Ok(Arc::new(if on_the_loop { files.local() } else { files }))
            });
        let builder = FtpServerBuilder::new(handler).listen(([127, 0, 0, 1], 0));
        let server = TestServer::run(builder, home);
        for (name, command) in [
            ("panic", "NOOP"),
            ("homeless", "NOOP"),
            ("user", "SIZE panic"),
            ("user", "LIST"),
        ] {
            let mut client = Client::connect(server.address());
            client.expect(&format!("USER {name}"), 331);
            answer(&mut client, "PASS 12345");
            if name == "user" {
                client.expect("TYPE I", 200);
                client.epsv();
            }
            answer(&mut client, command);
            let start = format!("[{}] the authorizer or the", client.local_addr().port());
            Errors::check_one(&start, "filesystem panicked: ");
        }
    }
}

#[test]
fn nobody_knew_whose_filesystem_had_panicked_when_it_was_made() {
    Errors::collect();
    let server = TestServer::with(|handler| {
        handler
            .log_prefix("[{remote_port} {username}]")
            .auth_failed_timeout(Duration::ZERO)
            .abstracted_fs(|_| panic!("as the test wants it"))
    });
    let mut client = Client::connect(server.address());
    client.expect("USER user", 331);
    client.expect("PASS 12345", 421);
    let start = format!("[{} user] the authorizer or", client.local_addr().port());
    Errors::check_one(&start, "the filesystem panicked: ");
}

#[test]
fn nobody_knew_which_home_could_not_be_used() {
    Errors::collect();
    let gone = TempDir::new().unwrap();
    let users = DummyAuthorizer::new();
    let user = User::new("user", "12345", gone.path());
    users.add_user(user).unwrap();
    let path = gone.path().to_str().unwrap().to_owned();
    gone.close().unwrap();
    let handler = FtpHandler::new(users).log_prefix("[{remote_port} {username}]");
    let builder = FtpServerBuilder::new(handler).listen(([127, 0, 0, 1], 0));
    let server = TestServer::run(builder, TempDir::new().unwrap());
    let mut client = Client::connect(server.address());
    client.expect("USER user", 331);
    let refused = client.expect("PASS 12345", 530).text();
    assert!(!refused.contains(&path), "{refused}");
    let start = format!("[{} user] ", client.local_addr().port());
    Errors::check_one(&start, &path);
}

#[test]
fn a_client_was_cut_off_without_a_word_by_a_banner_that_panicked() {
    Errors::collect();
    let strangers = AtomicUsize::new(0);
    let server = TestServer::with(|handler| {
        let handler = handler.log_prefix("[{remote_port}]");
        handler.dynamic_banner(move |_, _| {
            let number = strangers.fetch_add(1, Ordering::Relaxed);
            assert_ne!(number, 1, "as the test wants it");
            "Welcome.".into()
        })
    });
    let mut first = server.client();
    let mut second = Client::open(server.address());
    second.expect_reply(421);
    assert!(second.next_reply().is_none());
    let start = format!("[{}] the banner panicked: ", second.local_addr().port());
    Errors::check_one(&start, "");
    first.expect("NOOP", 200);
    server.check_serves();
}
