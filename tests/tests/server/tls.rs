//! Sessions and transfers under TLS, and what a client may do in which order.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use ftpdlib::tls::rustls::ClientConfig;
use ftpdlib_tests::client::{Client, USER};
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::settings::Setting;
use ftpdlib_tests::tls::{TlsClient, TlsStream, VERSIONS, config, read_to_end, secure};

/// A server that offers TLS as these settings say.
fn offering(settings: &[Setting<'_>]) -> TestServer {
    TestServer::set(&[&[("tls.strict_close", "true")], settings].concat())
}

/// Bytes in which none can be missing or out of place unnoticed.
fn content(size: usize) -> Vec<u8> {
    (0..size as u32)
        .map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn files_go_both_ways() {
    let server = offering(&[("tls.require_session_reuse", "true")]);
    let bytes = content(3_000_001);
    for version in VERSIONS {
        let mut client = TlsClient::login(server.address(), &config(version));
        client.upload("up", &bytes);
        assert!(server.content("up") == bytes, "{version:?}");
        assert!(client.download("up") == bytes, "{version:?}");
    }
}

#[test]
fn a_download_whose_file_became_shorter_looked_complete() {
    let server = offering(&[]);
    for version in VERSIONS {
        server.file("file", vec![b'x'; 32 << 20]);
        let mut client = TlsClient::login(server.address(), &config(version));
        let mut data = client.begin("RETR file");
        data.read_exact(&mut [0; 1000]).unwrap();
        fs::write(server.path("file"), "short").unwrap();
        let end = read_to_end(&mut data);
        assert!(end.is_err(), "{version:?}: the end was announced");
        client.expect_reply(451);
    }
}

#[test]
fn implicit_tls_is_private_from_the_start() {
    let server = offering(&[("tls.implicit", "true")]);
    server.file("file", b"content");
    for version in VERSIONS {
        let mut client = TlsClient::implicit(server.address(), &config(version));
        client.play(&[(&format!("USER {}", USER.0), 331)]);
        client.play(&[(&format!("PASS {}", USER.1), 230), ("AUTH TLS", 503)]);
        assert_eq!(client.download("file"), b"content");
    }
}

#[test]
fn commands_of_tls_have_their_order() {
    let server = offering(&[]);
    let mut client = Client::connect(server.address());
    client.play(&[("PBSZ 0", 503), ("PROT P", 503), ("CCC", 533)]);
    client.play(&[("AUTH KERBEROS", 504)]);
    let login = [
        (format!("USER {}", USER.0), 331),
        (format!("PASS {}", USER.1), 230),
    ];
    for (line, code) in &login {
        client.expect(line, *code);
    }
    client.expect("PWD", 257);
    // In the clear nothing of that was worth much: it is forgotten.
    client.expect("AUTH TLS", 234);
    let mut stream = secure(client.into_stream(), &config(VERSIONS[1]));
    stream.write_all(b"PWD\r\n").unwrap();
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"530");

    let mut client = TlsClient::explicit(server.address(), &config(VERSIONS[1]));
    client.play(&[("AUTH TLS", 503), ("PROT P", 503), ("PBSZ 0", 200)]);
    client.play(&[("PROT S", 536), ("PROT E", 536), ("PROT X", 504)]);
    client.play(&[("PROT P", 200), ("CCC", 534), ("QUIT", 221)]);
}

#[test]
fn what_was_sent_in_the_clear_after_auth_is_void() {
    let server = offering(&[]);
    let mut client = Client::connect(server.address());
    client.send_raw(b"AUTH TLS\r\nUSER user\r\nPASS 12345\r\nDELE file\r\n");
    client.expect_reply(234);
    let mut stream = secure(client.into_stream(), &config(VERSIONS[1]));
    // The rest may have arrived later than the first line, which then broke the handshake.
    if stream.write_all(b"PWD\r\n").is_ok() {
        let mut answer = [0; 3];
        if stream.read_exact(&mut answer).is_ok() {
            assert_eq!(&answer, b"530");
        }
    }
    server.check_serves();
}

/// The server's file, before an upload that is refused.
const BEFORE: &[u8] = b"what was there before";

#[test]
fn a_refused_upload_truncated_its_target() {
    let server = offering(&[("tls.require_session_reuse", "true")]);
    let check = |what: &str, begin: &dyn Fn(&mut TlsClient)| {
        server.file("file", BEFORE);
        let mut client = TlsClient::login(server.address(), &config(VERSIONS[1]));
        begin(&mut client);
        client.expect_reply(522);
        assert_eq!(server.content("file"), BEFORE, "{what}");
        client.upload("file", b"new");
        assert_eq!(server.content("file"), b"new", "{what}");
    };
    check("a stranger", &|client| {
        let stream = client.passive();
        client.expect("STOR file", 150);
        let mut stranger = secure(stream, &config(VERSIONS[1]));
        // The refusal may come first.
        let _ = stranger.write_all(b"stranger's");
    });
    check("in the clear", &|client| {
        let mut stream = client.passive();
        client.expect("STOR file", 150);
        stream.write_all(b"these bytes are no handshake").unwrap();
    });
    check("gone", &|client| {
        let stream = client.passive();
        client.expect("STOR file", 150);
        stream.shutdown(Shutdown::Both).unwrap();
    });
}

#[test]
fn a_refused_upload_left_an_empty_file_behind() {
    let server = offering(&[("tls.require_session_reuse", "true")]);
    let files = || fs::read_dir(server.home()).unwrap().count();
    for command in ["STOR new", "APPE new", "STOU", "STOU new"] {
        let mut client = TlsClient::login(server.address(), &config(VERSIONS[1]));
        let stream = client.passive();
        client.expect(command, 150);
        let mut stranger = secure(stream, &config(VERSIONS[1]));
        // The refusal may come first.
        let _ = stranger.write_all(b"stranger's");
        client.expect_reply(522);
        assert_eq!(files(), 0, "{command}");
        // Nobody came at all.
        client.play(&[("EPSV", 229), (command, 150), ("ABOR", 426)]);
        client.expect_reply(226);
        assert_eq!(files(), 0, "{command}");
    }
}

#[test]
fn a_refused_upload_removed_what_somebody_else_had_put_there() {
    let server = offering(&[]);
    for content in [&b"other"[..], b""] {
        let mut client = TlsClient::login(server.address(), &config(VERSIONS[1]));
        let mut other = TlsClient::login(server.address(), &config(VERSIONS[1]));
        let mut stream = client.passive();
        client.expect("STOR file", 150);
        other.upload("file", content);
        stream.write_all(b"these bytes are no handshake").unwrap();
        client.expect_reply(522);
        assert_eq!(server.content("file"), content);
        client.expect("DELE file", 250);
    }
}

#[test]
fn an_upload_whose_handshake_stalls_has_replaced_nothing() {
    let server = offering(&[("tls.handshake_timeout", "1")]);
    server.file("file", BEFORE);
    let mut client = TlsClient::login_in_a_hurry(server.address(), &config(VERSIONS[1]));
    let stream = client.passive();
    client.expect("STOR file", 150);
    client.expect_reply(522);
    assert_eq!(server.content("file"), BEFORE);
    drop(stream);
    client.play(&[("NOOP", 200)]);
}

#[test]
fn a_transfer_that_stalls_under_tls_ends_its_session() {
    let server = offering(&[("data.timeout", "0.3")]);
    server.file("file", vec![b'x'; 32 << 20]);
    for (version, command) in VERSIONS.into_iter().zip(["RETR file", "STOR new"]) {
        let mut client = TlsClient::login(server.address(), &config(version));
        let mut stream = client.begin(command);
        // The handshake is over with the first byte.
        match command {
            "RETR file" => stream.read_exact(&mut [0]).unwrap(),
            _ => stream.write_all(b"x").unwrap(),
        }
        client.expect_reply(421);
        client.expect_refusal();
    }
}

#[test]
fn a_stalled_handshake_to_which_no_transfer_came_had_no_end() {
    let server = offering(&[("tls.handshake_timeout", "0.3")]);
    server.file("file", BEFORE);
    let mut client = TlsClient::login_in_a_hurry(server.address(), &config(VERSIONS[1]));
    let mut stream = client.passive();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received, []);
    client.play(&[("RETR file", 425), ("NOOP", 200)]);
}

