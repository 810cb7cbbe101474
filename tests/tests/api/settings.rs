//! Settings that a name alone does not show to work.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::filesystems::{ErrorKind, FilesystemError};
use ftpdlib::handlers::{DtpHandler, FtpHandler, ThrottledDtpHandler, TlsFtpHandler};
use ftpdlib::proto::NameEncoding;
use ftpdlib::servers::FtpServerBuilder;
use ftpdlib_tests::client::{Client, USER, accept, read_all};
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::tls::{TlsClient, VERSIONS, config, read_to_end, secure};
use ftpdlib_tests::wait::wait_until;
use tempfile::TempDir;

#[test]
fn a_banner_is_made_for_each_client() {
    let server = TestServer::with(|handler| {
        handler.dynamic_banner(|peer, local| format!("From {peer} to {local}."))
    });
    for _ in 0..2 {
        let mut client = Client::open(server.address());
        let expected = format!("From {} to {}.", client.local_addr(), server.address());
        assert_eq!(client.expect_reply(220).argument(), expected);
    }
}

#[test]
fn a_banner_that_is_not_used_was_refused_as_empty() {
    let handler = || FtpHandler::new(DummyAuthorizer::new());
    let made = handler()
        .banner("")
        .dynamic_banner(|_, _| "Welcome.".into());
    assert!(made.check().is_ok());
    assert_eq!(made.banner(" ").check().unwrap_err().setting(), "banner");
}

#[test]
fn the_greeting_tells_the_version_of_the_library() {
    let server = TestServer::new();
    let greeting = Client::open(server.address()).expect_reply(220).argument();
    assert_eq!(greeting, format!("ftpdlib {} ready.", ftpdlib::VERSION));
}

#[test]
fn users_could_not_be_changed_once_an_authorizer_served() {
    let home = TempDir::new().unwrap();
    let users = Arc::new(DummyAuthorizer::new());
    let handler = FtpHandler::new(Arc::clone(&users)).auth_failed_timeout(Duration::ZERO);
    let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
    let server = TestServer::run(builder, TempDir::new().unwrap());
    let mut client = Client::open(server.address());
    client.expect_reply(220);
    let mut log_in = |code| {
        client.expect("USER late", 331);
        client.expect("PASS 12345", code);
    };
    log_in(530);
    users
        .add_user(User::new("late", "12345", home.path()))
        .unwrap();
    log_in(230);
    users.remove_user("late").unwrap();
    log_in(530);
}

/// Checks that downloads work over passive, active and private data connections; the client that is
/// left has logged in over TLS.
#[track_caller]
fn check_downloads(server: &TestServer) -> TlsClient {
    server.file("a", "hello");
    let mut client = server.client();
    assert_eq!(client.fetch("RETR a"), b"hello");
    let port = client.port();
    client.expect("RETR a", 150);
    assert_eq!(read_all(accept(&port)), b"hello");
    client.expect_reply(226);
    let mut client = TlsClient::login(server.address(), &config(VERSIONS[1]));
    assert_eq!(client.download("a"), b"hello");
    client
}

#[test]
fn a_timeout_of_zero_was_over_at_once() {
    let zero = Duration::ZERO;
    let server = TestServer::with(|handler| {
        let dtp = DtpHandler::default().timeout(zero);
        let dtp = dtp.passive_timeout(zero).active_timeout(zero);
        let handler = TlsFtpHandler::new(handler.timeout(zero).dtp_handler(dtp));
        handler.handshake_timeout(zero).reload_interval(zero).into()
    });
    check_downloads(&server);
}

#[test]
fn the_longest_timeouts_ended_their_connection() {
    let max = Duration::MAX;
    let server = TestServer::with(|handler| {
        let dtp = DtpHandler::default().timeout(max);
        let dtp = dtp.passive_timeout(max).active_timeout(max);
        let handler = TlsFtpHandler::new(handler.timeout(max).dtp_handler(dtp));
        handler.handshake_timeout(max).into()
    });
    let mut client = check_downloads(&server);
    // The handshake may also begin before the transfer.
    let stream = client.passive();
    client.play(&[("NOOP", 200), ("RETR a", 150)]);
    let mut data = secure(stream, &config(VERSIONS[1]));
    assert_eq!(read_to_end(&mut data).unwrap(), b"hello");
    client.expect_reply(226);
}

