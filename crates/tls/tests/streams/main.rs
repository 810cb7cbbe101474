//! TLS streams on a loop, talking to clients of rustls.
#![forbid(unsafe_code)]

mod kept;
mod support;

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

use ftpdlib_tls::rustls::client::{Resumption, Tls12Resumption};
use ftpdlib_tls::rustls::crypto::CryptoProvider;
use ftpdlib_tls::rustls::pki_types::PrivatePkcs8KeyDer;
use ftpdlib_tls::rustls::server::ServerSessionMemoryCache;
use ftpdlib_tls::rustls::version::{TLS12, TLS13};
use ftpdlib_tls::rustls::{
    CipherSuite, CipherSuiteCommon, ClientConfig, ServerConfig, SupportedCipherSuite,
    SupportedProtocolVersion, Tls12CipherSuite,
};
use ftpdlib_tls::{SessionReuse, TlsSession, TlsSettings};
use support::{FastClock, Plan, Seen, Server, client, client_of, pieces, read_to_end, tls};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn session(reuse: SessionReuse) -> TlsSession {
    let settings = TlsSettings::default().require_session_reuse(reuse);
    settings.build().unwrap().session().unwrap()
}

/// Bytes in which none can be missing or out of place unnoticed.
fn content(size: usize) -> Vec<u8> {
    (0..size as u32)
        .map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn bytes_arrive_whatever_the_size_of_the_buffer() {
    let (server, session) = (Server::start(), session(SessionReuse::Free));
    let bytes = content(300_001);
    for version in VERSIONS {
        let config = Arc::new(client(version));
        for size in [1, 7, 4096, 30_000, 256 << 10] {
            let bytes = &bytes[..bytes.len().min(size * 5_000)];
            let stream = server.connect(&session, true, Plan::Read(size));
            let mut client = tls(&config, stream);
            client.write_all(bytes).unwrap();
            client.conn.send_close_notify();
            client.flush().unwrap();
            let (rest, announced) = read_to_end(&mut client);
            assert_eq!((rest, announced), (vec![], true), "the answer to the end");
            let seen = server.seen();
            assert_eq!(seen.error, None);
            assert!(seen.bytes == bytes, "{version:?}, buffers of {size}");
        }
    }
}

#[test]
fn bytes_leave_and_their_end_is_announced() {
    let (server, session) = (Server::start(), session(SessionReuse::Free));
    for version in VERSIONS {
        let config = Arc::new(client(version));
        for size in [0, 1, 16_384, 16_385, 3_000_000] {
            let bytes = content(size);
            let stream = server.connect(&session, true, Plan::Send(bytes.clone()));
            let (received, announced) = read_to_end(&mut tls(&config, stream));
            assert!(announced && received == bytes, "{version:?}, {size} bytes");
            assert_eq!(server.seen().error, None);
        }
    }
}

/// What is short waits for the end and leaves with it; what is not goes at once.
#[test]
fn downloads_arrive_whatever_the_size_of_the_writes() {
    let (server, session) = (Server::start(), session(SessionReuse::Free));
    for version in VERSIONS {
        let config = Arc::new(client(version));
        for (size, piece) in [
            (0, 1),
            (1, 1),
            // Their records are many times what they hold.
            (20_000, 1),
            (4096, 1000),
            (40_000, 1000),
            (300_000, 16_384),
            (3_000_000, 262_144),
        ] {
            let bytes = content(size);
            let stream = server.connect(&session, true, Plan::Download(bytes.clone(), piece));
            let (received, announced) = read_to_end(&mut tls(&config, stream));
            assert!(announced && received == bytes, "{version:?}, {size} bytes");
            let seen = server.seen();
            assert_eq!(seen.error, None);
            if piece == 1000 {
                assert!(seen.held, "{version:?}, {size} bytes");
            }
        }
    }
}

/// However the client's bytes are cut, in the handshake and after it.
#[test]
fn bytes_arrive_in_pieces_of_any_size() {
    let (server, session) = (Server::start(), session(SessionReuse::Free));
    let bytes = content(20_000);
    for version in VERSIONS {
        let config = Arc::new(client(version));
        for size in [1, 2, 3, 5, 64, 517, 4096] {
            let stream = server.connect(&session, true, Plan::Read(4096));
            stream.set_nodelay(true).unwrap();
            let mut client = pieces(&config, stream, size);
            client.write_all(&bytes).unwrap();
            client.conn.send_close_notify();
            client.flush().unwrap();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).unwrap();
            let seen = server.seen();
            assert_eq!(seen.error, None);
            assert!(seen.bytes == bytes, "{version:?}, pieces of {size}");
        }
    }
}

