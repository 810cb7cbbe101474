//! Disks that do not answer, and clients who do not wait for them.

use std::io::{Read, Write};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ftpdlib::filesystems::{Filesystem, MemoryFs};
use ftpdlib::handlers::{DtpHandler, FtpHandler, TlsFtpHandler};
use ftpdlib_tests::client::connect;
use ftpdlib_tests::gate::{Gate, GateKeeper};
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::tls::{TlsClient, VERSIONS, config, read_to_end, secure};
use ftpdlib_tests::wait::PATIENCE;

use super::isolation::stuck_at;

/// A server whose transfers may stall for a second, and whose filesystem hangs in such calls.
fn impatient_server(call: &'static str) -> (TestServer, GateKeeper) {
    let (files, keeper) = stuck_at(call);
    let files: Arc<dyn Filesystem> = Arc::new(files);
    let server = TestServer::with(|handler| {
        handler
            .abstracted_fs(move |_| Ok(Arc::clone(&files)))
            .dtp_handler(DtpHandler::default().timeout(Duration::from_secs(1)))
    });
    (server, keeper)
}

/// With one that had come before its command, the deadline of its handshake may even have been
/// over.
#[test]
fn a_data_connection_that_came_while_its_file_was_opened_had_to_wait_for_its_handshake() {
    for (call, command) in [("open_read", "RETR a"), ("open_write", "STOR b")] {
        for version in VERSIONS {
            let (files, keeper) = stuck_at(call);
            let files: Arc<dyn Filesystem> = Arc::new(files);
            let server = TestServer::with(|handler| {
                let handler = handler.abstracted_fs(move |_| Ok(Arc::clone(&files)));
                FtpHandler::from(TlsFtpHandler::new(handler))
            });
            let config = config(version);
            let mut client = TlsClient::login(server.address(), &config);
            let port = client.epsv();
            client.send(command);
            keeper.wait_for(1);
            let mut data = secure(connect(port), &config);
            data.conn.complete_io(&mut data.sock).unwrap();
            keeper.open();
            client.expect_reply(150);
            if call == "open_read" {
                assert_eq!(read_to_end(&mut data).unwrap(), b"hello");
            }
            data.conn.send_close_notify();
            data.flush().unwrap();
            client.expect_reply(226);
        }
    }
}

#[test]
fn a_handshake_that_waited_for_the_reply_to_its_transfer_was_too_late() {
    let (files, keeper) = stuck_at("open_read");
    let files: Arc<dyn Filesystem> = Arc::new(files);
    let server = TestServer::with(|handler| {
        let handler = handler.abstracted_fs(move |_| Ok(Arc::clone(&files)));
        let tls = TlsFtpHandler::new(handler).handshake_timeout(Duration::from_secs(2));
        FtpHandler::from(tls)
    });
    let config = config(VERSIONS[1]);
    let mut client = TlsClient::login_in_a_hurry(server.address(), &config);
    let port = client.epsv();
    client.send("RETR a");
    keeper.wait_for(1);
    let data = connect(port);
    // For one that has come later, and to which no transfer comes, time runs out.
    let mut other = TlsClient::login_in_a_hurry(server.address(), &config);
    let mut stalled = connect(other.epsv());
    assert_eq!(stalled.read(&mut [0]).unwrap(), 0);
    keeper.open();
    client.expect_reply(150);
    let mut data = secure(data, &config);
    assert_eq!(read_to_end(&mut data).unwrap(), b"hello");
    data.conn.send_close_notify();
    data.flush().unwrap();
    client.expect_reply(226);
}

/// Its transfer was told to have stalled, as if the client had been gone.
#[test]
fn a_disk_that_hung_cost_its_client_the_session() {
    for (call, command) in [
        ("read", "RETR a"),
        ("next_batch", "MLSD"),
        ("write", "STOR b"),
    ] {
        let (server, keeper) = impatient_server(call);
        let mut client = server.client();
        let mut stream = client.begin(command);
        if command.starts_with("STOR") {
            stream.write_all(b"content").unwrap();
        }
        client.expect_reply(451);
        client.expect("NOOP", 200);
        keeper.open();
    }
}

/// Nobody looked at the time any more once all had come, or ABOR.
#[test]
fn a_disk_that_hung_at_the_end_of_an_upload_left_its_client_without_a_reply() {
    // The call that hangs, the content, whether ABOR comes then, and the replies.
    let rows: [(_, _, _, &[u16]); 4] = [
        ("finish", "content", false, &[451]),
        ("finish", "content", true, &[426, 226]),
        ("write", "content", true, &[426, 226]),
        // What is kept of it is written when nothing more has come.
        ("write", "\r", false, &[451]),
    ];
    for (call, content, aborts, codes) in rows {
        let (server, keeper) = impatient_server(call);
        let mut client = server.client();
        client.expect("TYPE A", 200);
        let mut stream = client.begin("STOR b");
        stream.write_all(content.as_bytes()).unwrap();
        if call == "write" && aborts {
            keeper.wait_for(1);
        }
        if aborts {
            client.send("ABOR");
        } else {
            drop(stream);
        }
        for code in codes {
            client.expect_reply(*code);
        }
        client.expect("NOOP", 200);
        keeper.open();
    }
}

#[test]
fn clients_that_leave_a_hung_filesystem_are_forgotten_when_it_wakes() {
    let (files, keeper) = stuck_at("stat");
    let server = TestServer::showing(files);
    for _ in 0..10 {
        let mut client = server.client();
        client.send("MLST a");
    }
    keeper.wait_for(10);
    server.check_serves();
    keeper.open();
    server.wait_for_rest();
}

/// They kept their places, and the server could not stop.
#[test]
fn clients_that_had_left_a_hung_filesystem_held_up_the_end_of_the_server() {
    let (gate, keeper) = Gate::closed();
    let files = Arc::new(MemoryFs::new());
    files.insert("/a", "hello").unwrap();
    let (finished, told) = mpsc::channel();
    let server = TestServer::showing(Hooked::new(Arc::clone(&files), move |call| {
        match call {
            "open_write" => gate.pass(),
            "finish" => finished.send(()).unwrap(),
            _ => {}
        }
        Ok(())
    }));
    let mut client = server.client();
    let _stream = client.passive();
    client.send("STOR a");
    keeper.wait_for(1);
    drop(client);
    server.wait_for_rest();
    keeper.open();
    // It is opened for nobody, and keeps its content.
    told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(server.client().fetch("RETR a"), b"hello");
}