#[test]
fn an_upload_that_was_given_up_within_its_handshake_emptied_its_target() {
    let server = offering(&[]);
    server.file("file", BEFORE);
    let mut client = TlsClient::login(server.address(), &config(VERSIONS[1]));
    let stream = client.passive();
    client.expect("STOR file", 150);
    client.expect("ABOR", 426);
    client.expect_reply(226);
    assert_eq!(server.content("file"), BEFORE);
    drop(stream);
    let stream = client.passive();
    client.expect("STOR file", 150);
    drop(client);
    server.wait_for_rest();
    assert_eq!(server.content("file"), BEFORE);
    drop(stream);
}

#[test]
fn an_upload_to_which_nobody_connected_emptied_its_target() {
    let server = offering(&[]);
    server.file("file", BEFORE);
    let mut client = TlsClient::login(server.address(), &config(VERSIONS[1]));
    client.play(&[("EPSV", 229), ("STOR file", 150), ("ABOR", 426)]);
    client.expect_reply(226);
    assert_eq!(server.content("file"), BEFORE);
}

/// Tickets of TLS 1.3 lay unread at such a client, and its close became a reset.
#[test]
fn an_upload_was_lost_to_a_client_that_never_reads() {
    let server = offering(&[]);
    let bytes = content(100_000);
    for version in VERSIONS {
        let mut client = TlsClient::login(server.address(), &config(version));
        let mut data = client.begin("STOR file");
        data.write_all(&bytes).unwrap();
        data.conn.send_close_notify();
        data.flush().unwrap();
        // Once it has arrived there is nothing that could come but the answer to close_notify.
        drop(data);
        client.expect_reply(226);
        assert!(server.content("file") == bytes, "{version:?}");
    }
}

