//! Who is held up by something slow, and who is not.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::filesystems::{ErrorKind, Filesystem, FilesystemError, MemoryFs};
use ftpdlib::handlers::{FtpHandler, ObservedSession, Observer};
use ftpdlib::servers::{Concurrency, FtpServerBuilder};
use ftpdlib_tests::client::{Client, USER};
use ftpdlib_tests::gate::{Gate, GateKeeper};
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;

/// A filesystem in which one call waits at a gate.
pub(crate) fn stuck_at(call: &'static str) -> (Hooked<MemoryFs>, GateKeeper) {
    let (gate, keeper) = Gate::closed();
    let files = MemoryFs::new();
    files.insert("/a", "hello").unwrap();
    let hooked = Hooked::new(files, move |asked| {
        if asked == call {
            gate.pass();
        }
        Ok(())
    });
    (hooked, keeper)
}

#[test]
fn a_call_that_blocks_holds_up_its_session_only() {
    // The call that blocks, the command that makes it, and what it is answered in the end.
    let rows = [
        ("stat", "SIZE a", 213),
        ("mkdir", "MKD d", 257),
        ("open_read", "RETR a", 150),
        ("read", "RETR a", 226),
        ("open_write", "STOR b", 150),
        ("write", "STOR b", 226),
        ("finish", "STOR b", 226),
        ("list", "LIST", 150),
        ("next_batch", "NLST", 226),
    ];
    for (call, command, code) in rows {
        let (files, keeper) = stuck_at(call);
        let server = TestServer::showing(files);
        let mut other = server.client();
        let mut stuck = server.client();
        stuck.expect("TYPE I", 200);
        let mut stream = None;
        if ["RETR", "STOR", "LIST", "NLST"].contains(&&command[..4]) {
            stream = Some(stuck.passive());
        }
        stuck.send(command);
        if code == 226 {
            stuck.expect_reply(150);
        }
        if command.starts_with("STOR")
            && let Some(mut stream) = stream.take()
        {
            stream.write_all(b"content").unwrap();
        }
        keeper.wait_for(1);
        for _ in 0..3 {
            other.play(&[("NOOP", 200), ("PWD", 257)]);
        }
        server.check_serves();
        keeper.open();
        stuck.expect_reply(code);
    }
}

/// They held all the threads that there were for digests.
#[test]
fn digests_of_sixty_four_sessions_kept_those_of_all_others_from_beginning() {
    let server = TestServer::new();
    let path = server.file("endless", "");
    let endless = File::options().write(true).open(path).unwrap();
    endless.set_len(1 << 40).unwrap();
    server.file("a", "hello");
    let _busy: Vec<_> = (0..64)
        .map(|_| {
            let mut client = server.client();
            client.send("XSHA512 endless");
            client.expect("NOOP", 200);
            client
        })
        .collect();
    server.client().expect("XCRC a", 250);
}

#[test]
fn a_refusal_at_the_end_of_an_upload_is_told() {
    let rows = [
        (ErrorKind::StorageFull, 552),
        (ErrorKind::QuotaExceeded, 552),
        (ErrorKind::PermissionDenied, 550),
    ];
    for (kind, code) in rows {
        let refusing = Hooked::new(MemoryFs::new(), move |call| match call {
            "finish" => Err(kind.into()),
            _ => Ok(()),
        });
        let server = TestServer::showing(refusing);
        let mut client = server.client();
        let mut stream = client.begin("STOR a");
        stream.write_all(b"hello").unwrap();
        drop(stream);
        client.expect_reply(code);
        client.expect("NOOP", 200);
    }
    let virus = Hooked::new(MemoryFs::new(), |call| match call {
        "finish" => Err(FilesystemError::new(ErrorKind::Other, "Found a virus.")),
        _ => Ok(()),
    });
    let server = TestServer::showing(virus);
    let mut client = server.client();
    drop(client.begin("STOR a"));
    let reply = client.next_reply().unwrap();
    assert_eq!(reply.argument(), "Found a virus.");
}

