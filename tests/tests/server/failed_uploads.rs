//! Uploads that fail on the server while their client goes on to send.

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ftpdlib::filesystems::{ErrorKind, Filesystem, MemoryFs};
use ftpdlib::handlers::{FtpHandler, ThrottledDtpHandler, TlsFtpHandler};
use ftpdlib_tests::client::Client;
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::tls::{TlsClient, VERSIONS, config, read_to_end};

/// More than sockets hold.
const MUCH: usize = 16 << 20;

/// A filesystem that is full; as one that may block, or not.
fn full(is_local: bool) -> Arc<dyn Filesystem> {
    let files = Hooked::new(MemoryFs::new(), |call| match call {
        "write" => Err(ErrorKind::StorageFull.into()),
        _ => Ok(()),
    });
    if is_local {
        Arc::new(files.local())
    } else {
        Arc::new(files)
    }
}

/// A server of a full filesystem, with other settings.
fn serving(is_local: bool, change: impl FnOnce(FtpHandler) -> FtpHandler) -> TestServer {
    let files = full(is_local);
    TestServer::with(|handler| change(handler.abstracted_fs(move |_| Ok(Arc::clone(&files)))))
}

/// Has an upload fail, and gives its data connection.
fn fail(client: &mut Client) -> TcpStream {
    let mut stream = client.begin("STOR a");
    stream.write_all(b"hello").unwrap();
    client.expect_reply(552);
    stream
}

/// Whether the server has closed this data connection; it sends nothing there.
fn is_closed(mut stream: TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() == IoErrorKind::ConnectionReset,
    }
}

/// lftp began again, without end and without a word; curl told of a broken pipe.
#[test]
fn an_upload_that_failed_was_reset_before_its_client_had_the_reply() {
    for is_local in [false, true] {
        let server = serving(is_local, |handler| TlsFtpHandler::new(handler).into());
        let mut client = server.client();
        let mut stream = client.begin("STOR a");
        // Some clients look for a reply only when all is sent.
        stream.write_all(&vec![0; MUCH]).unwrap();
        client.expect_reply(552);
        stream.write_all(b"more").unwrap();
        drop(stream);
        client.expect("NOOP", 200);
        for version in VERSIONS {
            let mut client = TlsClient::login(server.address(), &config(version));
            let mut stream = client.begin("STOR a");
            stream.write_all(&vec![0; MUCH / 4]).unwrap();
            client.expect_reply(552);
            stream.write_all(b"more").unwrap();
            // Others wait for that before they look for a reply.
            assert!(read_to_end(&mut stream).unwrap().is_empty());
            drop(stream);
            client.expect("NOOP", 200);
        }
    }
}

/// What happens on a full disk is told by another code than that it is full before.
#[test]
fn a_full_disk_in_an_upload_was_told_as_if_trying_again_would_help() {
    let is_full = Arc::new(AtomicBool::new(false));
    let refuses = Arc::clone(&is_full);
    let server = TestServer::showing(Hooked::new(MemoryFs::new(), move |call| match call {
        "write" | "finish" | "mkdir" | "open_write" if refuses.load(Ordering::SeqCst) => {
            Err(ErrorKind::StorageFull.into())
        }
        _ => Ok(()),
    }));
    let mut client = server.client();
    for content in [&b"hello"[..], b""] {
        is_full.store(false, Ordering::SeqCst);
        let mut stream = client.begin("STOR a");
        is_full.store(true, Ordering::SeqCst);
        stream.write_all(content).unwrap();
        drop(stream);
        client.expect_reply(552);
    }
    client.expect("MKD b", 452);
    let _stream = client.passive();
    client.expect("STOR a", 452);
}

#[test]
fn the_data_connection_of_a_failed_upload_counts_until_its_client_goes_on() {
    let files = full(true);
    let server = TestServer::build(
        |handler| handler.abstracted_fs(move |_| Ok(Arc::clone(&files))),
        |builder| builder.max_cons(3),
    );
    let (mut client, mut other) = (server.client(), server.client());
    for (command, code) in [("PASV", 227), ("REIN", 220)] {
        let stream = fail(&mut client);
        other.expect("PASV", 425);
        client.expect(command, code);
        assert!(is_closed(stream), "{command}");
    }
    other.expect("PASV", 227);
}

#[test]
fn the_data_connection_of_a_failed_upload_is_closed_when_the_server_connects_to_the_next() {
    let server = serving(true, |handler| handler);
    let mut client = server.client();
    let stream = fail(&mut client);
    let _listener = client.port();
    client.expect("STOR b", 150);
    assert!(is_closed(stream));
}

/// That takes the whole time for which the data connection is held.
#[test]
fn what_came_behind_a_failed_upload_escaped_its_rate() {
    let server = serving(true, |handler| {
        handler.dtp_handler(ThrottledDtpHandler::default().read_limit(1 << 20))
    });
    let mut client = server.client();
    let mut stream = fail(&mut client);
    stream
        .set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let error = stream.write_all(&vec![0; MUCH]).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            IoErrorKind::BrokenPipe | IoErrorKind::ConnectionReset
        ),
        "{error}"
    );
    client.expect("NOOP", 200);
}