/// Each record in a write of its own, as GnuTLS does: the last one of the handshake (Nagle) leaves
/// when the one before it is confirmed, which the system delays by 40 ms.
#[cfg(target_os = "linux")]
#[test]
fn a_handshake_that_ends_in_two_writes_waited_for_a_delayed_acknowledgement() {
    let (server, session) = (Server::start(), session(SessionReuse::Free));
    for version in VERSIONS {
        let config = Arc::new(client(version));
        // A machine under load may take as long.
        let at_once = (0..100).any(|_| {
            let begun = Instant::now();
            let stream = server.connect(&session, true, Plan::Download(vec![b'x'], 1));
            let mut client = pieces(&config, stream, 16 << 10);
            client.read_exact(&mut [0]).unwrap();
            let took = begun.elapsed();
            drop(client);
            server.seen();
            took < Duration::from_millis(30)
        });
        assert!(at_once, "{version:?}");
    }
}

#[test]
fn an_end_that_nobody_announced_is_told_from_one_that_was() {
    let (server, session) = (Server::start(), session(SessionReuse::Free));
    for version in VERSIONS {
        let stream = server.connect(&session, true, Plan::Read(4096));
        let mut client = tls(&Arc::new(client(version)), stream);
        client.write_all(b"half").unwrap();
        client.sock.shutdown(Shutdown::Write).unwrap();
        let seen = server.seen();
        assert_eq!(seen.bytes, b"half");
        assert_eq!(seen.error, Some(io::ErrorKind::UnexpectedEof));
    }
}

/// Makes a control connection with one session, then data connections with another; gives what the
/// server saw of the data connections.
fn data_connections(
    version: &'static SupportedProtocolVersion,
    control: &TlsSession,
    data: &TlsSession,
) -> Vec<Seen> {
    connections_of(client(version), control, data)
}

fn connections_of(config: ClientConfig, control: &TlsSession, data: &TlsSession) -> Vec<Seen> {
    let server = Server::start();
    let config = Arc::new(config);
    let mut first = tls(
        &config,
        server.connect(control, false, Plan::Send(b"220\r\n".to_vec())),
    );
    // Tickets of TLS 1.3 come with the first bytes.
    read_to_end(&mut first);
    server.seen();
    (0..4)
        .map(|_| {
            let stream = server.connect(data, true, Plan::Send(b"data".to_vec()));
            // What the client sees of a refusal depends on who is faster.
            let _ = tls(&config, stream).read_to_end(&mut Vec::new());
            server.seen()
        })
        .collect()
}

#[test]
fn every_data_connection_resumes_its_own_control_connection() {
    for version in VERSIONS {
        let own = session(SessionReuse::Required);
        for seen in data_connections(version, &own, &own) {
            assert!(
                seen.resumed && seen.error.is_none(),
                "{version:?}: {seen:?}"
            );
        }
    }
}

#[test]
fn a_client_lost_its_data_connections_when_its_ticket_was_twelve_hours_old() {
    for version in VERSIONS {
        let own = session(SessionReuse::Required);
        let mut config = client(version);
        config.time_provider = Arc::new(FastClock::default());
        for seen in connections_of(config, &own, &own) {
            assert!(
                seen.resumed && seen.error.is_none(),
                "{version:?}: {seen:?}"
            );
        }
    }
}

/// As curl does it.
#[test]
fn sessions_are_resumed_by_number_where_there_are_no_tickets() {
    let config = TlsSettings::default()
        .require_session_reuse(SessionReuse::Required)
        .build()
        .unwrap();
    let (own, other) = (config.session().unwrap(), config.session().unwrap());
    let by_number = || {
        let mut config = client(&TLS12);
        config.resumption =
            Resumption::in_memory_sessions(8).tls12_resumption(Tls12Resumption::SessionIdOnly);
        config
    };
    for seen in connections_of(by_number(), &own, &own) {
        assert!(seen.resumed && seen.error.is_none(), "{seen:?}");
    }
    for seen in connections_of(by_number(), &own, &other) {
        assert!(!seen.resumed && seen.error.is_some(), "{seen:?}");
    }
}

/// One whose sessions everybody could resume, without a ticket, and that takes early data.
fn ready_configuration() -> ServerConfig {
    configuration_of(support::provider::default_provider())
}

