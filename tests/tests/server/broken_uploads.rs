//! Uploads that break off, and what becomes of their files.

use std::net::TcpStream;

use ftpdlib_tests::client::{Client, reset};
use ftpdlib_tests::server::TestServer;

/// Breaks an upload off. What it gives back is kept open until the upload is over.
type BreakOff = fn(Client, TcpStream) -> Option<TcpStream>;

/// So a client that had lost its connection, and tried again, lost the file as well.
#[test]
fn an_upload_without_a_byte_emptied_what_another_session_had_uploaded_since() {
    let ways: [(&str, BreakOff); 3] = [
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
        ("control connection lost", |client, data| {
            drop(client);
            Some(data)
        }),
    ];
    for (way, break_off) in ways {
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
