//! How a server begins and ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ftpdlib::authorizers::DummyAuthorizer;
use ftpdlib::handlers::FtpHandler;
use ftpdlib::ioloop::IoLoop;
use ftpdlib::servers::{
    AddressOrSocket, FtpServer, FtpServerBuilder, MultiprocessFtpServer, ServeOptions, ServerError,
    ThreadedFtpServer,
};
use ftpdlib_tests::client::{Client, USER, read_all};
use ftpdlib_tests::models;
use ftpdlib_tests::port::free_port;
use ftpdlib_tests::server::{TestServer, handler};
use ftpdlib_tests::skip::skipped;
use ftpdlib_tests::wait::wait_until;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

#[track_caller]
fn check_closed(address: SocketAddr) {
    wait_until("nobody listens", || TcpStream::connect(address).is_err());
}

#[test]
fn close_waits_for_the_last_client() {
    let mut server = TestServer::new();
    let mut first = server.client();
    let mut second = server.client();
    server.handle().close();
    check_closed(server.address());
    first.put("STOR a", b"hello");
    first.expect("QUIT", 221);
    second.play(&[("NOOP", 200), ("QUIT", 221)]);
    drop((first, second));
    server.wait_for_end();
}

#[test]
fn close_all_waits_for_nobody() {
    let mut server = TestServer::new();
    server.file("big", vec![b'x'; 32 << 20]);
    let mut idle = server.client();
    let mut stranger = Client::connect(server.address());
    let mut busy = server.client();
    let _unread = busy.begin("RETR big");
    server.handle().close_all();
    server.wait_for_end();
    idle.expect_reply(421);
    stranger.expect_reply(421);
    busy.expect_reply(421);
    busy.expect_end();
    check_closed(server.address());
}

#[test]
fn drain_lets_transfers_end() {
    let mut server = TestServer::new();
    let mut idle = server.client();
    let mut busy = server.client();
    let mut stream = busy.begin("STOR a");
    server.handle().drain();
    idle.expect_reply(421);
    idle.expect_end();
    check_closed(server.address());
    busy.expect("NOOP", 200);
    stream.write_all(b"hello").unwrap();
    drop(stream);
    busy.expect_reply(226);
    busy.expect_reply(421);
    busy.expect_end();
    assert_eq!(server.content("a"), b"hello");
    drop((idle, busy));
    server.wait_for_end();
}

#[test]
fn what_does_not_end_after_drain_is_ended() {
    let mut server = TestServer::new();
    let mut busy = server.client();
    let _stream = busy.begin("STOR a");
    server.handle().drain();
    busy.expect("NOOP", 200);
    server.handle().close_all();
    busy.expect_reply(421);
    busy.expect_end();
    server.wait_for_end();
}

#[test]
fn a_server_without_clients_ends_at_once() {
    for end in ["close", "drain", "close_all"] {
        let mut server = TestServer::new();
        match end {
            "close" => server.handle().close(),
            "drain" => server.handle().drain(),
            _ => server.handle().close_all(),
        }
        server.wait_for_end();
    }
}

#[test]
fn a_hundred_clients_wait_to_be_accepted_unless_told_otherwise() {
    let home = TempDir::new().unwrap();
    let builder = || FtpServerBuilder::new(handler(home.path())).listen(ANY_PORT);
    let served = || handler(home.path());
    let servers: [(FtpServer, _); 4] = [
        (builder().build().unwrap(), 100),
        (builder().backlog(7).build().unwrap(), 7),
        (
            ThreadedFtpServer::new(ANY_PORT, served()).unwrap().into(),
            5,
        ),
        (
            MultiprocessFtpServer::new(ANY_PORT, served())
                .unwrap()
                .into(),
            5,
        ),
    ];
    // They are never turned, so they accept nobody.
    for (server, backlog) in servers {
        let address = server.local_addrs()[0].into();
        let client = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // It is in progress.
            let _ = socket.connect(&address);
            socket
        };
        // Linux holds one more than it is told to.
        let waiting: Vec<_> = (0..=backlog).map(|_| client()).collect();
        wait_until("they are connected", || {
            waiting.iter().all(|client| client.peer_addr().is_ok())
        });
        assert!(client().peer_addr().is_err(), "one more than {backlog}");
    }
}

#[test]
fn new_settings_are_for_new_clients() {
    let server = TestServer::new();
    let mut old = server.client();
    let renewed = handler(server.home()).banner("Renewed.");
    server.handle().set_handler(renewed).unwrap();
    let mut new = Client::open(server.address());
    assert_eq!(new.expect_reply(220).argument(), "Renewed.");
    old.expect("NOOP", 200);
    let unusable = handler(server.home()).banner("");
    let refused = server.handle().set_handler(unusable).unwrap_err();
    assert_eq!(refused.setting(), "banner");
    let mut newer = Client::open(server.address());
    assert_eq!(newer.expect_reply(220).argument(), "Renewed.");
}