fn configuration_of(provider: CryptoProvider) -> ServerConfig {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.session_storage = ServerSessionMemoryCache::new(64);
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 1 << 10;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

#[test]
fn a_ready_configuration_binds_data_connections_too() {
    let settings = TlsSettings::default()
        .server_config(ready_configuration())
        .require_session_reuse(SessionReuse::Required);
    let config = settings.build().unwrap();
    let (own, other) = (config.session().unwrap(), config.session().unwrap());
    for version in VERSIONS {
        for seen in data_connections(version, &own, &own) {
            assert!(seen.resumed && seen.error.is_none(), "{seen:?}");
        }
        for seen in data_connections(version, &own, &other) {
            assert!(!seen.resumed && seen.error.is_some(), "{seen:?}");
        }
    }
}

#[test]
fn nobody_resumes_another_control_connection() {
    for version in VERSIONS {
        let config = TlsSettings::default()
            .require_session_reuse(SessionReuse::Required)
            .build()
            .unwrap();
        let (control, other) = (config.session().unwrap(), config.session().unwrap());
        // Neither with a ticket of its own control connection, nor with one of a refused try.
        for seen in data_connections(version, &control, &other) {
            assert!(!seen.resumed, "{version:?}: {seen:?}");
            assert_eq!(seen.error, Some(io::ErrorKind::PermissionDenied));
        }
    }
}

#[test]
fn a_foreign_ticket_is_a_full_handshake_where_that_is_allowed() {
    for version in VERSIONS {
        let config = TlsSettings::default().build().unwrap();
        let (control, other) = (config.session().unwrap(), config.session().unwrap());
        let seen = data_connections(version, &control, &other);
        let is_full = |seen: &Seen| !seen.resumed && seen.error.is_none();
        assert!(seen.iter().all(is_full), "{version:?}: {seen:?}");
    }
}

#[test]
fn a_stranger_is_noticed_where_resumption_is_preferred() {
    for version in VERSIONS {
        let (own, other) = [(); 2].map(|()| session(SessionReuse::Preferred)).into();
        for (data, is_noticed) in [(&own, false), (&other, true)] {
            let seen = data_connections(version, &own, data);
            let is_right =
                |seen: &Seen| seen.error.is_none() && seen.notice.is_some() == is_noticed;
            assert!(seen.iter().all(is_right), "{version:?}: {seen:?}");
        }
    }
}

#[test]
fn known_protocols_are_named_and_unknown_ones_ignored() {
    let (server, session) = (Server::start(), session(SessionReuse::Free));
    let check = |data: bool, offered: &[&str], expected: Option<&str>| {
        let mut config = client(&TLS13);
        config.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let stream = server.connect(&session, data, Plan::Send(b"hello".to_vec()));
        let mut client = tls(&Arc::new(config), stream);
        let (received, announced) = read_to_end(&mut client);
        assert_eq!((received.as_slice(), announced), (&b"hello"[..], true));
        let named = client.conn.alpn_protocol();
        assert_eq!(named, expected.map(str::as_bytes), "{offered:?}");
        server.seen();
    };
    check(false, &[], None);
    check(false, &["ftp"], Some("ftp"));
    check(false, &["x-filezilla-ftp", "ftp"], Some("ftp"));
    check(false, &["x-filezilla-ftp"], None);
    check(false, &["h2", "http/1.1"], None);
    check(true, &["ftp", "ftp-data"], Some("ftp-data"));
    check(true, &["ftp"], Some("ftp"));
    check(true, &["h2"], None);
}

#[test]
fn aes_128_is_taken_unless_the_client_shuns_aes() {
    use CipherSuite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 as AES_128_OF_1_2,
        TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 as AES_256_OF_1_2,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 as CHACHA_OF_1_2,
        TLS13_AES_128_GCM_SHA256 as AES_128, TLS13_AES_256_GCM_SHA384 as AES_256,
        TLS13_CHACHA20_POLY1305_SHA256 as CHACHA,
    };
    let server = Server::start();
    let session = session(SessionReuse::Required);
    let check = |version: &'static SupportedProtocolVersion, offered: &[CipherSuite], taken| {
        let mut provider = support::provider::default_provider();
        let all = provider.cipher_suites.clone();
        let of = |name: &CipherSuite| all.iter().find(|suite| suite.suite() == *name).copied();
        provider.cipher_suites = offered.iter().filter_map(of).collect();
        assert_eq!(provider.cipher_suites.len(), offered.len());
        let config = Arc::new(client_of(provider, version));
        // The second resumes the session of the first.
        for data in [false, true] {
            let stream = server.connect(&session, data, Plan::Send(b"hello".to_vec()));
            let mut client = tls(&config, stream);
            let received = read_to_end(&mut client);
            assert_eq!(received, (b"hello".to_vec(), true), "{offered:?}");
            let suite = client.conn.negotiated_cipher_suite().unwrap().suite();
            assert_eq!(suite, taken, "{offered:?}");
            assert_eq!(server.seen().resumed, data, "{offered:?}");
        }
    };
    check(&TLS13, &[AES_256, AES_128, CHACHA], AES_128);
    check(&TLS13, &[AES_256, CHACHA], AES_256);
    check(&TLS13, &[CHACHA, AES_128, AES_256], CHACHA);
    check(&TLS13, &[CHACHA], CHACHA);
    check(
        &TLS12,
        &[AES_256_OF_1_2, CHACHA_OF_1_2, AES_128_OF_1_2],
        AES_128_OF_1_2,
    );
    check(&TLS12, &[CHACHA_OF_1_2, AES_256_OF_1_2], CHACHA_OF_1_2);
}

