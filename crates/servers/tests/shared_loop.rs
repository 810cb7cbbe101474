//! Servers on one loop, of which one has a process per client. A forking process must have one
//! thread, so this is one test after the other.

#[cfg(target_os = "linux")]
fn main() {
    linux::a_server_that_was_closed_lived_on_in_a_client_process_of_another();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, Read};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;
    use ftpdlib_ioloop::IoLoop;
    use ftpdlib_servers::{Concurrency, FtpServer, FtpServerBuilder, ServerHandle};

    /// More than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn server(concurrency: Concurrency) -> FtpServer {
        FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
            .listen((Ipv4Addr::LOCALHOST, 0))
            .concurrency(concurrency)
            .build()
            .unwrap()
    }

    /// Turns the loop until something is so.
    fn turn_until(io_loop: &mut IoLoop, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline);
            io_loop.turn(Some(Duration::from_millis(10))).unwrap();
        }
    }

    /// A client that has been greeted.
    fn greeted(server: &ServerHandle, io_loop: &mut IoLoop) -> TcpStream {
        let mut client = TcpStream::connect(server.local_addrs()[0]).unwrap();
        client.set_nonblocking(true).unwrap();
        let mut greeting = [0; 512];
        turn_until(io_loop, || match client.read(&mut greeting) {
            Ok(bytes) => {
                assert!(greeting[..bytes].starts_with(b"220"));
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                false
            }
        });
        client
    }

    pub(super) fn a_server_that_was_closed_lived_on_in_a_client_process_of_another() {
        for other in [Concurrency::default(), Concurrency::MultiProcess] {
            let mut io_loop = IoLoop::new().unwrap();
            let each = server(Concurrency::MultiProcess);
            let each = each.attach(&mut io_loop).unwrap();
            let other_server = server(other).attach(&mut io_loop).unwrap();
            let mut others_client = greeted(&other_server, &mut io_loop);
            let _client = greeted(&each, &mut io_loop);
            let address: SocketAddr = other_server.local_addrs()[0];
            other_server.close_all();
            let mut rest = [0; 512];
            turn_until(&mut io_loop, || {
                matches!(others_client.read(&mut rest), Ok(0))
            });
            turn_until(&mut io_loop, || other_server.clients() == 0);
            assert_eq!(each.clients(), 1);
            TcpListener::bind(address).unwrap();
            each.close_all();
            io_loop.run().unwrap();
        }
    }
}
