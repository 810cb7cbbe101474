use std::net::Ipv6Addr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proxy_header::ProxiedAddress;

use super::*;

type Step = Result<ProxyHeaderStep, ProxyHeaderError>;

/// What bytes make that come in pieces of at most these sizes, one after the other, and how many of
/// them are taken.
fn read_in(pieces: &[usize], bytes: &[u8]) -> (Step, usize) {
    let mut pieces = pieces.iter().cycle();
    let mut taken = 0;
    loop {
        let step = ProxyHeaderStep::after(&bytes[..taken]);
        match step {
            Ok(ProxyHeaderStep::More(missing)) if taken < bytes.len() => {
                assert!(missing > 0);
                let piece = pieces.next().map_or(missing, |piece| missing.min(*piece));
                taken += piece.min(bytes.len() - taken);
            }
            _ => return (step, taken),
        }
    }
}

/// The same of bytes that are all there from the beginning.
fn read(bytes: &[u8]) -> (Step, usize) {
    read_in(&[], bytes)
}

#[track_caller]
fn check(header: &[u8], expected: Option<(&str, &str)>) {
    let bytes = [header, b"USER a\r\n"].concat();
    let (end, taken) = read(&bytes);
    let expected = expected.map(|(peer, local)| ProxiedClient {
        peer: peer.parse().unwrap(),
        local: local.parse().unwrap(),
    });
    assert_eq!(end, Ok(ProxyHeaderStep::Complete(expected)));
    assert_eq!(taken, header.len(), "not a byte of what follows");
}

#[track_caller]
fn check_refused(bytes: &[u8]) {
    assert_eq!(read(bytes).0, Err(ProxyHeaderError), "{bytes:?}");
}

fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend((rest.len() as u16).to_be_bytes());
    bytes.extend(rest);
    bytes
}

const ADDRESSES: &[u8] = &[192, 0, 2, 1, 203, 0, 113, 5, 0xC0, 1, 0, 21];

#[test]
fn headers_name_the_client() {
    check(
        b"PROXY TCP4 192.0.2.1 203.0.113.5 49153 21\r\n",
        Some(("192.0.2.1:49153", "203.0.113.5:21")),
    );
    check(
        b"PROXY TCP6 2001:db8::1 :: 1 21\r\n",
        Some(("[2001:db8::1]:1", "[::]:21")),
    );
    check(b"PROXY UNKNOWN\r\n", None);
    check(b"PROXY UNKNOWN ffff:f...f:ffff 1 2\r\n", None);
    let expected = Some(("192.0.2.1:49153", "203.0.113.5:21"));
    check(&version_2(0x21, 0x11, ADDRESSES), expected);
    let with_more = [ADDRESSES, &[4, 0, 2, 0, 0]].concat();
    check(&version_2(0x21, 0x11, &with_more), expected);
    check(&version_2(0x20, 0x00, &[]), None);
    check(&version_2(0x20, 0x11, ADDRESSES), None);
}

#[test]
fn anything_else_is_refused() {
    check_refused(b"USER anonymous\r\nPASS x\r\n");
    check_refused(b"PROXY TCP4 192.0.2.1 203.0.113.5 70000 21\r\n");
    check_refused(b"PROXY TCP5 192.0.2.1 203.0.113.5 1 21\r\n");
    check_refused(&[b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat());
    check_refused(&version_2(0x22, 0x11, ADDRESSES));
    check_refused(&version_2(0x21, 0x12, ADDRESSES));
    check_refused(&version_2(0x21, 0x11, &ADDRESSES[..4]));
    check_refused(&version_2(0x21, 0x11, &[0; 5000]));
}

#[test]
fn networks_hold_addresses_in_any_form() {
    for ten in ["10.0.0.0/8", "::ffff:10.0.0.0/104"] {
        let proxies = Proxies::of([ten.parse().unwrap(), "fd00::1/128".parse().unwrap()]);
        for (ip, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("fd00::1", true),
            ("fd00::2", false),
        ] {
            assert_eq!(proxies.contain(ip.parse().unwrap()), expected, "{ip}");
        }
    }
    let all_of_ipv6 = Proxies::of(["::/0".parse().unwrap()]);
    assert!(!all_of_ipv6.contain("10.1.2.3".parse().unwrap()));
}

/// A header is as long as it is, not as the pieces are in which it comes.
#[test]
fn a_line_beyond_the_longest_is_refused_in_whichever_pieces_it_comes() {
    for (filling, accepted) in [(91, true), (92, false), (93, false)] {
        let line = [b"PROXY UNKNOWN ", &vec![b'x'; filling][..], b"\r\n"].concat();
        for pieces in [&[][..], &[1], &[16, 2], &[3, 1, 2]] {
            let (end, _) = read_in(pieces, &line);
            assert_eq!(end.is_ok(), accepted, "{} bytes in {pieces:?}", line.len());
        }
    }
}

/// How headers begin, so that chance leads into them.
const STARTS: &[&[u8]] = &[
    b"",
    b"PROXY ",
    b"PROXY UNKNOWN",
    b"PROXY TCP4 192.0.2.1 ",
    b"\r\n\r\n\0\r\nQUIT\n!",
    b"\r\n\r\n\0\r\nQUIT\n!\x11\x00",
];

/// Bytes of lines of version 1 rather than others.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![select(&b"0123456789. \r\n\r\n"[..]), any::<u8>()];
    (select(STARTS), vec(byte, 0..200)).prop_map(|(start, rest)| [start, &rest].concat())
}

proptest! {
    #[test]
    fn no_bytes_break_a_reader(bytes in any_bytes()) {
        let (end, taken) = read(&bytes);
        prop_assert!(taken <= bytes.len().min(LONGEST));
        if matches!(end, Ok(ProxyHeaderStep::More(_))) {
            prop_assert_eq!(taken, bytes.len());
        }
    }

    #[test]
    fn bytes_make_the_same_in_any_pieces(bytes in any_bytes(), pieces in vec(1..40_usize, 1..9)) {
        let (at_once, in_pieces) = (read(&bytes), read_in(&pieces, &bytes));
        prop_assert_eq!(at_once.0.is_err(), in_pieces.0.is_err());
        if at_once.0.is_ok() {
            prop_assert_eq!(at_once, in_pieces);
        }
    }

    #[test]
    fn what_a_proxy_writes_is_understood(
        peer: (Ipv6Addr, u16),
        local: (Ipv6Addr, u16),
        pieces in vec(1..40_usize, 1..9),
    ) {
        let client = ProxiedClient { peer: peer.into(), local: local.into() };
        let header = ProxyHeader::with_address(ProxiedAddress::stream(client.peer, client.local));
        let mut forms = [Vec::new(), Vec::new()];
        header.encode_v1(&mut forms[0]).unwrap();
        header.encode_v2(&mut forms[1]).unwrap();
        for bytes in forms {
            let (end, taken) = read_in(&pieces, &[&bytes[..], b"NOOP\r\n"].concat());
            prop_assert_eq!(end, Ok(ProxyHeaderStep::Complete(Some(client))));
            prop_assert_eq!(taken, bytes.len());
        }
    }
}
