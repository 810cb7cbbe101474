//! What clients do to the control connection.

use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::thread;

use ftpdlib::filesystems::{Filesystem, FilesystemError, Layer, Layered, MemoryFs};
use ftpdlib::proto::VirtualPath;
use ftpdlib_tests::client::{Client, read_all, read_to_any_end};
use ftpdlib_tests::gate::Gate;
use ftpdlib_tests::server::TestServer;

use super::isolation::stuck_at;

#[test]
fn odd_bytes_are_lines_or_nothing() {
    let server = TestServer::new();
    let rows: &[(&[u8], &[u16])] = &[
        (b"NOOP\n", &[200]),
        (b"NOOP\nNOOP\r\nNOOP\n", &[200, 200, 200]),
        (b"NO\xff\xf1OP\r\n", &[200]),
        (b"\xff\xf4\xff\xf2NOOP\r\n", &[200]),
        (b"\xff\xfd\x06NOOP\r\n", &[200]),
        (b"NOOP\xff\xfb\x01\r\n", &[200]),
        (b"noop\r\n", &[200]),
        (b"NOPE\r\n", &[500]),
        (b"\0\0\0\r\n", &[500]),
        (b"NO\0OP\r\n", &[500]),
        (b"\x80\x81\x82\r\n", &[500]),
    ];
    let mut client = server.client();
    for (bytes, codes) in rows {
        client.send_raw(bytes);
        for code in *codes {
            client.expect_reply(*code);
        }
    }
    client.expect("NOOP", 200);
}

#[test]
fn names_with_a_nul_harm_nobody() {
    let server = TestServer::new();
    let mut client = server.client();
    for verb in ["MKD", "CWD", "DELE", "SIZE", "MLST"] {
        client.send_raw(format!("{verb} a\0b\r\n").as_bytes());
        let reply = client.next_reply().unwrap();
        assert!((500..=599).contains(&reply.code), "{}", reply.text());
    }
    client.expect("NOOP", 200);
}

#[test]
fn a_line_that_is_too_long_is_one_mistake() {
    let server = TestServer::new();
    let mut client = server.client();
    for length in [2049, 2100, 4096, 65_536, 1 << 20] {
        let mut line = vec![b'x'; length];
        line.extend_from_slice(b"\r\nNOOP\r\n");
        client.send_raw(&line);
        client.expect_reply(500);
        client.expect_reply(200);
    }
}

#[test]
fn many_commands_in_one_segment_are_answered_in_order() {
    let server = TestServer::new();
    let mut client = server.client();
    client.send_raw("NOOP\r\nPWD\r\nSYST\r\n".repeat(200).as_bytes());
    for _ in 0..200 {
        for code in [200, 257, 215] {
            client.expect_reply(code);
        }
    }
}

#[test]
fn commands_may_come_byte_by_byte() {
    let server = TestServer::new();
    let mut client = Client::connect(server.address());
    for (line, code) in [
        ("USER user\r\n", 331),
        ("PASS 12345\r\n", 230),
        ("PWD\r\n", 257),
    ] {
        for byte in line.bytes() {
            client.send_raw(&[byte]);
        }
        client.expect_reply(code);
    }
}

#[test]
fn a_client_that_does_not_read_its_replies_is_not_listened_to() {
    const COMMANDS: usize = 20_000;
    let server = TestServer::new();
    let mut client = server.client();
    client.shrink_receive_buffer();
    let mut sender = client.second_hand();
    let sending = thread::spawn(move || sender.write_all("FEAT\r\n".repeat(COMMANDS).as_bytes()));
    for _ in 0..5 {
        server.check_serves();
    }
    for _ in 0..COMMANDS {
        client.expect_reply(211);
    }
    sending.join().unwrap().unwrap();
    client.expect("NOOP", 200);
}

#[test]
fn a_client_that_has_said_everything_gets_its_answers() {
    let server = TestServer::new();
    let mut client = server.client();
    client.send_raw(b"NOOP\r\nPWD\r\nNOOP\r\n");
    client.end_sending();
    for code in [200, 257, 200] {
        client.expect_reply(code);
    }
    client.expect_end();
}