#[test]
fn an_error_after_150_is_no_refusal_of_the_file() {
    let rows = [
        ("read", ErrorKind::Other, 451),
        ("read", ErrorKind::PermissionDenied, 451),
        ("write", ErrorKind::Other, 451),
        ("write", ErrorKind::StorageFull, 552),
        ("next_batch", ErrorKind::Other, 451),
        ("next_batch", ErrorKind::NotFound, 451),
        ("finish", ErrorKind::Other, 451),
    ];
    for (failing, kind, code) in rows {
        let files = MemoryFs::new();
        files.insert("/a", "hello").unwrap();
        let server = TestServer::showing(Hooked::new(files, move |call| {
            if call == failing {
                return Err(kind.into());
            }
            Ok(())
        }));
        let mut client = server.client();
        let command = match failing {
            "read" => "RETR a",
            "next_batch" => "LIST",
            _ => "STOR b",
        };
        let mut stream = client.begin(command);
        let _ = stream.write_all(b"hello");
        drop(stream);
        client.expect_reply(code);
        client.expect("NOOP", 200);
    }
}

#[test]
fn a_mount_point_was_refused_as_if_it_could_soon_be_removed() {
    let rows = [
        ("rmdir", "RMD d", ErrorKind::Busy, 550),
        ("rename", "RNTO e", ErrorKind::Busy, 550),
        ("remove", "DELE a", ErrorKind::Busy, 450),
        ("rmdir", "RMD d", ErrorKind::TooManyOpenFiles, 450),
    ];
    for (failing, command, kind, code) in rows {
        let files = MemoryFs::new();
        files.insert("/a", "hello").unwrap();
        files.insert("/d/f", "hello").unwrap();
        let server = TestServer::showing(Hooked::new(files, move |call| {
            if call == failing {
                return Err(kind.into());
            }
            Ok(())
        }));
        let mut client = server.client();
        client.expect("RNFR d", 350);
        client.expect(command, code);
    }
}

#[test]
fn a_call_that_panics_costs_its_reply_only() {
    for (call, command) in [
        ("stat", "SIZE a"),
        ("open_read", "RETR a"),
        ("read", "RETR a"),
        ("open_write", "STOR b"),
        ("finish", "STOR b"),
        ("next_batch", "LIST"),
    ] {
        let files = MemoryFs::new();
        files.insert("/a", "hello").unwrap();
        let server = TestServer::showing(Hooked::new(files, move |asked| {
            assert_ne!(asked, call, "meant to panic");
            Ok(())
        }));
        let mut client = server.client();
        client.expect("TYPE I", 200);
        drop(client.passive());
        client.send(command);
        let mut reply = client.next_reply().unwrap();
        if reply.code == 150 {
            reply = client.next_reply().unwrap();
        }
        assert_eq!(reply.code, 451, "{call}: {}", reply.text());
        client.expect("NOOP", 200);
        server.check_serves();
    }
}

/// Two users: one whose filesystem is made by `make`, and `USER` with a plain one.
fn two_homes(
    make: impl Fn() -> Result<Arc<dyn Filesystem>, FilesystemError> + Send + Sync + 'static,
) -> TestServer {
    let hung_home = std::env::temp_dir();
    TestServer::with(move |_| {
        let authorizer = DummyAuthorizer::new();
        let home = tempfile::tempdir().unwrap();
        let good = User::new("user", "12345", home.path()).perm("elradfmwMT");
        authorizer.add_user(good).unwrap();
        let hung = User::new("hung", "x", hung_home).perm("elradfmwMT");
        authorizer.add_user(hung).unwrap();
        FtpHandler::new(authorizer).abstracted_fs(move |login| {
            if login.username == "hung" {
                return make();
            }
            Ok(Arc::new(MemoryFs::new()))
        })
    })
}

#[test]
fn sixty_four_sessions_on_a_hung_filesystem_delay_nobody_else() {
    let (gate, keeper) = Gate::closed();
    let server = two_homes(move || {
        let gate = gate.clone();
        Ok(Arc::new(Hooked::new(MemoryFs::new(), move |_| {
            gate.pass();
            Ok(())
        })))
    });
    let mut hung: Vec<Client> = (0..64)
        .map(|_| Client::login_as("hung", "x", server.address()))
        .collect();
    for client in &mut hung {
        client.send("MLST /");
    }
    keeper.wait_for(32);
    let mut other = server.client();
    other.put("STOR a", b"hello");
    assert_eq!(other.fetch("RETR a"), b"hello");
    server.check_serves();
    keeper.open();
    for client in &mut hung {
        client.expect_reply(250);
        client.expect("QUIT", 221);
    }
}

#[test]
fn sixty_four_logins_to_a_hung_filesystem_delay_nobody_else() {
    let (gate, keeper) = Gate::closed();
    let server = two_homes(move || {
        gate.pass();
        Ok(Arc::new(MemoryFs::new()))
    });
    let mut hung: Vec<Client> = (0..64)
        .map(|_| {
            let mut client = Client::connect(server.address());
            client.expect("USER hung", 331);
            client.send("PASS x");
            client
        })
        .collect();
    keeper.wait_for(32);
    server.check_serves();
    keeper.open();
    for client in &mut hung {
        client.expect_reply(230);
    }
}

