//! Who gets in, and how many.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ftpdlib::authorizers::{
    AuthenticationFailed, Authorizer, DummyAuthorizer, Login, LoginRequest, User,
};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::proto::{Perm, VirtualPath};
use ftpdlib_tests::client::{Client, NEIGHBOUR, connect_from};
use ftpdlib_tests::reply::Reply;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::{PATIENCE, wait_until};

#[track_caller]
fn attempt(server: &TestServer, user: &str, password: &str) -> (Reply, Reply) {
    let mut client = Client::connect(server.address());
    client.send(&format!("USER {user}"));
    let named = client.next_reply().unwrap();
    client.send(&format!("PASS {password}"));
    (named, client.next_reply().unwrap())
}

#[test]
fn a_wrong_user_looks_like_a_wrong_password() {
    let server = TestServer::with(|_| {
        let authorizer = DummyAuthorizer::new();
        let home = std::env::temp_dir();
        authorizer
            .add_user(User::new("user", "12345", &home))
            .unwrap();
        let hash = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$\
                    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let hashed = User::with_password_hash("hashed", hash, &home);
        authorizer.add_user(hashed).unwrap();
        FtpHandler::new(authorizer).auth_failed_timeout(Duration::from_millis(1))
    });
    let expected = attempt(&server, "user", "wrong");
    assert_eq!((expected.0.code, expected.1.code), (331, 530));
    for (user, password) in [
        ("nobody", "12345"),
        ("hashed", "wrong"),
        ("USER", "12345"),
        ("user", "12345x"),
        ("user", "1234"),
        ("user", "\u{e9}"),
    ] {
        assert_eq!(
            attempt(&server, user, password),
            expected,
            "{user} {password}"
        );
    }
    // Whether anybody may be anonymous is no secret.
    let (named, refused) = attempt(&server, "anonymous", "me@example.org");
    assert_eq!((named, refused.code), (expected.0, 530));
    assert_eq!(refused.argument(), "Anonymous access not allowed.");
}

#[test]
fn a_failed_login_is_not_answered_before_its_time() {
    let server = TestServer::with(|handler| handler.auth_failed_timeout(Duration::from_secs(3600)));
    let mut client = Client::connect(server.address());
    client.expect("USER user", 331);
    client.send("PASS wrong");
    client.send("NOOP");
    for _ in 0..10 {
        server.check_serves();
    }
    server.handle().close_all();
    client.expect_reply(421);
    client.expect_end();
}

#[test]
fn passwords_sent_ahead_do_not_get_past_the_limit() {
    let server = TestServer::set(&[("control.max_login_attempts", "3")]);
    let mut client = Client::connect(server.address());
    let mut ahead = "USER user\r\nPASS wrong\r\n".repeat(3);
    ahead += "USER user\r\nPASS 12345\r\nPWD\r\n";
    client.send_raw(ahead.as_bytes());
    for code in [331, 530, 331, 530, 331, 530] {
        client.expect_reply(code);
    }
    client.expect_end();
}

#[test]
fn attempts_count_over_all_user_names() {
    let server = TestServer::set(&[("control.max_login_attempts", "2")]);
    let mut client = Client::connect(server.address());
    client.play(&[
        ("USER one", 331),
        ("PASS wrong", 530),
        ("USER two", 331),
        ("PASS wrong", 530),
    ]);
    client.expect_end();
}

#[test]
fn clients_over_a_limit_are_told_so() {
    let rows = [
        (
            2,
            0,
            "421 Too many connections. Service temporarily unavailable.",
        ),
        (0, 2, "421 Too many connections from the same IP address."),
    ];
    for (max_cons, max_cons_per_ip, text) in rows {
        let server = TestServer::set(&[
            ("server.max_cons", &max_cons.to_string()),
            ("server.max_cons_per_ip", &max_cons_per_ip.to_string()),
        ]);
        let mut first = server.client();
        let _second = server.client();
        for _ in 0..3 {
            let mut refused = Client::open(server.address());
            let reply = refused.next_reply().unwrap();
            assert_eq!(reply.lines, [text.as_bytes()]);
            refused.expect_end();
        }
        // Data connections count, too.
        first.expect("PASV", 425);
        if max_cons == 0 {
            let mut neighbour = Client::open_from(NEIGHBOUR, server.address());
            neighbour.expect_reply(220);
        }
        first.expect("QUIT", 221);
        first.expect_end();
        drop(first);
        wait_until("a place is free", || {
            let mut third = Client::open(server.address());
            third.next_reply().unwrap().code == 220
        });
    }
}