#[test]
fn a_ready_configuration_keeps_its_own_order_of_cipher_suites() {
    let (server, config) = (Server::start(), ready_configuration());
    let settings = TlsSettings::default().server_config(config);
    let session = settings.build().unwrap().session().unwrap();
    let stream = server.connect(&session, false, Plan::Send(b"hello".to_vec()));
    let mut client = tls(&Arc::new(client(&TLS13)), stream);
    read_to_end(&mut client);
    let suite = client.conn.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS13_AES_256_GCM_SHA384);
}

/// A provider whose suites of TLS 1.2 carry so many records at most.
fn limited(limit: u64) -> CryptoProvider {
    let mut provider = support::provider::default_provider();
    for suite in &mut provider.cipher_suites {
        if let SupportedCipherSuite::Tls12(own) = *suite {
            let common = CipherSuiteCommon {
                suite: own.common.suite,
                hash_provider: own.common.hash_provider,
                confidentiality_limit: limit,
            };
            let limited = Tls12CipherSuite { common, ..*own };
            *suite = SupportedCipherSuite::Tls12(Box::leak(Box::new(limited)));
        }
    }
    provider
}

#[test]
fn a_download_beyond_the_limit_of_tls_1_2_lost_its_rest_unnoticed() {
    let server = Server::start();
    let client = Arc::new(client(&TLS12));
    for fragment in [None, Some(4096 + 5)] {
        let mut config = configuration_of(limited(100));
        config.max_fragment_size = fragment;
        let settings = TlsSettings::default().server_config(config);
        let session = settings.build().unwrap().session().unwrap();
        let record = fragment.map_or(16 << 10, |size| size - 5);
        for (records, piece, arrives) in [
            (92, record, true),
            (93, record, false),
            (92 * 2, record / 2, false),
            (200, 256 << 10, false),
        ] {
            let bytes = content(records * piece.min(record));
            let stream = server.connect(&session, true, Plan::Download(bytes.clone(), piece));
            let (received, announced) = read_to_end(&mut tls(&client, stream));
            let error = server.seen().error;
            assert_eq!(announced, arrives, "{records} records of {piece}");
            assert_eq!(error, (!arrives).then_some(io::ErrorKind::Other));
            assert!(bytes.starts_with(&received) && (received.len() == bytes.len()) == arrives);
        }
    }
}

#[test]
fn garbage_ends_the_connection_it_came_on() {
    let (server, session) = (Server::start(), session(SessionReuse::Free));
    let hello_cut_short = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    let inputs: [&[u8]; 5] = [
        b"USER anonymous\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 70_000],
        &hello_cut_short,
        b"",
    ];
    for input in inputs {
        let mut stream = server.connect(&session, false, Plan::Read(4096));
        // It may have been closed before all of it was written.
        let _ = stream.write_all(input);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        let seen = server.seen();
        assert!(seen.error.is_some() && seen.bytes.is_empty(), "{seen:?}");
    }
    let stream = server.connect(&session, false, Plan::Send(b"fine".to_vec()));
    let (received, _) = read_to_end(&mut tls(&Arc::new(client(&TLS13)), stream));
    assert_eq!(received, b"fine");
}

/// A record that nobody can decrypt.
const CHANGED: [u8; 35] = {
    let mut record = [0; 35];
    (record[0], record[1], record[2], record[4]) = (23, 3, 3, 30);
    record
};

#[test]
fn a_record_changed_on_its_way_is_an_error() {
    let (server, session) = (Server::start(), session(SessionReuse::Free));
    for version in VERSIONS {
        let stream = server.connect(&session, true, Plan::Read(4096));
        let mut client = tls(&Arc::new(client(version)), stream);
        client.write_all(b"good").unwrap();
        client.sock.write_all(&CHANGED).unwrap();
        let seen = server.seen();
        assert_eq!(seen.bytes, b"good");
        assert_eq!(seen.error, Some(io::ErrorKind::InvalidData));
    }
}