#[test]
fn password_hashes_are_computed_beside_everything_else() {
    use ftpdlib::authorizers::{AuthenticationFailed, Authorizer, Login, LoginRequest};
    use ftpdlib::proto::{Perm, VirtualPath};

    /// Waits where a hash is about to be computed, on the thread on which it would be.
    struct Hashing(DummyAuthorizer, Gate);

    impl Authorizer for Hashing {
        fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
            if request.username == "hashed" {
                self.1.pass();
            }
            self.0.authenticate(request)
        }

        fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
            self.0.has_perm(login, perm, path)
        }

        fn is_immediate(&self, username: &str) -> bool {
            self.0.is_immediate(username)
        }

        fn is_local(&self) -> bool {
            self.0.is_local()
        }
    }

    // A hash that no password has.
    let hash = "$argon2id$v=19$m=19456,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$\
                AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let (gate, keeper) = Gate::closed();
    let server = TestServer::with(move |_| {
        let authorizer = DummyAuthorizer::new();
        let home = std::env::temp_dir();
        let plain = User::new("user", "12345", &home).perm("elr");
        authorizer.add_user(plain).unwrap();
        let hashed = User::with_password_hash("hashed", hash, &home);
        authorizer.add_user(hashed).unwrap();
        FtpHandler::new(Hashing(authorizer, gate)).auth_failed_timeout(std::time::Duration::ZERO)
    });
    let mut other = server.client();
    let mut hashing: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = Client::connect(server.address());
            client.expect("USER hashed", 331);
            client.send("PASS wrong");
            client
        })
        .collect();
    keeper.wait_for(4);
    other.expect("NOOP", 200);
    server.check_serves();
    keeper.open();
    for client in &mut hashing {
        client.expect_reply(530);
    }
}

#[test]
fn a_slow_authorizer_holds_up_who_asks_it_only() {
    use ftpdlib::authorizers::{AuthenticationFailed, Authorizer, Login, LoginRequest};
    use ftpdlib::proto::{Perm, VirtualPath};

    struct Slow {
        inner: DummyAuthorizer,
        gate: Gate,
        asked: Arc<AtomicUsize>,
    }

    impl Authorizer for Slow {
        fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if request.username != "quick" {
                self.gate.pass();
            }
            self.inner.authenticate(request)
        }

        fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
            self.inner.has_perm(login, perm, path)
        }

        fn is_local(&self) -> bool {
            self.inner.is_local()
        }
    }

    let (gate, keeper) = Gate::closed();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = TestServer::with(move |_| {
        let inner = DummyAuthorizer::new();
        let home = std::env::temp_dir();
        for name in ["user", "quick"] {
            inner.add_user(User::new(name, "12345", &home)).unwrap();
        }
        FtpHandler::new(Slow {
            inner,
            gate,
            asked: count,
        })
    });
    // More than there are CPUs.
    let mut early: Vec<_> = (0..16)
        .map(|_| {
            let mut client = Client::connect(server.address());
            client.expect("USER user", 331);
            client.send("PASS 12345");
            client
        })
        .collect();
    keeper.wait_for(16);
    let mut other = Client::connect(server.address());
    other.play(&[
        ("NOOP", 200),
        ("USER quick", 331),
        ("PASS 12345", 230),
        ("PWD", 257),
    ]);
    keeper.open();
    for client in &mut early {
        client.expect_reply(230);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 17);
}