#[test]
fn a_removed_user_was_let_in_by_a_connection_from_before_that() {
    let server = TestServer::with(|handler| handler.max_login_attempts(u32::MAX));
    let open = || {
        let mut client = Client::open(server.address());
        client.expect_reply(220);
        client
    };
    let mut asking = open();
    let (mut fresh, mut named, mut logged_in) = (open(), open(), server.client());
    let (user, password) = (format!("USER {}", USER.0), format!("PASS {}", USER.1));
    named.expect(&user, 331);
    // Settings that cannot be used cut nobody off.
    let unusable = handler(server.home()).banner("");
    server.handle().set_handler(unusable).unwrap_err();
    open().play(&[(&user, 331), (&password, 230)]);

    let nobody = FtpHandler::new(DummyAuthorizer::new());
    let nobody = nobody.auth_failed_timeout(Duration::from_millis(1));
    server.handle().set_handler(nobody).unwrap();
    wait_until("nobody is let in any more who has just connected", || {
        asking.expect(&user, 331);
        asking.send("PASS wrong");
        asking.next_reply().unwrap().code == 421
    });
    logged_in.put("STOR a", b"hello");
    logged_in.expect("REIN", 220);
    fresh.play(&[("NOOP", 200), ("SYST", 215)]);
    for client in [&mut fresh, &mut logged_in] {
        client.expect(&user, 331);
    }
    for mut client in [fresh, named, logged_in] {
        client.expect(&password, 421);
        client.expect_end();
    }
    open().play(&[(&user, 331), (&password, 530), ("NOOP", 200)]);
}

#[test]
fn a_server_listens_on_several_addresses_and_given_sockets() {
    let home = TempDir::new().unwrap();
    let given = TcpListener::bind(ANY_PORT).unwrap();
    let given_address = given.local_addr().unwrap();
    let builder = FtpServerBuilder::new(handler(home.path()))
        .listen(ANY_PORT)
        .listen((Ipv4Addr::new(127, 0, 0, 2), 0))
        .listen(given);
    let server = TestServer::run(builder, home);
    let addresses = server.handle().local_addrs();
    assert_eq!(addresses.len(), 3);
    assert!(addresses.contains(&given_address));
    for address in addresses {
        assert_ne!(address.port(), 0);
        let mut client = Client::login(address);
        client.put("STOR a", b"hello");
        assert_eq!(client.pasv().ip(), address.ip());
    }
}

#[test]
fn a_socket_a_tuple_and_an_address_are_places() {
    let socket = TcpListener::bind(ANY_PORT).unwrap();
    for place in [
        AddressOrSocket::from(socket),
        AddressOrSocket::from(ANY_PORT),
        AddressOrSocket::from(SocketAddr::from(ANY_PORT)),
        AddressOrSocket::from((Ipv6Addr::UNSPECIFIED, 0)),
    ] {
        let home = TempDir::new().unwrap();
        let builder = FtpServerBuilder::new(handler(home.path())).listen(place);
        let server = TestServer::run(builder, home);
        let port = server.address().port();
        // `::` takes in both families.
        let mut client = Client::login((Ipv4Addr::LOCALHOST, port).into());
        client.put("STOR a", b"hello");
    }
}

#[test]
fn listeners_come_and_go_without_their_sessions() {
    let server = TestServer::new();
    let old = server.address();
    let mut client = server.client();
    let mut stream = client.begin("STOR a");
    let other = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0));
    server.handle().set_addresses(&[other], 100).unwrap();
    wait_until("it moves", || server.address().ip() == other.ip());
    check_closed(old);
    let new = server.address();
    // What is the same stays, port 0 too.
    let both = [other, ANY_PORT.into()];
    server.handle().set_addresses(&both, 100).unwrap();
    wait_until("there are two", || server.handle().local_addrs().len() == 2);
    assert_eq!(server.address(), new);
    stream.write_all(b"hello").unwrap();
    drop(stream);
    client.expect_reply(226);
    for address in server.handle().local_addrs() {
        Client::login(address).expect("QUIT", 221);
    }
}

#[test]
fn an_address_that_cannot_be_had_changes_no_listener() {
    let (server, other) = (TestServer::new(), TestServer::new());
    let addresses = server.handle().local_addrs();
    let set = |wanted: &[SocketAddr]| server.handle().set_addresses(wanted, 100);
    let taken = other.address();
    check_unbound(set(&[ANY_PORT.into(), taken]), taken, ErrorKind::AddrInUse);
    assert!(matches!(set(&[]), Err(ServerError::NoAddress)));
    server.check_serves();
    assert_eq!(server.handle().local_addrs(), addresses);
}

