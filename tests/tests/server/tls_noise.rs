//! Clients that do not do what TLS says: the connection concerned ends, and everyone else is
//! served.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use ftpdlib_tests::client::Client;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::settings::Setting;
use ftpdlib_tests::tls::{TlsClient, VERSIONS, config, secure};

/// A server that offers TLS as these settings say.
fn offering(settings: &[Setting<'_>]) -> TestServer {
    TestServer::set(&[&[("tls.strict_close", "true")], settings].concat())
}

/// A client that was told to begin the handshake.
fn announced(server: &TestServer) -> TcpStream {
    let mut client = Client::connect(server.address());
    client.expect("AUTH TLS", 234);
    client.into_stream()
}

/// Waits for the end of a connection whose handshake came to nothing; an alert may come first.
#[track_caller]
fn expect_end(mut stream: TcpStream, what: &str) {
    let mut last = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut last);
    let text = String::from_utf8_lossy(&last);
    assert!(last.is_empty() || last[0] == 21, "{what}: {text}");
}

/// The first flight of a client.
fn hello() -> Vec<u8> {
    struct Tap(Vec<u8>);

    impl Write for Tap {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut tap = Tap(Vec::new());
    secure(stream, &config(VERSIONS[1]))
        .conn
        .write_tls(&mut tap)
        .unwrap();
    tap.0
}

/// A hello of a client that knows nothing newer than TLS 1.1.
const OLD_HELLO: &[u8] = &[
    22, 3, 1, 0, 47, 1, 0, 0, 43, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
    18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 0, 0, 4, 0, 47, 0, 53, 1, 0,
];

#[test]
fn what_is_no_handshake_ends_its_connection_only() {
    let (explicit, implicit) = (offering(&[]), offering(&[("tls.implicit", "true")]));
    let mut damaged = hello();
    damaged[5] ^= 0xff;
    let inputs: [(&str, &[u8]); 6] = [
        ("plain FTP", b"USER user\r\nPASS 12345\r\n"),
        ("another protocol", b"GET / HTTP/1.1\r\n\r\n"),
        ("zeros", &[0; 40_000]),
        ("an old version", OLD_HELLO),
        ("a damaged hello", &damaged),
        ("nothing", b""),
    ];
    for (what, input) in inputs {
        let implicit = Client::open(implicit.address()).into_stream();
        for mut stream in [announced(&explicit), implicit] {
            // It may be refused before all of it was written.
            let _ = stream.write_all(input);
            let _ = stream.shutdown(Shutdown::Write);
            expect_end(stream, what);
        }
    }
    explicit.check_serves();
    TlsClient::implicit(implicit.address(), &config(VERSIONS[0])).expect("QUIT", 221);
}

#[test]
fn tls_on_the_plain_port_ends_the_connection() {
    let server = offering(&[]);
    let mut client = Client::connect(server.address());
    client.send_raw(&hello());
    client.expect_end();
    server.check_serves();
}

#[test]
fn a_handshake_cut_anywhere_ends_its_connection_only() {
    let server = offering(&[]);
    let first = hello();
    for end in (0..first.len()).step_by(29) {
        let mut stream = announced(&server);
        stream.write_all(&first[..end]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        expect_end(stream, "cut");
    }
    // After the server's answer, in both versions: the client's last flight never comes.
    for version in VERSIONS {
        let mut tls = secure(announced(&server), &config(version));
        while tls.conn.wants_write() {
            tls.conn.write_tls(&mut tls.sock).unwrap();
        }
        let mut answer = [0; 5];
        tls.sock.read_exact(&mut answer).unwrap();
        tls.sock.shutdown(Shutdown::Write).unwrap();
        let _ = tls.sock.read_to_end(&mut Vec::new());
    }
    server.check_serves();
}

#[test]
fn a_stalled_handshake_ends_at_its_deadline() {
    let server = offering(&[("tls.handshake_timeout", "0.05")]);
    let implicit = offering(&[("tls.implicit", "true"), ("tls.handshake_timeout", "0.05")]);
    let hello = hello();
    for sent in [0, 1, 20, hello.len() - 1] {
        let opened = Client::open(implicit.address()).into_stream();
        for mut stalled in [announced(&server), opened] {
            // It may be too late for the last of it.
            let _ = stalled.write_all(&hello[..sent]);
            expect_end(stalled, "stalled");
        }
    }
    server.wait_for_rest();
    implicit.wait_for_rest();
}

#[test]
fn an_old_version_is_refused() {
    let server = offering(&[("tls.min_version", "1.3")]);
    TlsClient::explicit(server.address(), &config(VERSIONS[0])).expect_refusal();
    TlsClient::explicit(server.address(), &config(VERSIONS[1])).expect("QUIT", 221);
}

#[test]
fn a_session_of_another_connection_is_refused_and_the_own_one_is_not() {
    let server = offering(&[("tls.require_session_reuse", "true")]);
    server.file("file", b"content");
    for version in VERSIONS {
        let (own, other) = (config(version), config(version));
        let mut victim = TlsClient::login(server.address(), &own);
        let mut thief = TlsClient::login(server.address(), &other);
        // It has tickets, and they are good for its own data connections.
        assert_eq!(thief.download("file"), b"content");
        let stream = victim.passive();
        victim.expect("RETR file", 150);
        let mut stolen = Vec::new();
        let _ = secure(stream, &other).read_to_end(&mut stolen);
        assert!(stolen.is_empty(), "{version:?}");
        victim.expect_reply(522);
        assert_eq!(victim.download("file"), b"content");
    }
}

#[test]
fn a_data_connection_in_the_clear_after_prot_p_gets_nothing() {
    let server = offering(&[]);
    server.file("file", [b'x'; 10_000]);
    let mut client = TlsClient::login(server.address(), &config(VERSIONS[1]));
    let mut stream = client.passive();
    client.expect("RETR file", 150);
    stream.write_all(b"give me the file\r\n").unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    assert!(!received.contains(&b'x'));
    client.expect_reply(522);
    // And the handshake before the command: the data connection is gone then.
    let mut stream = client.passive();
    stream.write_all(b"give me the file\r\n").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    let reply = {
        client.send("RETR file");
        client.next_reply().unwrap()
    };
    assert!(matches!(reply.code, 425 | 150), "{}", reply.text());
    if reply.code == 150 {
        client.expect_reply(522);
    }
    assert_eq!(client.download("file").len(), 10_000);
}

#[test]
fn broken_records_end_the_session() {
    let server = offering(&[]);
    for version in VERSIONS {
        let mut client = TlsClient::login(server.address(), &config(version));
        let stream = client.stream();
        stream.sock.write_all(&[23, 3, 3, 0, 30]).unwrap();
        stream.sock.write_all(&[0; 30]).unwrap();
        assert!(client.next_reply().is_none());
    }
    server.check_serves();
}