#[test]
fn long_texts_stay_whole_as_from_pyftpdlib() {
    let long = "word ".repeat(40);
    let long = long.trim_end();
    let home = TempDir::new().unwrap();
    let authorizer = DummyAuthorizer::new();
    let user = User::new("user", "12345", home.path());
    let user = user.msg_login("one\ntwo").msg_quit(long);
    authorizer.add_user(user).unwrap();
    let handler = FtpHandler::new(authorizer).banner(long);
    let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
    let server = TestServer::run(builder, home);
    let mut client = Client::open(server.address());
    let mut check = |line: Option<&str>, code, expected: &[&str]| {
        if let Some(line) = line {
            client.send(line);
        }
        let reply = client.expect_reply(code);
        let lines = reply.lines.iter().map(|line| String::from_utf8_lossy(line));
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    };
    check(None, 220, &[&format!("220-{long}"), "220 "]);
    check(Some("USER user"), 331, &["331 Username ok, send password."]);
    check(Some("PASS 12345"), 230, &["230-one", "230 two"]);
    check(Some("QUIT"), 221, &[&format!("221-{long}"), "221 "]);
}

#[test]
fn the_words_of_a_filesystem_factory_were_kept_from_the_client() {
    let unusable = "530 Home directory cannot be used.";
    type MakeError = fn() -> FilesystemError;
    let cases: [(MakeError, &str); 6] = [
        (
            || FilesystemError::new(ErrorKind::PermissionDenied, "Not on Sundays."),
            "530 Not on Sundays.",
        ),
        (
            || FilesystemError::new(ErrorKind::StorageFull, "Come back later."),
            "530 Come back later.",
        ),
        (
            || FilesystemError::new(ErrorKind::Other, "Nobody is here."),
            "530 Nobody is here.",
        ),
        (|| ErrorKind::NotFound.into(), unusable),
        (|| ErrorKind::Other.into(), unusable),
        (|| io::Error::other("in /srv/secret").into(), unusable),
    ];
    for (error, expected) in cases {
        let home = TempDir::new().unwrap();
        let handler = ftpdlib_tests::server::handler(home.path())
            .auth_failed_timeout(Duration::ZERO)
            .abstracted_fs(move |_| Err(error()));
        let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
        let server = TestServer::run(builder, home);
        let mut client = Client::open(server.address());
        client.expect_reply(220);
        client.expect(&format!("USER {}", USER.0), 331);
        let reply = client.expect(&format!("PASS {}", USER.1), 530);
        assert_eq!(reply.lines, [expected.as_bytes()]);
    }
}

#[test]
fn want_of_descriptors_at_a_login_was_told_as_a_wrong_password() {
    let home = TempDir::new().unwrap();
    let handler = ftpdlib_tests::server::handler(home.path())
        .auth_failed_timeout(Duration::ZERO)
        .abstracted_fs(|_| Err(ErrorKind::TooManyOpenFiles.into()));
    let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
    let server = TestServer::run(builder, home);
    let mut client = Client::open(server.address());
    client.expect_reply(220);
    client.expect(&format!("USER {}", USER.0), 331);
    client.expect(&format!("PASS {}", USER.1), 421);
    client.expect_end();
}

#[test]
fn a_masquerade_address_is_for_those_outside() {
    let public = Ipv4Addr::new(203, 0, 113, 5);
    // By loopback may come a tunnel; who shares a private network is the session's own test.
    let told = TestServer::with(|handler| handler.masquerade_address(public));
    assert_eq!(told.client().pasv().ip(), IpAddr::from(public));
    let mapped = TestServer::with(|handler| {
        let map = [(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(203, 0, 113, 6))];
        handler
            .masquerade_address(public)
            .masquerade_address_map(map.into())
    });
    assert_eq!(mapped.client().pasv().ip().to_string(), "203.0.113.6");
}

#[test]
fn an_ipv4_mapped_address_with_a_masquerade_of_its_own_was_ignored() {
    let server = TestServer::with(|handler| {
        let local = Ipv4Addr::LOCALHOST.to_ipv6_mapped().into();
        handler.masquerade_address_map([(local, Ipv4Addr::new(203, 0, 113, 6))].into())
    });
    assert_eq!(server.client().pasv().ip().to_string(), "203.0.113.6");
}

#[test]
fn a_masquerade_address_may_be_a_name() {
    let home = TempDir::new().unwrap();
    let handler = ftpdlib_tests::server::handler(home.path()).masquerade_address("localhost");
    // Listening on an address that is not the name's.
    let builder = FtpServerBuilder::new(handler).listen(([127, 0, 0, 3], 0));
    let server = TestServer::run(builder, home);
    let mut client = server.client();
    wait_until("the name has an address", || {
        client.pasv().ip() == IpAddr::from(Ipv4Addr::LOCALHOST)
    });
}