/// Its end was waited for, up to two seconds.
#[test]
fn a_client_that_has_quit_keeps_its_place_no_longer() {
    let server = TestServer::set(&[("server.max_cons", "1")]);
    let mut first = server.client();
    // What is behind QUIT was read with it, and makes no reset of the end.
    first.send_raw(b"QUIT\r\nNOOP\r\n");
    first.expect_reply(221);
    first.expect_end();
    wait_until("a place is free", || {
        let mut second = Client::open(server.address());
        second.next_reply().unwrap().code == 220
    });
    drop(first);
}

#[test]
fn data_connections_give_their_place_back() {
    let server = TestServer::set(&[("server.max_cons", "2")]);
    server.file("a", "hello");
    let mut client = server.client();
    for _ in 0..20 {
        assert_eq!(client.fetch("RETR a"), b"hello");
        client.put("STOR b", b"hello");
        client.epsv();
        client.expect("ABOR", 225);
        drop(client.passive());
        client.epsv();
        drop(client.port());
        client.expect("RETR a", 425);
        client.epsv();
        client.expect("RETR missing", 550);
        let stranger = connect_from(NEIGHBOUR, client.epsv()).unwrap();
        drop(stranger);
    }
    client.expect("ABOR", 225);
    server.check_serves();
}

#[test]
fn a_thousand_clients_come_and_go() {
    let server = TestServer::build(
        |handler| handler,
        |builder| builder.max_cons(16).max_cons_per_ip(16),
    );
    for number in 0..1000 {
        let client = match number % 4 {
            0 => Client::open(server.address()),
            1 => Client::connect(server.address()),
            2 => {
                let mut client = server.client();
                client.passive();
                client
            }
            _ => {
                let mut client = server.client();
                client.expect("QUIT", 221);
                client
            }
        };
        if number % 8 < 4 {
            client.reset();
        } else {
            drop(client);
        }
        // The server has to see the end of one before its place is free for another.
        wait_until("there is room", || server.handle().clients() < 8);
    }
    wait_until("all sessions end", || server.handle().clients() == 0);
    let all: Vec<Client> = (0..16).map(|_| Client::connect(server.address())).collect();
    assert_eq!(all.len(), 16);
}

#[test]
fn limits_change_while_the_server_runs() {
    let server = TestServer::new();
    let mut first = server.client();
    server.handle().set_limits(1, 0);
    Client::open(server.address()).expect_reply(421);
    server.handle().set_limits(2, 0);
    server.check_serves();
    first.expect("NOOP", 200);
}

#[test]
fn the_guesses_of_one_address_kept_all_other_logins_waiting() {
    /// Checks that the server makes at once.
    const AT_ONCE: usize = 64;
    const WAITING: usize = 40;

    /// Tells whom it checks, and goes on when it is told to.
    struct Slow {
        asked: Arc<AtomicUsize>,
        checks: Sender<IpAddr>,
        go_on: Mutex<Receiver<()>>,
    }

    impl Authorizer for Slow {
        fn is_immediate(&self, _: &str) -> bool {
            self.asked.fetch_add(1, Ordering::SeqCst);
            false
        }

        fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
            // Where nobody receives, the test is over.
            let _ = self.checks.send(request.peer.ip());
            let _ = self.go_on.lock().unwrap().recv();
            Err(AuthenticationFailed)
        }

        fn has_perm(&self, _: &Login, _: Perm, _: &VirtualPath) -> bool {
            false
        }
    }

    let asked = Arc::new(AtomicUsize::new(0));
    let (checks, checked) = mpsc::channel();
    let (go_on, told) = mpsc::channel();
    let authorizer = Slow {
        asked: Arc::clone(&asked),
        checks,
        go_on: Mutex::new(told),
    };
    let server = TestServer::with(move |_| FtpHandler::new(authorizer));
    // Dropped before the server, which waits for its threads.
    let go_on = go_on;
    let log_in = |mut client: Client| {
        client.expect("USER user", 331);
        client.send("PASS 12345");
        client
    };
    let guesses = (0..AT_ONCE + WAITING).map(|_| log_in(Client::connect(server.address())));
    let _guesses: Vec<_> = guesses.collect();
    let wait_for = |count| {
        wait_until("logins are asked for", || {
            asked.load(Ordering::SeqCst) == count
        });
    };
    wait_for(AT_ONCE + WAITING);
    let mut neighbour = Client::open_from(NEIGHBOUR, server.address());
    neighbour.expect_reply(220);
    let _neighbour = log_in(neighbour);
    wait_for(AT_ONCE + WAITING + 1);
    let next = || checked.recv_timeout(PATIENCE).unwrap();
    assert!((0..AT_ONCE).all(|_| next() != NEIGHBOUR));
    let before = (0..WAITING).take_while(|_| {
        go_on.send(()).unwrap();
        next() != NEIGHBOUR
    });
    // One in each turn; the loop may take a moment from asking to queueing.
    let before = before.count();
    assert!(before < WAITING / 2, "{before}");
}
