//! Uploads that break off, and what becomes of their files.

use std::io::Write;
use std::net::TcpStream;

use ftpdlib_tests::client::{Client, reset};
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::wait_until;

/// Breaks an upload off. What it gives back is to be kept open until the upload is over.
type BreakOff = fn(Client, TcpStream) -> Option<TcpStream>;

const WAYS: [(&str, BreakOff); 3] = [
    ("aborted", |mut client, data| {
        client.expect("ABOR", 426);
        client.expect_reply(226);
        Some(data)
    }),
    ("reset", |mut client, data| {
        reset(data);
        client.expect_reply(426);
        None
    }),
    ("without its control connection", |client, data| {
        drop(client);
        Some(data)
    }),
];

/// So a client whose connection had died, and which tried again, lost the file.
#[test]
fn an_upload_without_a_byte_emptied_what_another_session_had_uploaded_since() {
    for (way, break_off) in WAYS {
        let server = TestServer::new();
        server.file("file", "old");
        let mut first = server.client();
        let data = first.begin("STOR file");
        server.client().put("STOR file", b"new");
        let data = break_off(first, data);
        server.wait_for_rest();
        assert_eq!(server.content("file"), b"new", "{way}");
        drop(data);
    }
}

#[test]
fn a_server_that_stopped_emptied_the_files_of_uploads_without_a_byte() {
    let mut server = TestServer::new();
    server.file("file", "old");
    let mut client = server.client();
    let data = client.begin("STOR file");
    server.handle().close_all();
    server.wait_for_end();
    assert_eq!(server.content("file"), b"old");
    drop(data);
}

/// A client that resumes by SIZE sends all of the line's end again.
#[test]
fn half_of_a_lines_end_was_kept_of_a_text_that_broke_off() {
    for (way, break_off) in WAYS {
        let server = TestServer::new();
        let mut first = server.client();
        first.expect("TYPE A", 200);
        let mut data = first.begin("STOR file");
        data.write_all(b"one\r").unwrap();
        wait_until("it is stored", || server.content("file") == b"one");
        let data = break_off(first, data);
        server.wait_for_rest();
        let mut second = server.client();
        second.expect("TYPE I", 200);
        assert_eq!(second.expect("SIZE file", 213).argument(), "3", "{way}");
        second.expect("TYPE A", 200);
        second.put("APPE file", b"\r\ntwo\r\n");
        assert_eq!(server.content("file"), b"one\ntwo\n", "{way}");
        drop(data);
    }
}
