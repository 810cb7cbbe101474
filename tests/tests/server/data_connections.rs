//! How data connections come about, and who is kept out.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ftpdlib_tests::client::{
    Client, NEIGHBOUR, accept, connect, connect_from, read_all, read_to_any_end, reset,
};
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::settings::{ACCOUNT, Setting};
use ftpdlib_tests::skip::skipped;
use tempfile::TempDir;

/// A server on all addresses of both families, and its address as an IPv4 client knows it.
fn dual_stack() -> (TestServer, SocketAddr) {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("a"), "hello").unwrap();
    let everywhere = Ipv6Addr::UNSPECIFIED.into();
    let server = TestServer::configured(everywhere, home, &[ACCOUNT], &[]).unwrap();
    let port = server.address().port();
    (server, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// A server on an address where no other test gets its ports.
fn apart(ip: Ipv4Addr, settings: &[Setting<'_>]) -> TestServer {
    TestServer::configured(ip.into(), TempDir::new().unwrap(), &[ACCOUNT], settings).unwrap()
}

fn with_file() -> TestServer {
    let server = TestServer::new();
    server.file("a", "hello");
    server
}

/// Some clients take no dot behind the one, or no other form of the other.
#[test]
fn passive_ports_are_told_to_the_letter() {
    let server = TestServer::new();
    let mut client = server.client();
    let told = client.expect("EPSV", 229).text();
    let port = told.strip_prefix("229 Entering Extended Passive Mode (|||");
    let port = port.and_then(|rest| rest.strip_suffix("|)\n"));
    assert!(
        port.is_some_and(|port| port.parse::<u16>().is_ok()),
        "{told}"
    );
    let told = client.expect("PASV", 227).text();
    let port = told.strip_prefix("227 Entering Passive Mode (127,0,0,1,");
    let port = port.and_then(|rest| rest.strip_suffix(").\n")?.split_once(','));
    let is_byte = |number: &str| number.parse::<u8>().is_ok();
    assert!(
        port.is_some_and(|(high, low)| is_byte(high) && is_byte(low)),
        "{told}"
    );
}

/// Downloads a file over a passive and an active data connection.
#[track_caller]
fn check_both_ways(address: SocketAddr) {
    let mut client = Client::login(address);
    assert_eq!(client.fetch("RETR a"), b"hello", "EPSV on {address}");
    let listener = client.port();
    client.send("RETR a");
    assert_eq!(read_all(accept(&listener)), b"hello", "active on {address}");
    client.expect_reply(150);
    client.expect_reply(226);
}

/// A link-local address of this machine, with its scope, if it has any.
fn link_local() -> Option<SocketAddrV6> {
    let addresses = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    addresses.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let address = u128::from_str_radix(fields.next()?, 16).ok()?;
        let scope = u32::from_str_radix(fields.next()?, 16).ok()?;
        let address = Ipv6Addr::from(address);
        let is_it = address.is_unicast_link_local();
        is_it.then(|| SocketAddrV6::new(address, 0, 0, scope))
    })
}

#[test]
fn no_data_connection_was_made_between_link_local_addresses() {
    let Some(mut address) = link_local() else {
        return skipped("this machine has no link-local address");
    };
    let (server, _) = dual_stack();
    address.set_port(server.address().port());
    check_both_ways(address.into());
}

#[test]
fn all_four_ways_work_on_both_families() {
    let (server, v4) = dual_stack();
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, server.address().port()));
    for address in [v4, v6] {
        check_both_ways(address);
    }
    let mut client = Client::login(v4);
    let passive = client.pasv();
    assert_eq!(passive.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let stream = connect(passive);
    client.expect("RETR a", 150);
    assert_eq!(read_all(stream), b"hello");
    client.expect_reply(226);
    Client::login(v6).expect("PASV", 425);
}

#[test]
fn a_stranger_does_not_get_the_data_connection() {
    let (dual, dual_v4) = dual_stack();
    let plain = with_file();
    for address in [plain.address(), dual_v4] {
        let mut client = Client::login(address);
        let passive = client.epsv();
        let stranger = connect_from(NEIGHBOUR, passive).unwrap();
        assert_eq!(
            read_to_any_end(stranger),
            b"",
            "the stranger is let go at once"
        );
        let stream = connect(passive);
        client.expect("RETR a", 150);
        assert_eq!(read_all(stream), b"hello");
        client.expect_reply(226);
    }
    drop(dual);
}

#[test]
fn a_stranger_gets_it_where_foreign_addresses_are_permitted() {
    let server = TestServer::set(&[("control.permit_foreign_addresses", "true")]);
    server.file("a", "hello");
    let mut client = server.client();
    let stream = connect_from(NEIGHBOUR, client.epsv()).unwrap();
    client.expect("RETR a", 150);
    assert_eq!(read_all(stream), b"hello");
    client.expect_reply(226);
}