#[test]
fn a_wider_address_takes_the_place_of_one_with_its_port() {
    let server = TestServer::new();
    let (narrow, port) = (server.address(), server.address().port());
    let wide = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let mut client = server.client();
    for addresses in [[wide], [narrow], [wide]] {
        server.handle().set_addresses(&addresses, 100).unwrap();
        wait_until("the other one is there", || {
            server.handle().local_addrs() == addresses
        });
        Client::login(narrow).expect("QUIT", 221);
    }
    client.expect("NOOP", 200);
}

#[test]
fn all_of_ipv4_and_all_of_ipv6_could_not_be_listened_on_together() {
    let Some(port) = free_port() else {
        return skipped("no IPv6 here");
    };
    let (v4, v6) = (
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    );
    let clients = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ];
    for first in [&[v4, v6][..], &[v6, v4], &[v6], &[v4]] {
        let home = TempDir::new().unwrap();
        let builder = FtpServerBuilder::new(handler(home.path()));
        let builder = first
            .iter()
            .fold(builder, |builder, &address| builder.listen(address));
        let server = TestServer::run(builder, home);
        assert_eq!(server.handle().local_addrs(), first);
        Client::login(clients[0]).expect("QUIT", 221);
        // From each list to each.
        for wanted in [
            &[v4, v6][..],
            &[v6],
            &[v6, v4],
            &[v4],
            &[v4, v6],
            &[v4],
            &[v6],
            &[v4],
        ] {
            // The other address is there once the change is made.
            let mark = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            for marked in [true, false] {
                let marks = marked.then_some(mark);
                let all: Vec<_> = wanted.iter().copied().chain(marks).collect();
                server.handle().set_addresses(&all, 100).unwrap();
                wait_until("the change is made", || {
                    let mut now = server.handle().local_addrs().into_iter();
                    now.any(|address| address.ip() == mark.ip()) == marked
                });
            }
            for address in clients {
                if wanted.contains(&v6) || address.is_ipv4() {
                    Client::login(address).expect("QUIT", 221);
                } else {
                    check_closed(address);
                }
            }
        }
    }
}

#[test]
fn a_spawned_server_ends_with_its_owner() {
    let home = TempDir::new().unwrap();
    let builder = || FtpServerBuilder::new(handler(home.path())).listen(ANY_PORT);
    let server = builder().concurrency(models::chosen()).spawn().unwrap();
    let address = server.local_addrs()[0];
    let mut client = Client::login(address);
    drop(server);
    client.expect_reply(421);
    check_closed(address);
    let elsewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 0));
    let refused = builder().listen(elsewhere).spawn();
    check_unbound(refused, elsewhere, ErrorKind::AddrNotAvailable);
    let server = builder().spawn().unwrap();
    server.drain();
    server.join().unwrap();
}

#[test]
fn an_address_in_use_is_refused() {
    let server = TestServer::new();
    let home = TempDir::new().unwrap();
    let other = FtpServer::new(server.address(), handler(home.path()));
    check_unbound(other, server.address(), ErrorKind::AddrInUse);
}

#[track_caller]
fn check_unbound<T>(outcome: Result<T, ServerError>, wanted: SocketAddr, reason: ErrorKind) {
    match outcome.err() {
        Some(ServerError::Bind { address, source }) => {
            assert_eq!((address, source.kind()), (wanted, reason));
        }
        other => panic!("{wanted}: {other:?}"),
    }
}

#[test]
fn a_server_may_be_turned_by_hand() {
    let home = TempDir::new().unwrap();
    let mut server = FtpServer::new(ANY_PORT, handler(home.path())).unwrap();
    let address = server.local_addrs()[0];
    let client = thread::spawn(move || {
        let mut client = Client::login(address);
        client.put("STOR a", b"hello");
        client.expect("QUIT", 221);
        client.expect_end();
    });
    while !client.is_finished() {
        let options = ServeOptions::default()
            .blocking(false)
            .handle_exit(false)
            .timeout(Duration::from_millis(10));
        server.serve_forever(options).unwrap();
    }
    client.join().unwrap();
    assert_eq!(std::fs::read(home.path().join("a")).unwrap(), b"hello");
}