#[test]
fn a_reset_ends_a_session_and_its_transfer() {
    let server = TestServer::new();
    server.file("big", vec![b'x'; 32 << 20]);
    for command in ["RETR big", "STOR new", "NOOP", "LIST"] {
        let mut client = server.client();
        let stream = client.passive();
        client.send(command);
        client.next_reply().unwrap();
        client.reset();
        read_to_any_end(stream);
    }
    server.wait_for_rest();
    server.check_serves();
}

#[test]
fn browsers_are_told_once() {
    let server = TestServer::new();
    let mut client = Client::connect(server.address());
    client.send_raw(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER user\r\nPASS 12345\r\nDELE a\r\n");
    client.expect_reply(421);
    client.expect_end();
    server.check_serves();
}

#[test]
fn tls_on_a_port_in_the_clear_ends_the_connection() {
    let server = TestServer::new();
    let mut client = Client::connect(server.address());
    client.send_raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    client.expect_end();
}

#[test]
fn the_rest_of_a_line_was_taken_for_tls() {
    let server = TestServer::new();
    let mut client = Client::connect(server.address());
    client.send_raw(&[b'A'; 3000]);
    client.expect_reply(500);
    client.send_raw(b"\x16\x03\x01\r\n");
    client.play(&[("NOOP", 200)]);
}

#[test]
fn idle_clients_are_sent_away() {
    let server = TestServer::set(&[("control.timeout", "0.05")]);
    let mut stranger = Client::connect(server.address());
    stranger.expect_reply(421);
    stranger.expect_end();
}

#[test]
fn a_transfer_is_not_idle() {
    // A client that has to wait for a processor must not be idle before its transfer.
    let server = TestServer::set(&[("control.timeout", "0.5")]);
    let mut busy = server.client();
    let mut stream = busy.begin("STOR a");
    // These come later and go earlier.
    for _ in 0..3 {
        let mut idle = Client::connect(server.address());
        idle.expect_reply(421);
    }
    stream.write_all(b"hello").unwrap();
    drop(stream);
    busy.expect_reply(226);
    assert_eq!(server.content("a"), b"hello");
    busy.expect_reply(421);
    busy.expect_end();
}

/// Says ABOR, one way or another.
type Abort = fn(&mut Client);

const ABORTS: [(&str, Abort); 4] = [
    ("plain", |client| client.send("ABOR")),
    ("telnet", |client| {
        client.send_raw(b"\xff\xf4\xff\xf2ABOR\r\n");
    }),
    ("urgent mark", |client| {
        client.send_raw(b"\xff\xf4");
        client.send_urgent(b"\xff");
        client.send_raw(b"\xf2ABOR\r\n");
    }),
    ("all urgent", |client| client.send_urgent(b"ABOR\r\n")),
];

#[test]
fn abor_works_in_every_state() {
    let server = TestServer::new();
    server.file("big", vec![b'x'; 32 << 20]);
    for (way, abort) in ABORTS {
        let mut client = server.client();
        let check = |client: &mut Client, state: &str, codes: &[u16]| {
            abort(client);
            for code in codes {
                let reply = client.next_reply().unwrap();
                assert_eq!(reply.code, *code, "{way}, {state}: {}", reply.text());
            }
            client.expect("NOOP", 200);
        };
        check(&mut client, "nothing", &[225]);
        client.epsv();
        check(&mut client, "listening", &[225]);
        let stream = client.passive();
        check(&mut client, "connected", &[225]);
        assert_eq!(read_to_any_end(stream), b"");
        let _listener = client.port();
        check(&mut client, "port told", &[225]);
        client.epsv();
        client.expect("RETR big", 150);
        check(&mut client, "waiting for the client", &[426, 226]);
        let mut stream = client.begin("RETR big");
        stream.read_exact(&mut [0; 1000]).unwrap();
        check(&mut client, "sending", &[426, 226]);
        assert!(read_to_any_end(stream).len() < 32 << 20);
        let mut stream = client.begin("STOR new");
        stream.write_all(b"some").unwrap();
        check(&mut client, "receiving", &[426, 226]);
        assert_eq!(read_to_any_end(stream), b"");
        check(&mut client, "nothing again", &[225]);
        assert_eq!(client.fetch("NLST"), b"big\r\nnew\r\n");
        fs::remove_file(server.path("new")).unwrap();
    }
}

#[test]
fn abor_after_the_end_is_no_abort() {
    let server = TestServer::new();
    server.file("a", "hello");
    let mut client = server.client();
    let stream = client.begin("RETR a");
    assert_eq!(read_all(stream), b"hello");
    client.expect_reply(226);
    client.expect("ABOR", 225);
}

#[test]
fn quit_waits_for_the_transfer() {
    let server = TestServer::new();
    server.file("big", vec![b'x'; 8 << 20]);
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let stream = client.begin("RETR big");
    client.send("QUIT");
    client.send("DELE big");
    assert_eq!(read_all(stream).len(), 8 << 20);
    client.expect_reply(226);
    client.expect_reply(221);
    client.expect_end();
    assert!(server.path("big").exists());

    let mut client = server.client();
    let mut stream = client.begin("STOR new");
    client.send("QUIT");
    stream.write_all(b"hello").unwrap();
    drop(stream);
    client.expect_reply(226);
    client.expect_reply(221);
    assert_eq!(server.content("new"), b"hello");
}

#[test]
fn a_client_that_said_quit_may_end_its_side() {
    let server = TestServer::new();
    server.file("big", vec![b'x'; 8 << 20]);
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let stream = client.begin("RETR big");
    client.send("QUIT");
    client.end_sending();
    assert_eq!(read_all(stream).len(), 8 << 20);
    client.expect_reply(226);
    client.expect_reply(221);
    client.expect_end();

    let mut client = server.client();
    let mut stream = client.begin("STOR new");
    client.send("QUIT");
    drop(client);
    // Whoever is answered now comes after that.
    server.check_serves();
    stream.write_all(b"hello").unwrap();
    drop(stream);
    ftpdlib_tests::wait::wait_until("the upload ends", || server.content("new") == b"hello");
    server.wait_for_rest();
}

#[test]
fn lines_behind_quit_do_not_hide_that_the_client_is_gone() {
    let mut server = TestServer::set(&[("data.passive_timeout", "0")]);
    server.file("f", "hello");
    let mut client = server.client();
    client.epsv();
    client.expect("RETR f", 150);
    // Nobody will ever connect.
    client.send_raw(b"QUIT\r\nNOOP\r\nNOOP\r\n");
    drop(client);
    server.end_with_last_client();
}

#[test]
fn commands_are_answered_during_a_transfer() {
    let server = TestServer::new();
    server.file("big", vec![b'x'; 8 << 20]);
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let stream = client.begin("RETR big");
    client.expect("NOOP", 200);
    let status = client.expect("STAT", 211).text();
    assert!(
        status.contains("big") || status.contains("RETR") || status.contains("bytes"),
        "{status}"
    );
    client.play(&[
        ("PWD", 257),
        ("SIZE big", 213),
        ("RETR big", 425),
        ("STOR new", 425),
        ("LIST", 425),
        ("EPSV", 425),
        ("PASV", 425),
        ("PORT 127,0,0,1,200,1", 425),
        ("STAT /", 450),
        ("NOOP", 200),
    ]);
    assert_eq!(read_all(stream).len(), 8 << 20);
    client.expect_reply(226);
    assert!(!server.path("new").exists());
}

#[test]
fn a_transfer_goes_on_when_its_user_has_gone() {
    let server = TestServer::new();
    server.file("a", "hello");
    for logout in ["REIN", "USER user"] {
        let code = if logout == "REIN" { 220 } else { 331 };
        let mut client = server.client();
        let mut stream = client.begin("STOR new");
        client.expect(logout, code);
        stream.write_all(b"hello").unwrap();
        drop(stream);
        client.expect_reply(226);
        assert_eq!(server.content("new"), b"hello", "{logout}");

        // The same, when it has only been promised.
        let mut client = server.client();
        let address = client.epsv();
        client.expect("RETR a", 150);
        client.expect(logout, code);
        let stream = ftpdlib_tests::client::connect(address);
        assert_eq!(read_all(stream), b"hello", "{logout}");
        client.expect_reply(226);
    }
}

#[test]
fn stat_shows_a_large_directory_to_a_slow_reader() {
    const ENTRIES: usize = 5000;
    let server = TestServer::new();
    for number in 0..ENTRIES {
        server.file(format!("{number:05}"), "");
    }
    let mut client = server.client();
    client.shrink_receive_buffer();
    client.send("STAT /");
    client.send("NOOP");
    for _ in 0..5 {
        server.check_serves();
    }
    let reply = client.expect_reply(213);
    let lines = &reply.lines[1..reply.lines.len() - 1];
    assert_eq!(lines.len(), ENTRIES);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line[0], b' ', "a line must not look like the last one");
        assert!(line.ends_with(format!("{number:05}").as_bytes()));
    }
    client.expect_reply(200);
}

