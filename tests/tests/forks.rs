//! What the processes that serve have from their parent.

#[cfg(target_os = "linux")]
fn main() {
    use linux::*;

    a_session_kept_a_listener_that_the_parent_was_about_to_open();
    a_worker_kept_a_listener_that_the_parent_was_about_to_open();
    a_worker_kept_a_listener_that_was_meant_for_the_next_ones();
    a_worker_that_was_stopped_for_long_missed_the_newest_file();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::Write;
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};
    use std::process;
    use std::time::Duration;

    use ftpdlib::authorizers::DummyAuthorizer;
    use ftpdlib::handlers::FtpHandler;
    use ftpdlib::servers::{Concurrency, FtpServer, FtpServerBuilder, ServeOptions, ServerHandle};
    use ftpdlib_tests::client::Client;
    use ftpdlib_tests::program::{children_of, is_gone, signal};
    use ftpdlib_tests::wait::wait_until;

    /// A server in other processes, whose parent is this one. SIGHUP has it listen on another
    /// address, too. The others write a byte to each file that they are handed.
    struct Server {
        server: FtpServer,
        handle: ServerHandle,
        address: SocketAddr,
        other: SocketAddr,
    }

    impl Server {
        fn start(concurrency: Concurrency) -> Self {
            let any = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            let port = any.local_addr().unwrap().port();
            drop(any);
            let [address, other] =
                [[127, 0, 0, 1], [127, 0, 0, 2]].map(|ip| SocketAddr::from((ip, port)));
            let mut server = FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
                .listen(address)
                .concurrency(concurrency)
                .build()
                .unwrap();
            let handle = server.handle().unwrap();
            let reloaded = handle.clone();
            let options = options()
                .supervised(true)
                .on_file(|_, mut file| file.write_all(b"x").unwrap())
                .on_reload(move || reloaded.set_addresses(&[address, other], 5).unwrap());
            server.serve_forever(options).unwrap();
            Self {
                server,
                handle,
                address,
                other,
            }
        }

        /// A server with one worker that has done all it does at its start.
        fn start_worker() -> Self {
            let mut server = Self::start(Concurrency::default());
            server.turn();
            // The worker says that it accepts before it takes a command.
            Client::connect(server.address).expect("NOOP", 200);
            // Until that is read, and then nothing more is there.
            server.turn();
            server.turn();
            server
        }

        fn turn(&mut self) {
            self.server.serve_forever(options()).unwrap();
        }

        /// Has the next turn find a worker dead, which is replaced.
        fn kill_worker(&self) {
            let workers = children_of(process::id());
            assert_eq!(workers.len(), 1);
            signal(workers[0], "KILL");
            wait_until("the worker is dead", || is_gone(workers[0]));
        }

        /// Has the server open the other address and close it again. The process that serves
        /// `client` was forked before it was open.
        #[track_caller]
        fn check_closes(mut self, mut client: Client) {
            client.expect_reply(220);
            self.turn();
            assert_eq!(self.handle.local_addrs(), [self.address, self.other]);
            self.handle.set_addresses(&[self.address], 5).unwrap();
            wait_until("nobody listens", || {
                self.turn();
                TcpListener::bind(self.other).is_ok()
            });
            client.expect("NOOP", 200);
        }
    }

    /// For one turn.
    fn options() -> ServeOptions {
        ServeOptions::default()
            .blocking(false)
            .timeout(Duration::ZERO)
    }

    pub(super) fn a_session_kept_a_listener_that_the_parent_was_about_to_open() {
        let mut server = Server::start(Concurrency::MultiProcess);
        server.turn();
        // In one turn: a listener is to be opened, and a client comes.
        signal(process::id(), "HUP");
        let client = Client::open(server.address);
        server.turn();
        server.check_closes(client);
    }

    pub(super) fn a_worker_kept_a_listener_that_the_parent_was_about_to_open() {
        let mut server = Server::start_worker();
        // In one turn: a listener is to be opened, and a worker is replaced.
        signal(process::id(), "HUP");
        server.kill_worker();
        server.turn();
        let client = Client::open(server.address);
        server.check_closes(client);
    }

    pub(super) fn a_worker_kept_a_listener_that_was_meant_for_the_next_ones() {
        let mut server = Server::start_worker();
        // In one turn: a listener is opened, and a worker is replaced.
        let both = [server.address, server.other];
        server.handle.set_addresses(&both, 5).unwrap();
        server.kill_worker();
        server.turn();
        let client = Client::open(server.address);
        server.check_closes(client);
    }

    pub(super) fn a_worker_that_was_stopped_for_long_missed_the_newest_file() {
        let mut server = Server::start_worker();
        let directory = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| {
            let file = File::create(directory.path().join(name));
            file.unwrap()
        });
        let workers = children_of(process::id());
        signal(workers[0], "STOP");
        // Its link has room for some 280.
        for _ in 0..1000 {
            server.handle.hand_over(5, old.try_clone().unwrap());
            server.turn();
        }
        server.handle.hand_over(5, new.try_clone().unwrap());
        server.turn();
        signal(workers[0], "CONT");
        wait_until("the worker has the new file", || {
            server.turn();
            new.metadata().unwrap().len() > 0
        });
    }
}