#[test]
fn bounces_are_refused() {
    let (_dual, dual_v4) = dual_stack();
    let plain = with_file();
    for address in [plain.address(), dual_v4] {
        let mut client = Client::login(address);
        client.play(&[
            ("PORT 127,0,0,2,200,1", 501),
            ("EPRT |1|127.0.0.2|51201|", 501),
            ("PORT 127,0,0,1,3,255", 501),
            ("EPRT |1|127.0.0.1|21|", 501),
            ("PORT 127,0,0,1,0,0", 501),
            ("EPRT |2|::1|51201|", 522),
            ("RETR a", 425),
            ("PORT 127,0,0,1,4,0", 200),
        ]);
    }
}

#[test]
fn a_mapped_client_is_compared_as_what_it_is() {
    let (_server, v4) = dual_stack();
    let mut client = Client::open_from(NEIGHBOUR, v4);
    client.expect_reply(220);
    client.play(&[
        ("USER user", 331),
        ("PASS 12345", 230),
        ("PORT 127,0,0,1,200,1", 501),
        ("PORT 127,0,0,2,200,1", 200),
    ]);
}

#[test]
fn an_exhausted_range_is_refused_and_ports_come_back() {
    let ip = Ipv4Addr::new(127, 0, 0, 7);
    let port = {
        let probe = TcpListener::bind((ip, 0)).unwrap();
        probe.local_addr().unwrap().port()
    };
    let server = apart(ip, &[("control.passive_ports", &port.to_string())]);
    server.file("a", "hello");
    let mut first = server.client();
    let mut second = server.client();
    for _ in 0..20 {
        assert_eq!(first.epsv().port(), port);
        second.expect("EPSV", 425);
        let stream = connect(SocketAddr::new(server.address().ip(), port));
        first.expect("RETR a", 150);
        assert_eq!(read_all(stream), b"hello");
        first.expect_reply(226);
        assert_eq!(second.pasv().port(), port);
        first.expect("PASV", 425);
        second.expect("ABOR", 225);
    }
}

#[test]
fn a_session_listens_on_one_port_only() {
    let server = apart(Ipv4Addr::new(127, 0, 0, 8), &[]);
    let mut client = server.client();
    let ports: Vec<SocketAddr> = (0..5).map(|_| client.epsv()).collect();
    let last = ports[4];
    for port in ports.iter().filter(|&&port| port != last) {
        assert!(TcpStream::connect(port).is_err(), "{port} is open still");
    }
    connect(last);
    client.expect("PORT 127,0,0,1,200,1", 200);
    let last = client.epsv();
    client.expect("PORT 127,0,0,1,200,1", 200);
    assert!(TcpStream::connect(last).is_err(), "{last} is open still");
}

#[test]
fn epsv_all_leaves_nothing_but_epsv() {
    let server = with_file();
    let mut client = server.client();
    client.play(&[
        ("EPSV ALL", 200),
        ("PASV", 501),
        ("PORT 127,0,0,1,200,1", 501),
        ("EPRT |1|127.0.0.1|51201|", 501),
    ]);
    assert_eq!(client.fetch("RETR a"), b"hello");
}

#[test]
fn nobody_comes_to_the_passive_port() {
    let server = TestServer::set(&[("data.passive_timeout", "0.02")]);
    server.file("a", "hello");
    let mut client = server.client();
    client.epsv();
    // The time may run out before the command comes, or after its 150.
    client.send("RETR a");
    let mut reply = client.next_reply().unwrap();
    if reply.code == 150 {
        reply = client.next_reply().unwrap();
    }
    assert_eq!(reply.code, 425, "{}", reply.text());
    client.play(&[("NOOP", 200), ("RETR a", 425)]);
}

#[test]
fn nobody_listens_on_the_active_port() {
    let server = with_file();
    let mut client = server.client();
    drop(client.port());
    client.play(&[("RETR a", 425), ("NOOP", 200)]);
    assert_eq!(client.fetch("RETR a"), b"hello");
}

#[test]
fn the_active_port_does_not_answer() {
    let server = TestServer::set(&[("data.active_timeout", "0.02")]);
    server.file("a", "hello");
    let mut client = server.client();
    let (_listener, _first, full) = full_listener();
    client.send_port(full);
    client.expect_reply(200);
    client.play(&[("RETR a", 425), ("NOOP", 200)]);
}

/// A listener whose queue is full, which answers nobody; who fills it; and its address.
fn full_listener() -> (socket2::Socket, TcpStream, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let first = TcpStream::connect(address).unwrap();
    (socket, first, address)
}