#[test]
fn permissions_that_take_their_time_were_asked_for_on_the_loop_of_a_local_disk() {
    use ftpdlib::authorizers::{
        AuthenticationFailed, Authorizer, AuthorizerError, Guard, Login, LoginRequest,
    };
    use ftpdlib::proto::{Perm, Perms, VirtualPath};

    /// Waits in one method about the user `slow`.
    struct Slow {
        inner: DummyAuthorizer,
        method: &'static str,
        gate: Gate,
        armed: Arc<AtomicBool>,
    }

    impl Slow {
        fn asked(&self, method: &str, login: &Login) {
            let is_meant = self.method == method && login.username == "slow";
            if is_meant && self.armed.load(Ordering::SeqCst) {
                self.gate.pass();
            }
        }
    }

    impl Authorizer for Slow {
        fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
            self.inner.authenticate(request)
        }

        fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
            self.asked("has_perm", login);
            self.inner.has_perm(login, perm, path)
        }

        fn perms(&self, login: &Login, path: &VirtualPath) -> Perms {
            self.asked("perms", login);
            self.inner.perms(login, path)
        }

        fn perms_anywhere(&self, login: &Login) -> Perms {
            self.asked("perms_anywhere", login);
            self.inner.perms_anywhere(login)
        }

        fn has_overrides(&self, login: &Login) -> bool {
            self.asked("has_overrides", login);
            self.inner.has_overrides(login)
        }

        fn impersonate(&self, login: &Login) -> Result<Guard, AuthorizerError> {
            self.asked("impersonate", login);
            self.inner.impersonate(login)
        }

        // Not `is_local`.
        fn is_immediate(&self, username: &str) -> bool {
            self.inner.is_immediate(username)
        }
    }

    let rows = [
        ("has_perm", "MLST /", 250),
        ("perms", "MLST /", 250),
        ("has_overrides", "MLST /", 250),
        ("impersonate", "MLST /", 250),
        ("impersonate", "PASS 12345", 230),
        ("perms_anywhere", "PASS 12345", 230),
    ];
    for (method, command, code) in rows {
        let (gate, keeper) = Gate::closed();
        let armed = Arc::new(AtomicBool::new(false));
        let arm = Arc::clone(&armed);
        let home = tempfile::tempdir().unwrap();
        let inner = DummyAuthorizer::new();
        for name in ["user", "slow"] {
            let user = User::new(name, "12345", home.path()).perm("elr");
            inner.add_user(user).unwrap();
        }
        let server = TestServer::with(move |_| {
            FtpHandler::new(Slow {
                inner,
                method,
                gate,
                armed,
            })
        });
        // The home directory is known by then.
        let mut other = server.client();
        let mut slow = if command.starts_with("PASS") {
            let mut client = Client::connect(server.address());
            client.expect("USER slow", 331);
            client
        } else {
            Client::login_as("slow", "12345", server.address())
        };
        arm.store(true, Ordering::SeqCst);
        slow.send(command);
        keeper.wait_for(1);
        other.play(&[("NOOP", 200), ("MLST /", 250)]);
        server.check_serves();
        keeper.open();
        slow.expect_reply(code);
    }
}

#[test]
fn a_filesystem_was_made_on_the_loop_for_a_home_where_one_was_local() {
    let (gate, keeper) = Gate::closed();
    let made = AtomicUsize::new(0);
    let server = TestServer::with(|handler| {
        handler.abstracted_fs(move |_| {
            if made.fetch_add(1, Ordering::SeqCst) == 1 {
                gate.pass();
            }
            Ok(Arc::new(MemoryFs::new()))
        })
    });
    let mut other = server.client();
    let mut waiting = Client::connect(server.address());
    waiting.expect(&format!("USER {}", USER.0), 331);
    waiting.send(&format!("PASS {}", USER.1));
    keeper.wait_for(1);
    other.play(&[("NOOP", 200), ("PWD", 257)]);
    server.check_serves();
    keeper.open();
    waiting.expect_reply(230);
}

#[test]
fn an_inline_observer_that_sleeps_holds_up_its_own_thread_only() {
    struct Sleeper(Gate);

    impl Observer for Sleeper {
        fn is_inline(&self) -> bool {
            true
        }

        fn on_login(&self, _: &ObservedSession, username: &str) {
            if username == USER.0 {
                self.0.pass();
            }
        }
    }

    let (gate, keeper) = Gate::closed();
    let home = tempfile::tempdir().unwrap();
    let authorizer = DummyAuthorizer::new();
    for name in [USER.0, "other"] {
        let user = User::new(name, USER.1, home.path());
        authorizer.add_user(user).unwrap();
    }
    let handler = FtpHandler::new(authorizer).observer(Sleeper(gate));
    let server = FtpServerBuilder::new(handler)
        .listen((Ipv4Addr::LOCALHOST, 0))
        .concurrency(Concurrency::MultiThread)
        .spawn()
        .unwrap();
    let address = server.local_addrs()[0];
    let mut asleep = Client::connect(address);
    asleep.expect(&format!("USER {}", USER.0), 331);
    asleep.send(&format!("PASS {}", USER.1));
    keeper.wait_for(1);
    let mut other = Client::login_as("other", USER.1, address);
    other.play(&[("NOOP", 200), ("PWD", 257), ("QUIT", 221)]);
    keeper.open();
    asleep.expect_reply(230);
}