#[test]
fn a_server_turned_by_hand_did_not_tell_of_its_end() {
    let home = TempDir::new().unwrap();
    let mut server = FtpServer::new(ANY_PORT, handler(home.path())).unwrap();
    let handle = server.handle().unwrap();
    let address = server.local_addrs()[0];
    let client = thread::spawn(move || {
        let mut client = Client::login(address);
        handle.close();
        check_closed(address);
        client.play(&[("NOOP", 200), ("QUIT", 221)]);
        client.expect_end();
    });
    let mut turn = || {
        let options = ServeOptions::default().blocking(false).handle_exit(false);
        let next = server.serve_forever(options).unwrap();
        (server.is_over(), next)
    };
    while !turn().0 {}
    client.join().unwrap();
    // It is not started again.
    assert_eq!(turn(), (true, None));
}

#[test]
fn two_servers_and_a_timer_share_a_loop() {
    let homes = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (tell, told) = mpsc::channel();
    let (tell_loop, told_loop) = mpsc::channel();
    let (tell_tick, told_tick) = mpsc::channel();
    let handlers = [handler(homes[0].path()), handler(homes[1].path())];
    let looping = thread::spawn(move || {
        let mut io_loop = IoLoop::new().unwrap();
        for handler in handlers {
            let mut server = FtpServer::new(ANY_PORT, handler).unwrap();
            // A loop of its own, which it must not miss.
            server.handle().unwrap();
            tell.send(server.attach(&mut io_loop).unwrap()).unwrap();
        }
        io_loop.call_every(Duration::from_millis(1), move |_| {
            // Nobody may be listening any more.
            let _ = tell_tick.send(());
        });
        tell_loop.send(io_loop.handle()).unwrap();
        io_loop.run_until_stopped().unwrap();
        io_loop.handler_count()
    });
    let servers = [told.recv().unwrap(), told.recv().unwrap()];
    for (server, home) in servers.iter().zip(&homes) {
        let mut client = Client::login(server.local_addrs()[0]);
        client.put("STOR a", b"hello");
        assert_eq!(std::fs::read(home.path().join("a")).unwrap(), b"hello");
        client.expect("QUIT", 221);
    }
    // One ends, the other does not notice.
    servers[0].close_all();
    check_closed(servers[0].local_addrs()[0]);
    let mut client = Client::login(servers[1].local_addrs()[0]);
    client.expect("NOOP", 200);
    servers[1].drain();
    client.expect_reply(421);
    drop(client);
    wait_until("all sessions end", || {
        servers.iter().all(|server| server.clients() == 0)
    });
    // A whole turn after that.
    let _before = told_tick.try_iter().count();
    told_tick.recv().unwrap();
    told_tick.recv().unwrap();
    told_loop.recv().unwrap().stop();
    assert_eq!(looping.join().unwrap(), 0, "handlers left on the loop");
}

#[test]
fn dropping_a_server_disconnects_its_clients() {
    let (tell, told) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let home = TempDir::new().unwrap();
    let handler = handler(home.path());
    let serving = thread::spawn(move || {
        let mut server = FtpServer::new(ANY_PORT, handler).unwrap();
        tell.send(server.local_addrs()[0]).unwrap();
        while left.try_recv().is_err() {
            let options = ServeOptions::default()
                .blocking(false)
                .handle_exit(false)
                .timeout(Duration::from_millis(5));
            server.serve_forever(options).unwrap();
        }
    });
    let address = told.recv().unwrap();
    let mut client = Client::login(address);
    let mut stream = client.begin("STOR a");
    stream.write_all(b"some").unwrap();
    leave.send(()).unwrap();
    serving.join().unwrap();
    client.expect_reply(421);
    client.expect_end();
    let _ = stream.read(&mut [0]);
    check_closed(address);
}

#[test]
fn a_server_that_was_closed_serves_nobody() {
    let home = TempDir::new().unwrap();
    let mut server = FtpServer::new(ANY_PORT, handler(home.path())).unwrap();
    let address = server.local_addrs()[0];
    server.close().unwrap();
    let options = ServeOptions::default().handle_exit(false);
    assert_eq!(server.serve_forever(options).unwrap(), None);
    check_closed(address);
    server.close_all().unwrap();
}

#[test]
fn the_caller_learns_when_clients_are_accepted() {
    let home = TempDir::new().unwrap();
    let handler = handler(home.path());
    let (tell, told) = mpsc::channel();
    let serving = thread::spawn(move || {
        let mut server = FtpServer::new(ANY_PORT, handler).unwrap();
        let handle = server.handle().unwrap();
        let options = ServeOptions::default()
            .handle_exit(false)
            .on_started(move || tell.send(handle).unwrap());
        server.serve_forever(options).unwrap();
    });
    let handle = told.recv().unwrap();
    let mut client = Client::login(handle.local_addrs()[0]);
    let stream = client.begin("NLST");
    assert_eq!(read_all(stream), b"");
    client.expect_reply(226);
    handle.close_all();
    client.expect_reply(421);
    serving.join().unwrap();
}
