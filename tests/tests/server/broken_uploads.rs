//! Uploads that break off, and what becomes of their files.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use ftpdlib::filesystems::{Filesystem, MemoryFs};
use ftpdlib::handlers::{ObservedSession, ObservedTransfer, Observer, TlsFtpHandler};
use ftpdlib::proto::TransferEnd;
use ftpdlib_tests::client::{Client, reset};
use ftpdlib_tests::gate::{Gate, GateKeeper};
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::tls::{TlsClient, VERSIONS, config};
use ftpdlib_tests::wait::{PATIENCE, wait_until};

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

/// What the system of a killed client had still to send comes when the network is back.
#[test]
fn an_upload_came_late_and_emptied_what_its_client_had_uploaded_since() {
    let server = TestServer::new();
    for late in [&b""[..], b"n"] {
        server.file("file", "old");
        let mut first = server.client();
        let mut data = first.begin("STOR file");
        server.client().put("STOR file", b"newer");
        data.write_all(late).unwrap();
        drop(data);
        first.expect_reply(226);
        assert_eq!(server.content("file"), b"newer", "{late:?}");
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

/// Tells how uploads ended.
struct Ends(Sender<TransferEnd>);

impl Observer for Ends {
    fn wants_commands(&self) -> bool {
        false
    }

    fn on_file_received(&self, _: &ObservedSession, transfer: &ObservedTransfer) {
        let _ = self.0.send(transfer.end.clone());
    }

    fn on_incomplete_file_received(&self, _: &ObservedSession, transfer: &ObservedTransfer) {
        let _ = self.0.send(transfer.end.clone());
    }
}

/// A server that writes nothing before it is let, on its loop if that is `local`; and what its
/// uploads came to.
fn held_up(local: bool) -> (TestServer, GateKeeper, Receiver<TransferEnd>) {
    let (gate, keeper) = Gate::closed();
    let (calls, told) = mpsc::channel();
    let files = Hooked::new(MemoryFs::new(), move |call| {
        if call == "write" {
            gate.pass();
        }
        Ok(())
    });
    let files: Arc<dyn Filesystem> = Arc::new(if local { files.local() } else { files });
    let server = TestServer::with(|handler| {
        let handler = handler.abstracted_fs(move |_| Ok(Arc::clone(&files)));
        TlsFtpHandler::new(handler.observer(Ends(calls))).into()
    });
    (server, keeper, told)
}

/// The end of the data was found before the line, and the part of a file was a complete one.
#[test]
fn an_aborted_upload_was_complete_if_its_data_connection_was_closed_too() {
    for local in [true, false] {
        let (server, keeper, told) = held_up(local);
        let mut client = server.client();
        let mut data = client.begin("STOR part");
        data.write_all(b"the beginning").unwrap();
        keeper.wait_for(1);
        client.send("ABOR");
        drop(data);
        keeper.open();
        client.expect_reply(426);
        client.expect_reply(226);
        let end = told.recv_timeout(PATIENCE);
        assert_eq!(end, Ok(TransferEnd::Aborted), "local: {local}");
        client.put("STOR whole", b"all");
        assert_eq!(told.recv_timeout(PATIENCE), Ok(TransferEnd::Complete));
        client.expect("ABOR", 225);
    }
}

#[test]
fn an_aborted_upload_was_complete_if_its_end_was_announced_under_tls() {
    for version in VERSIONS {
        let (server, keeper, told) = held_up(true);
        let mut client = TlsClient::login(server.address(), &config(version));
        let mut data = client.begin("STOR part");
        data.conn.complete_io(&mut data.sock).unwrap();
        data.write_all(b"the beginning").unwrap();
        data.flush().unwrap();
        keeper.wait_for(1);
        client.send("ABOR");
        data.conn.send_close_notify();
        data.flush().unwrap();
        drop(data);
        keeper.open();
        client.expect_reply(426);
        client.expect_reply(226);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(TransferEnd::Aborted));
    }
}