#[test]
fn abor_behind_another_line_waited_for_a_port_that_does_not_answer() {
    let server = with_file();
    let mut client = server.client();
    let (_listener, _first, full) = full_listener();
    let begun = Instant::now();
    for lines in ["LIST\r\nABOR\r\n", "LIST\r\nNOOP\r\nPWD\r\nABOR\r\n"] {
        client.send_port(full);
        client.expect_reply(200);
        client.send_raw(lines.as_bytes());
        client.expect_reply(426);
        if lines.contains("NOOP") {
            client.expect_reply(200);
            client.expect_reply(257);
        }
        client.expect_reply(226);
    }
    client.expect("ABOR", 225);
    // An attempt to connect goes on for thirty.
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn the_data_connection_may_come_at_any_time() {
    let server = with_file();
    let mut client = server.client();
    for order in ["before", "with", "after"] {
        let address = client.epsv();
        let stream = match order {
            "before" => {
                let stream = connect(address);
                client.expect("RETR a", 150);
                stream
            }
            "with" => {
                client.send("RETR a");
                let stream = connect(address);
                client.expect_reply(150);
                stream
            }
            _ => {
                client.expect("RETR a", 150);
                connect(address)
            }
        };
        assert_eq!(read_all(stream), b"hello", "{order}");
        client.expect_reply(226);
    }
}

#[test]
fn a_client_that_closes_before_150_has_sent_an_empty_file() {
    let server = TestServer::new();
    let mut client = server.client();
    for (number, early) in [(0, true), (1, false)] {
        let address = client.epsv();
        let name = format!("empty{number}");
        let store = format!("STOR {name}");
        if early {
            drop(connect(address));
            client.expect(&store, 150);
        } else {
            client.expect(&store, 150);
            drop(connect(address));
        }
        client.expect_reply(226);
        assert_eq!(server.content(name), b"");
    }
}

#[test]
fn a_download_to_a_client_that_closed_ends() {
    let server = TestServer::new();
    server.file("big", vec![b'x'; 32 << 20]);
    let mut client = server.client();
    for command in ["RETR big", "LIST"] {
        let stream = client.passive();
        reset(stream);
        client.expect(command, 150);
        let reply = client.next_reply().unwrap();
        // A listing may be on its way before the reset is seen.
        let expected: &[u16] = if command == "LIST" {
            &[226, 426]
        } else {
            &[426]
        };
        assert!(expected.contains(&reply.code), "{}", reply.text());
    }
    client.expect("NOOP", 200);
}

#[test]
fn what_a_client_sends_after_a_download_is_read_up_to_a_bound() {
    let server = with_file();
    let mut client = server.client();
    let mut stream = client.begin("RETR a");
    stream.read_to_end(&mut Vec::new()).unwrap();
    client.expect_reply(226);
    let piece = [0; 1 << 16];
    let taken = (0..1024).take_while(|_| stream.write_all(&piece).is_ok());
    let taken = taken.count();
    // One mebibyte, and what sockets hold.
    assert!((16..1024).contains(&taken), "{taken} pieces");
}

#[test]
fn a_reset_is_no_end_of_a_file() {
    let server = TestServer::new();
    let mut client = server.client();
    let mut stream = client.begin("STOR partial");
    stream.write_all(b"some").unwrap();
    reset(stream);
    client.expect_reply(426);
    client.expect("NOOP", 200);
}

/// It kept its place while its client said NOOP, even where it was long dead.
#[test]
fn a_data_connection_without_a_transfer_was_kept_for_ever() {
    let server = TestServer::set(&[("data.timeout", "0.1"), ("server.max_cons_per_ip", "2")]);
    let mut client = server.client();
    let stream = client.passive();
    assert_eq!(read_all(stream), b"");
    client.expect("RETR a", 425);
    server.check_serves();
}

#[test]
fn a_client_that_stops_reading_is_given_up() {
    let server = TestServer::set(&[("data.timeout", "0.5")]);
    server.file("big", vec![b'x'; 32 << 20]);
    server.file("a", "hello");
    let mut slow = server.client();
    let _unread = slow.begin("RETR big");
    assert_eq!(server.client().fetch("RETR a"), b"hello");
    expect_farewell(&mut slow);
}

#[test]
fn an_upload_that_stops_is_given_up() {
    let server = TestServer::set(&[("data.timeout", "0.5")]);
    let mut client = server.client();
    let mut stream = client.begin("STOR a");
    stream.write_all(b"some").unwrap();
    expect_farewell(&mut client);
    assert_eq!(server.content("a"), b"some");
}

/// Takes what a client is told whose transfer made no progress.
#[track_caller]
fn expect_farewell(client: &mut Client) {
    let told = client.expect_reply(421).argument();
    assert_eq!(
        told,
        "Data connection timed out; closing control connection."
    );
    client.expect_end();
}