#[test]
fn the_last_line_of_a_client_got_no_reply_or_one_without_an_end() {
    let server = TestServer::new();
    fs::create_dir(server.path("d")).unwrap();
    let count = 3000;
    for number in 0..count {
        server.file(format!("d/{number:04}"), "");
    }
    server.file("fresh", "content");
    for (line, code, lines) in [("STAT /d", 213, count + 2), ("DELE fresh", 250, 1)] {
        let mut client = server.client();
        // More than fits is waited for, by a client that reads late.
        client.shrink_receive_buffer();
        client.send(line);
        client.end_sending();
        server.check_serves();
        assert_eq!(client.expect_reply(code).lines.len(), lines, "{line}");
        client.expect_end();
    }
    server.wait_for_rest();
}

#[test]
fn stat_of_a_directory_that_a_thread_reads_panicked_after_its_first_piece() {
    struct OnThreads;

    impl Layer for OnThreads {}

    const ENTRIES: usize = 3000;
    let files = MemoryFs::new();
    for number in 0..ENTRIES {
        files.insert(format!("/{number}"), Vec::new()).unwrap();
    }
    let server = TestServer::showing(Layered::new(OnThreads, Arc::new(files)));
    let reply = server.client().expect("STAT /", 213);
    assert_eq!(reply.lines.len(), 1 + ENTRIES + 1);
    assert_eq!(reply.lines.last().unwrap(), b"213 End of status.");
}