#[test]
fn a_user_may_have_an_encoding_of_its_own() {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("é"), "hello").unwrap();
    let authorizer = DummyAuthorizer::new();
    let latin1 = NameEncoding::for_label("latin1").unwrap();
    let user = User::new("user", "12345", home.path()).encoding(latin1);
    authorizer.add_user(user).unwrap();
    authorizer.add_anonymous(home.path()).unwrap();
    let builder = FtpServerBuilder::new(FtpHandler::new(authorizer));
    let server = TestServer::run(builder.listen((Ipv4Addr::LOCALHOST, 0)), home);
    let mut client = server.client();
    assert_eq!(client.fetch("NLST"), b"\xe9\r\n");
    assert!(!client.expect("FEAT", 211).text().contains("UTF8"));
    client.expect("TYPE I", 200);
    let mut sizes = |lines: &[(&str, &[u8])]| {
        for (opts, name) in lines {
            client.play(&[(opts, 200)]);
            client.send_raw(&[b"SIZE ", *name, b"\r\n"].concat());
            client.expect_reply(213);
        }
    };
    sizes(&[
        ("NOOP", b"\xe9"),
        ("OPTS UTF8 ON", "é".as_bytes()),
        ("OPTS UTF8 OFF", b"\xe9"),
    ]);
    client.expect("QUIT", 221);
    let mut client = Client::login_as("anonymous", "a@", server.address());
    assert_eq!(client.fetch("NLST"), "é\r\n".as_bytes());
}

#[test]
fn opts_utf8_before_the_login_holds_after_it() {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("ж"), "hello").unwrap();
    let authorizer = DummyAuthorizer::new();
    let russian = NameEncoding::for_label("koi8-r").unwrap();
    let user = User::new("user", "12345", home.path()).encoding(russian);
    authorizer.add_user(user).unwrap();
    let builder = FtpServerBuilder::new(FtpHandler::new(authorizer));
    let server = TestServer::run(builder.listen((Ipv4Addr::LOCALHOST, 0)), home);
    for (opts, name) in [
        ("NOOP", b"\xd6".as_slice()),
        ("OPTS UTF8 ON", "ж".as_bytes()),
        // The user's own encoding, where the server's legacy encoding has no such letter.
        ("OPTS UTF8 OFF", b"\xd6"),
    ] {
        let mut client = Client::connect(server.address());
        client.play(&[(opts, 200), ("USER user", 331), ("PASS 12345", 230)]);
        assert_eq!(client.fetch("NLST"), [name, b"\r\n"].concat(), "{opts}");
    }
}

/// How long it takes at least to move `bytes` at `rate`, less what is saved up at the start.
fn least(bytes: u64, rate: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate as f64 - 0.2)
}

#[test]
fn rates_are_kept_per_connection_and_per_user() {
    const SIZE: usize = 256 << 10;
    const RATE: u64 = 512 << 10;
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("a"), vec![b'x'; SIZE]).unwrap();
    let authorizer = DummyAuthorizer::new();
    let user = User::new("user", "12345", home.path()).write_limit(RATE);
    authorizer.add_user(user).unwrap();
    authorizer.add_anonymous(home.path()).unwrap();
    let throttled = ThrottledDtpHandler::default().write_limit(RATE);
    let handler = FtpHandler::new(authorizer).dtp_handler(throttled);
    let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
    let server = TestServer::run(builder, home);
    for (name, password, streams) in [("anonymous", "", 1), ("user", "12345", 2)] {
        let start = Instant::now();
        let mut clients: Vec<_> = (0..streams)
            .map(|_| Client::login_as(name, password, server.address()))
            .collect();
        let begun: Vec<_> = clients.iter_mut().map(|c| c.begin("RETR a")).collect();
        for stream in begun {
            assert_eq!(read_all(stream).len(), SIZE);
        }
        let least = least((SIZE * streams) as u64, RATE);
        assert!(start.elapsed() >= least, "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn a_server_on_ipv6_tells_no_address_but_greets() {
    let home = TempDir::new().unwrap();
    let handler = ftpdlib_tests::server::handler(home.path())
        .masquerade_address(Ipv4Addr::new(203, 0, 113, 5));
    let builder = FtpServerBuilder::new(handler).listen((Ipv6Addr::LOCALHOST, 0));
    let server = TestServer::run(builder, home);
    let address: SocketAddr = server.address();
    Client::login(address).expect("PASV", 425);
}
