//! Clients behind a proxy that speaks the PROXY protocol. The proxy is 127.0.0.1, its client
//! 127.0.0.5.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ftpdlib_tests::client::{Client, USER, connect, connect_from, read_all, read_to_any_end};
use ftpdlib_tests::server::TestServer;

const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
const OTHER_CLIENT: &str = "PROXY TCP4 127.0.0.6 127.0.0.9 40000 21\r\n";
const HEADER: &str = "PROXY TCP4 127.0.0.5 127.0.0.9 40000 21\r\n";

/// The same as [`HEADER`] in version 2.
const HEADER_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\x7F\0\0\x05\x7F\0\0\x09\x9C\x40\0\x15";

fn server() -> TestServer {
    TestServer::set(&[
        ("server.proxy_protocol_from", "127.0.0.1/32"),
        ("server.max_cons_per_ip", "3"),
    ])
}

/// A client behind the proxy that is logged in.
#[track_caller]
fn login(server: &TestServer) -> Client {
    let mut client = Client::open(server.address());
    client.send_raw(HEADER.as_bytes());
    client.expect_reply(220);
    client.expect(&format!("USER {}", USER.0), 331);
    client.expect(&format!("PASS {}", USER.1), 230);
    client
}

/// PASV, and where that port really is.
#[track_caller]
fn pasv(client: &mut Client) -> SocketAddr {
    let told = client.pasv();
    assert_eq!(told.ip(), IpAddr::from([127, 0, 0, 9]), "the header's");
    SocketAddr::from((Ipv4Addr::LOCALHOST, told.port()))
}

#[test]
fn a_header_comes_in_pieces_or_with_what_follows() {
    for header in [HEADER.as_bytes(), HEADER_2] {
        // Of one server's clients, those that are gone may still count.
        let server = server();
        let mut client = Client::open(server.address());
        client.send_raw(&[header, b"NOOP\r\n"].concat());
        client.expect_reply(220);
        client.expect_reply(200);
        let mut client = Client::open(server.address());
        for byte in header {
            client.send_raw(&[*byte]);
        }
        client.expect_reply(220);
        client.expect("NOOP", 200);
    }
}

#[test]
fn the_proxy_may_look_whether_the_server_is_there() {
    let server = server();
    let mut client = Client::open(server.address());
    client.send_raw(b"PROXY UNKNOWN\r\n");
    client.expect_reply(220);
    client.expect("QUIT", 221);
}

#[test]
fn a_proxy_without_a_header_is_sent_away() {
    let server = server();
    for text in [
        "USER anonymous\r\nPASS anonymous\r\n",
        "PROXY TCP4 x\r\n\r\n\r\n",
    ] {
        let mut client = Client::open(server.address());
        client.send_raw(text.as_bytes());
        assert!(client.next_reply().is_none());
    }
}

#[test]
fn others_are_not_believed() {
    let server = server();
    let mut client = Client::open_from(CLIENT.into(), server.address());
    client.expect_reply(220);
    client.expect(HEADER.trim_end(), 500);
    client.expect("PASV", 530);
}

#[test]
fn limits_count_the_client_and_not_its_proxy() {
    let server = server();
    let _clients: Vec<_> = (0..3).map(|_| login(&server)).collect();
    let mut fourth = Client::open(server.address());
    fourth.send_raw(HEADER.as_bytes());
    fourth.expect_reply(421);
    let mut other = Client::open(server.address());
    other.send_raw(OTHER_CLIENT.as_bytes());
    other.expect_reply(220);
}

#[test]
fn connections_that_owed_a_header_counted_towards_no_limit() {
    let server = TestServer::set(&[
        ("server.proxy_protocol_from", "127.0.0.1/32"),
        ("server.max_cons", "3"),
    ]);
    // In some models, a client that comes later may be counted first.
    let mut silent = Vec::new();
    let is_full = (0..20).any(|_| {
        silent.push(Client::open(server.address()));
        let mut client = Client::open_from(CLIENT.into(), server.address());
        client.next_reply().unwrap().code == 421
    });
    assert!(is_full);
}

#[test]
fn data_connections_come_from_the_client_or_name_it() {
    let server = server();
    server.file("a", "hello");
    let mut client = login(&server);
    let place = pasv(&mut client);
    let direct = connect_from(CLIENT.into(), place).unwrap();
    client.expect("RETR a", 150);
    assert_eq!(read_all(direct), b"hello");
    client.expect_reply(226);
    for header in [HEADER.as_bytes(), HEADER_2] {
        let mut through_proxy = connect(pasv(&mut client));
        client.send("STOR b");
        // What follows the header at once is the file's.
        through_proxy
            .write_all(&[header, b"hello"].concat())
            .unwrap();
        drop(through_proxy);
        client.expect_reply(150);
        client.expect_reply(226);
        assert_eq!(server.content("b"), b"hello");
    }
}

#[test]
fn data_connections_of_others_are_refused() {
    let server = server();
    server.file("a", "hello");
    let mut client = login(&server);
    let place = pasv(&mut client);
    for header in [OTHER_CLIENT, "PROXY UNKNOWN\r\n", "not a header at all\r\n"] {
        let mut stranger = connect(place);
        stranger.write_all(header.as_bytes()).unwrap();
        assert_eq!(read_to_any_end(stranger), b"");
    }
    let stranger = connect_from(STRANGER.into(), place).unwrap();
    assert_eq!(read_to_any_end(stranger), b"");
    let mut right = connect(place);
    right.write_all(HEADER.as_bytes()).unwrap();
    client.expect("RETR a", 150);
    assert_eq!(read_all(right), b"hello");
    client.expect_reply(226);
}

/// One of them was waited for, for as long as it liked, before the next was accepted. More than a
/// few still are, for some seconds.
#[test]
fn silent_connections_of_a_proxy_kept_the_client_from_its_passive_port() {
    let server = server();
    server.file("a", "hello");
    let mut client = login(&server);
    for count in [1, 3, 9] {
        let place = pasv(&mut client);
        let silent: Vec<_> = (0..count).map(|_| connect(place)).collect();
        let mut right = connect(place);
        right.write_all(HEADER.as_bytes()).unwrap();
        client.expect("RETR a", 150);
        assert_eq!(read_all(right), b"hello");
        client.expect_reply(226);
        for silent in silent {
            assert_eq!(read_to_any_end(silent), b"");
        }
    }
}

#[test]
fn a_silent_proxy_keeps_no_server_from_ending() {
    let mut server = server();
    let mut silent = Client::open(server.address());
    silent.send_raw(b"PROXY ");
    let mut client = login(&server);
    let _silent_too = connect(pasv(&mut client));
    server.drain();
    client.expect_reply(421);
    drop(client);
    server.wait_for_end();
    assert!(silent.next_reply().is_none());
}