#[test]
fn stat_can_be_left_in_the_middle() {
    let server = TestServer::new();
    for number in 0..5000 {
        server.file(number.to_string(), "");
    }
    for reset in [true, false] {
        let mut client = server.client();
        client.shrink_receive_buffer();
        client.send("STAT /");
        if reset {
            client.reset();
        }
    }
    server.wait_for_rest();
}

/// Waits where a directory is made, and does not say so.
struct HoldingMkdir(Gate);

impl Layer for HoldingMkdir {
    fn mkdir(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.0.pass();
        inner.mkdir(path)
    }
}

#[test]
fn a_layer_that_waited_held_up_every_client_of_a_local_filesystem() {
    let (gate, keeper) = Gate::closed();
    let server = TestServer::showing(Layered::new(HoldingMkdir(gate), Arc::new(MemoryFs::new())));
    let mut other = server.client();
    let mut held_up = server.client();
    held_up.send("MKD a");
    keeper.wait_for(1);
    other.expect("NOOP", 200);
    server.check_serves();
    keeper.open();
    held_up.expect_reply(257);
}

#[test]
fn what_came_behind_quit_in_its_turn_reset_the_connection() {
    // Holds up the loop itself.
    let (files, keeper) = stuck_at("mkdir");
    let server = TestServer::showing(files.local());
    let mut client = server.client();
    client.send_raw(b"MKD d\r\nQUIT\r\n");
    keeper.wait_for(1);
    client.send("NOOP");
    keeper.open();
    client.expect_reply(257);
    client.expect_reply(221);
    assert!(read_all(client.into_stream()).is_empty());
}

#[test]
fn a_client_that_left_behind_the_last_line_of_a_turn_was_not_let_go() {
    let server = TestServer::new();
    // A turn takes 32 lines.
    for lines in [31, 32, 64, 96, 128, 160] {
        let mut client = server.client();
        client.send_raw("NOOP\r\n".repeat(lines).as_bytes());
        client.end_sending();
        for _ in 0..lines {
            client.expect_reply(200);
        }
        client.expect_end();
    }
}
