//! Uploads into a filesystem that may block: their files are written and finished on threads.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ftpdlib::filesystems::{Filesystem, MemoryFs};
use ftpdlib::handlers::TlsFtpHandler;
use ftpdlib::proto::VirtualPath;
use ftpdlib_tests::gate::Gate;
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::tls::{TlsClient, VERSIONS, config};
use ftpdlib_tests::wait::wait_until;

const BEFORE: &[u8] = b"what was there before";

/// A server that has `file`, and gives a handshake so long; and its files.
fn serving(handshake_timeout: Option<Duration>) -> (TestServer, MemoryFs) {
    let files = MemoryFs::new();
    files.insert("/file", BEFORE).unwrap();
    let shown: Arc<dyn Filesystem> = Arc::new(Hooked::new(files.clone(), |_| Ok(())));
    let server = TestServer::with(|handler| {
        let handler = handler.abstracted_fs(move |_| Ok(Arc::clone(&shown)));
        TlsFtpHandler::new(handler)
            .handshake_timeout(handshake_timeout)
            .into()
    });
    (server, files)
}

fn content(files: &MemoryFs) -> Vec<u8> {
    let mut file = files
        .open_read(&VirtualPath::new(b"/file").unwrap(), 0)
        .unwrap();
    let mut content = vec![0; 100];
    let size = file.read(&mut content).unwrap();
    content.truncate(size);
    content
}

fn login(server: &TestServer) -> TlsClient {
    TlsClient::login_in_a_hurry(server.address(), &config(VERSIONS[1]))
}

/// An upload that ends before its data connection has become secure, as `end` has it end, and the
/// codes that tell so.
#[track_caller]
fn check_unsecured(
    timeout: Option<Duration>,
    end: impl Fn(&mut TlsClient, &mut TcpStream),
    codes: &[u16],
) {
    let (server, files) = serving(timeout);
    let mut client = login(&server);
    let mut stream = client.passive();
    client.expect("STOR file", 150);
    end(&mut client, &mut stream);
    for code in codes {
        client.expect_reply(*code);
    }
    assert_eq!(content(&files), BEFORE);
    client.expect("NOOP", 200);
    drop(client);
    server.wait_for_rest();
}

#[test]
fn an_upload_on_a_thread_whose_handshake_failed_never_ended() {
    let noise = |_: &mut TlsClient, stream: &mut TcpStream| {
        stream.write_all(b"hello, no TLS is spoken here").unwrap();
    };
    check_unsecured(None, noise, &[522]);
}

#[test]
fn an_upload_on_a_thread_that_was_stopped_within_its_handshake_never_ended() {
    let abort = |client: &mut TlsClient, _: &mut TcpStream| client.send("ABOR");
    check_unsecured(None, abort, &[426, 226]);
    check_unsecured(Some(Duration::from_secs(1)), |_, _| {}, &[522]);
}

#[test]
fn an_upload_on_a_thread_outlived_its_client_within_its_handshake() {
    let (mut server, _) = serving(None);
    let mut client = login(&server);
    let stream = client.passive();
    client.expect("STOR file", 150);
    drop(client);
    server.wait_for_rest();
    server.drain();
    server.wait_for_end();
    drop(stream);
}

#[test]
fn an_upload_on_a_thread_never_ended_after_a_broken_record() {
    let (server, _) = serving(None);
    let mut client = login(&server);
    let mut stream = client.begin("STOR file");
    stream.conn.complete_io(&mut stream.sock).unwrap();
    stream.write_all(b"the beginning").unwrap();
    stream.flush().unwrap();
    stream.sock.write_all(&[23, 3, 3, 0, 30]).unwrap();
    stream.sock.write_all(&[0; 30]).unwrap();
    client.expect_reply(426);
    client.expect("NOOP", 200);
    drop(client);
    server.wait_for_rest();
}

/// The client goes on to send, and is always ahead of what is written.
#[test]
fn an_upload_on_a_thread_went_on_without_its_control_connection() {
    const PIECE: u64 = 32 << 10;
    const MUCH: u64 = 2048 * PIECE;
    let (gate, keeper) = Gate::closed();
    let (files, sent) = (Arc::new(MemoryFs::new()), Arc::new(AtomicU64::new(0)));
    let written = {
        let files = Arc::clone(&files);
        move || {
            files
                .stat(&VirtualPath::new(b"/file").unwrap())
                .unwrap()
                .size
        }
    };
    let (so_far, ahead) = (written.clone(), Arc::clone(&sent));
    let server = TestServer::showing(Hooked::new(Arc::clone(&files), move |call| {
        if call == "write" {
            gate.pass();
            let enough = MUCH.min(so_far() + 4 * PIECE);
            wait_until("more was sent", || ahead.load(Ordering::SeqCst) >= enough);
        }
        Ok(())
    }));
    let mut client = server.client();
    let mut stream = client.begin("STOR file");
    let sender = thread::spawn(move || {
        // The end of it is an error, unless all of it was taken.
        while sent.load(Ordering::SeqCst) < MUCH && stream.write_all(&[0; PIECE as usize]).is_ok() {
            sent.fetch_add(PIECE, Ordering::SeqCst);
        }
        sent.store(MUCH, Ordering::SeqCst);
    });
    keeper.wait_for(1);
    drop(client);
    // The loss is seen before this client is served, at least where one loop serves both.
    server.check_serves();
    keeper.open();
    server.wait_for_rest();
    sender.join().unwrap();
    assert!(written() < MUCH / 2, "{} bytes", written());
}
