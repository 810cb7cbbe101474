//! Clients that close their data connection early, and what becomes of their downloads.

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ftpdlib::filesystems::{Filesystem, MemoryFs};
use ftpdlib::handlers::{FtpHandler, TlsFtpHandler};
use ftpdlib_tests::client::reset;
use ftpdlib_tests::gate::{Gate, GateKeeper};
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::tls::{TlsClient, VERSIONS, config};

const CONTENT: &[u8] = b"all that there is";

/// More than sockets hold.
const MUCH: usize = 64 << 20;

/// How a client closes: with an end of its stream, or with a reset.
const CLOSES: [fn(TcpStream); 2] = [drop, reset];

/// Serves `file` with a content whose end the server reaches only when the gate opens.
fn holding_back_the_end() -> (TestServer, GateKeeper) {
    let (gate, keeper) = Gate::closed();
    let reads = AtomicUsize::new(0);
    let files = MemoryFs::new();
    files.insert("/file", CONTENT).unwrap();
    let files = Hooked::new(files, move |call| {
        if call == "read" && reads.fetch_add(1, Ordering::SeqCst) == 1 {
            gate.pass();
        }
        Ok(())
    });
    (serving(files), keeper)
}

fn serving(files: Hooked<MemoryFs>) -> TestServer {
    let files: Arc<dyn Filesystem> = Arc::new(files);
    TestServer::with(|handler| {
        let handler = handler.abstracted_fs(move |_| Ok(Arc::clone(&files)));
        FtpHandler::from(TlsFtpHandler::new(handler))
    })
}

/// What is left to send is the end of the stream, under TLS an announced one.
#[test]
fn a_whole_download_was_incomplete_to_a_client_that_closed_at_the_last_byte() {
    for close in CLOSES {
        let (server, keeper) = holding_back_the_end();
        let mut client = server.client();
        let mut data = client.begin("RETR file");
        let mut received = [0; CONTENT.len()];
        data.read_exact(&mut received).unwrap();
        assert_eq!(received, CONTENT);
        close(data);
        keeper.open();
        client.expect_reply(226);
    }
    for (version, close) in VERSIONS
        .into_iter()
        .flat_map(|version| CLOSES.map(|close| (version, close)))
    {
        let (server, keeper) = holding_back_the_end();
        let mut client = TlsClient::login(server.address(), &config(version));
        let mut data = client.begin("RETR file");
        let mut received = [0; CONTENT.len()];
        data.read_exact(&mut received).unwrap();
        assert_eq!(received, CONTENT);
        close(data.sock);
        keeper.open();
        client.expect_reply(226);
    }
}

/// A client that resumes goes on behind them.
#[test]
fn what_came_before_an_error_of_the_disk_was_held_back_under_tls() {
    for version in VERSIONS {
        let files = MemoryFs::new();
        files.insert("/file", vec![7; MUCH]).unwrap();
        let reads = AtomicUsize::new(0);
        let failing = Hooked::new(files, move |call| match call {
            "read" if reads.fetch_add(1, Ordering::SeqCst) == 2 => {
                Err(io::Error::other("the disk is broken").into())
            }
            _ => Ok(()),
        });
        let server = serving(failing.local());
        let mut client = TlsClient::login(server.address(), &config(version));
        let mut data = client.begin("RETR file");
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).unwrap_err();
        assert_eq!(bytes.len(), 2 * 65_536, "{version:?}");
        client.expect_reply(451);
    }
}

#[test]
fn a_download_that_a_client_has_only_a_part_of_is_incomplete() {
    let files = MemoryFs::new();
    files.insert("/file", vec![7; MUCH]).unwrap();
    let server = serving(Hooked::new(files, |_| Ok(())));
    let mut part = [0; 1000];
    for close in CLOSES {
        let mut client = server.client();
        client.expect("TYPE I", 200);
        let mut data = client.begin("RETR file");
        data.read_exact(&mut part).unwrap();
        close(data);
        client.expect_reply(426);
        for version in VERSIONS {
            let mut client = TlsClient::login(server.address(), &config(version));
            let mut data = client.begin("RETR file");
            data.read_exact(&mut part).unwrap();
            close(data.sock);
            client.expect_reply(426);
        }
    }
}