#[test]
fn an_upload_that_just_ends_is_incomplete() {
    let server = offering(&[]);
    for version in VERSIONS {
        let mut client = TlsClient::login(server.address(), &config(version));
        let mut data = client.begin("STOR file");
        data.write_all(b"half").unwrap();
        data.sock.shutdown(Shutdown::Write).unwrap();
        client.expect_reply(426);
        assert_eq!(server.content("file"), b"half");
    }
}

#[test]
fn a_download_announces_its_end() {
    let server = offering(&[]);
    server.file("empty", b"");
    let bytes = content(100_000);
    server.file("file", &bytes);
    for version in VERSIONS {
        let mut client = TlsClient::login(server.address(), &config(version));
        for (name, expected) in [("empty", &[][..]), ("file", &bytes)] {
            let mut data = client.begin(&format!("RETR {name}"));
            // `Err` where close_notify is missing.
            assert!(read_to_end(&mut data).unwrap() == expected, "{name}");
            client.expect_reply(226);
        }
    }
}

/// FileZilla shows an error otherwise.
#[test]
fn a_control_connection_announces_its_end() {
    let server = offering(&[]);
    let impatient = offering(&[("control.timeout", "1")]);
    for version in VERSIONS {
        let mut client = TlsClient::login(server.address(), &config(version));
        client.expect("QUIT", 221);
        client.expect_announced_end();
        let mut idle = TlsClient::explicit(impatient.address(), &config(version));
        idle.expect_reply(421);
        idle.expect_announced_end();
    }
}

/// At this rate the whole of it would take longer than anybody waits here.
#[test]
fn a_slow_download_arrives_as_it_is_sent() {
    let server = offering(&[("data.write_limit", "100")]);
    server.file("file", content(4096));
    for version in VERSIONS {
        let mut client = TlsClient::login(server.address(), &config(version));
        let mut data = client.begin("RETR file");
        let mut start = [0; 10];
        data.read_exact(&mut start).unwrap();
        assert_eq!(start, content(10)[..], "{version:?}");
        client.expect("ABOR", 426);
        client.expect_reply(226);
    }
}

/// The end that a client announces may come in one segment with its last command: nothing of it is
/// then left in the socket, and there is no event to come.
#[test]
fn an_end_behind_a_command_was_overlooked() {
    let server = offering(&[]);
    for version in VERSIONS {
        let mut client = TlsClient::login(server.address(), &config(version));
        let stream = client.stream();
        stream.conn.writer().write_all(b"NOOP\r\n").unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        client.expect_reply(200);
        assert!(client.next_reply().is_none(), "{version:?}");
    }
}

/// What is left to read when a client says RETR and QUIT, and ends its side: its connections.
fn ended_after_quit(server: &TestServer, config: &Arc<ClientConfig>) -> (TlsClient, TlsStream) {
    let mut client = TlsClient::login(server.address(), config);
    let data = client.passive();
    let stream = client.stream();
    let lines = b"RETR file\r\nQUIT\r\n";
    stream.conn.writer().write_all(lines).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    (client, secure(data, config))
}

/// It has said all that it has to say, but not read all that it waits for.
#[test]
fn a_client_that_ended_its_side_after_quit_was_told_the_end_before_its_replies() {
    let server = offering(&[]);
    // More than fits into the buffers of the connection.
    let bytes = content(32 << 20);
    server.file("file", &bytes);
    let (mut client, mut data) = ended_after_quit(&server, &config(VERSIONS[1]));
    client.expect_reply(150);
    assert!(read_to_end(&mut data).unwrap() == bytes);
    client.expect_reply(226);
    client.expect_reply(221);
    client.expect_announced_end();
}

/// TLS 1.2 has the end answered at once.
#[test]
fn replies_were_sent_behind_the_end_of_tls_1_2() {
    let server = offering(&[]);
    let bytes = content(32 << 20);
    server.file("file", &bytes);
    let (mut client, mut data) = ended_after_quit(&server, &config(VERSIONS[0]));
    // 150 may come before it.
    while client.next_reply().is_some() {}
    assert!(read_to_end(&mut data).unwrap() == bytes);
    let mut behind = Vec::new();
    client.stream().sock.read_to_end(&mut behind).unwrap();
    assert_eq!(behind, b"");
}

/// A client may wait for that, though it has not said QUIT.
#[test]
fn the_end_of_a_control_connection_is_answered() {
    let server = offering(&[]);
    for version in VERSIONS {
        let mut client = TlsClient::login(server.address(), &config(version));
        let stream = client.stream();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        client.expect_announced_end();
    }
}
