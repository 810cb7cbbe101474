//! Bytes that a stream keeps, of which the system knows nothing any more, and those around what it
//! gives.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{
    Context, Direction, Flow, Handler, Interest, IoLoop, Ready, SourceId, Transport, mio,
};
use ftpdlib_tls::rustls::crypto::cipher::{
    AeadKey, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundOpaqueMessage,
    OutboundPlainMessage, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use ftpdlib_tls::rustls::version::TLS13;
use ftpdlib_tls::rustls::{
    self, CipherSuiteCommon, ClientConfig, ConnectionTrafficSecrets, ContentType,
    SupportedCipherSuite, Tls13CipherSuite,
};
use ftpdlib_tls::{SessionReuse, TlsSession, TlsStream};

use super::support::{Client, client, client_of, provider, tls};
use super::{CHANGED, content, session};

/// Does something in one turn with an established stream and its client, and tells what that came
/// to.
struct InOneTurn {
    act: Act,
    accepted: Option<TcpStream>,
    session: TlsSession,
    stream: Option<TlsStream>,
    client: Receiver<Client>,
    came_to: Sender<(usize, bool)>,
}

type Act = fn(&mut TlsStream, Client, &mut Context<'_>) -> (usize, bool);

impl Handler for InOneTurn {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let accepted = self.accepted.take().unwrap();
        accepted.set_nonblocking(true)?;
        let wire = cx.register(mio::net::TcpStream::from_std(accepted), Interest::READ)?;
        self.stream = Some(TlsStream::data(wire, &self.session));
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let stream = self.stream.as_mut().unwrap();
        match stream.establish(cx) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flow::Continue),
            outcome => outcome?,
        }
        let client = self.client.recv().unwrap();
        self.came_to.send((self.act)(stream, client, cx)).unwrap();
        Ok(Flow::Close)
    }
}

fn in_one_turn(act: Act) -> (usize, bool) {
    in_one_turn_with(client(&TLS13), act)
}

fn in_one_turn_with(config: ClientConfig, act: Act) -> (usize, bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = tls(
        &Arc::new(config),
        TcpStream::connect(listener.local_addr().unwrap()).unwrap(),
    );
    let accepted = listener.accept().unwrap().0;
    let (hand_over, handed) = mpsc::channel();
    let (came_to, outcome) = mpsc::channel();
    let handshake = thread::spawn(move || {
        client.conn.complete_io(&mut client.sock).unwrap();
        hand_over.send(client).unwrap();
    });
    let mut io_loop = IoLoop::new().unwrap();
    let handler = InOneTurn {
        act,
        accepted: Some(accepted),
        session: session(SessionReuse::Free),
        stream: None,
        client: handed,
        came_to,
    };
    io_loop.add(Box::new(handler)).unwrap();
    io_loop.run().unwrap();
    handshake.join().unwrap();
    outcome.recv().unwrap()
}

/// The records of these bytes.
fn encrypted(client: &mut Client, bytes: &[u8]) -> Vec<u8> {
    client.conn.writer().write_all(bytes).unwrap();
    let mut records = Vec::new();
    client.conn.write_tls(&mut records).unwrap();
    records
}

/// What was sent is there, or is within the same instant.
fn read(stream: &mut TlsStream, cx: &mut Context<'_>, buffer: &mut [u8]) -> usize {
    loop {
        match stream.read(cx, buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            outcome => return outcome.unwrap(),
        }
    }
}

/// Writes more than the system takes, then only reads, until all of that has left or for so long.
struct ReadsOnly {
    accepted: Option<TcpStream>,
    session: TlsSession,
    stream: Option<TlsStream>,
    filled: bool,
    until: Instant,
    left: Sender<bool>,
}

impl Handler for ReadsOnly {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let accepted = self.accepted.take().unwrap();
        accepted.set_nonblocking(true)?;
        let wire = cx.register(mio::net::TcpStream::from_std(accepted), Interest::READ)?;
        self.stream = Some(TlsStream::data(wire, &self.session));
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let stream = self.stream.as_mut().unwrap();
        match stream.establish(cx) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flow::Continue),
            outcome => outcome?,
        }
        if !self.filled {
            self.filled = true;
            while stream.write(cx, &[0; 64 << 10]).is_ok() {}
            assert!(!stream.is_flushed());
        }
        let error = stream.read(cx, &mut [0; 4096]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        if stream.is_flushed() || Instant::now() > self.until {
            self.left.send(stream.is_flushed()).unwrap();
            return Ok(Flow::Close);
        }
        cx.set_interest(stream.id(), stream.interest(Interest::READ));
        Ok(Flow::Continue)
    }
}

#[test]
fn a_stream_that_was_only_read_from_was_ready_for_what_it_never_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = tls(
        &Arc::new(client(&TLS13)),
        TcpStream::connect(listener.local_addr().unwrap()).unwrap(),
    );
    let accepted = listener.accept().unwrap().0;
    let reader = thread::spawn(move || io::copy(&mut client, &mut io::sink()));
    let (left, outcome) = mpsc::channel();
    let mut io_loop = IoLoop::new().unwrap();
    let handler = ReadsOnly {
        accepted: Some(accepted),
        session: session(SessionReuse::Free),
        stream: None,
        filled: false,
        until: Instant::now() + Duration::from_secs(10),
        left,
    };
    io_loop.add(Box::new(handler)).unwrap();
    io_loop.run().unwrap();
    assert_eq!(outcome.recv(), Ok(true));
    drop(io_loop);
    // It ends without being announced.
    assert!(reader.join().unwrap().is_err());
}

#[test]
fn what_did_not_fit_at_the_end_of_a_turn_waited_for_an_event_that_never_came() {
    let (bytes, ready) = in_one_turn(|stream, mut client, cx| {
        let mut records = encrypted(&mut client, b"short");
        records.extend(encrypted(&mut client, &content(10_000)));
        let last = records.split_off(records.len() - 20);
        let mut buffer = vec![0; 64 << 10];
        client.sock.write_all(&records).unwrap();
        assert_eq!(read(stream, cx, &mut buffer), 5);
        // The rest of the record comes too late for an event, and the whole does not fit.
        client.sock.write_all(&last).unwrap();
        let bytes = read(stream, cx, &mut buffer[..100]);
        (bytes, cx.is_ready(stream.id(), Direction::Read))
    });
    assert!((1..=100).contains(&bytes) && ready, "{bytes}, {ready}");
}

/// What a stream tells of what was around these pieces, sent as a record each.
fn overhead(
    pieces: &[&[u8]],
    stream: &mut TlsStream,
    client: &mut Client,
    cx: &mut Context<'_>,
) -> usize {
    let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
    let records: Vec<u8> = pieces
        .iter()
        .flat_map(|piece| encrypted(client, piece))
        .collect();
    client.sock.write_all(&records).unwrap();
    while left > 0 {
        left -= read(stream, cx, &mut [0; 64 << 10]);
    }
    stream.take_overhead()
}

#[test]
fn records_of_a_byte_counted_for_no_more_than_the_byte() {
    let (told, is_all) = in_one_turn(|stream, mut client, cx| {
        let told = overhead(&[&b"x"[..]; 2_000], stream, &mut client, cx);
        let bytes = content(10_000);
        let more = overhead(&[&bytes[..]; 4], stream, &mut client, cx);
        (told, more < 4 * 32)
    });
    // All but what might be the beginning of a record.
    assert!(
        (2_000 * 22 - (24 << 10)..2_000 * 22).contains(&told),
        "{told}"
    );
    assert!(is_all);
}

/// Each takes longer than a full record. A byte is due after every 31.
#[test]
fn new_keys_for_a_whole_buffer_were_one_read() {
    const PIECES: usize = 120;
    let (most, is_all) = in_one_turn(|stream, mut client, cx| {
        let mut records = Vec::new();
        for _ in 0..PIECES {
            for _ in 0..31 {
                client.conn.refresh_traffic_keys().unwrap();
            }
            records.extend(encrypted(&mut client, b"x"));
        }
        client.sock.write_all(&records).unwrap();
        let mut buffer = vec![0; 256 << 10];
        let (mut most, mut bytes) = (0, 0);
        while bytes < PIECES {
            let more = read(stream, cx, &mut buffer);
            (most, bytes) = (most.max(more), bytes + more);
        }
        (most, bytes == PIECES)
    });
    // Those of 24 KiB, and of the 4 KiB that are decrypted at once.
    assert!(most <= (28 << 10) / (32 * 22), "{most}");
    assert!(is_all);
}

/// Encrypts a single byte as if it were none, since rustls writes no empty records of its own.
struct Emptying<T: ?Sized>(T);

impl Tls13AeadAlgorithm for Emptying<&'static dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Emptying(self.0.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }
}

impl MessageEncrypter for Emptying<Box<dyn MessageEncrypter>> {
    fn encrypt(
        &mut self,
        mut message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, rustls::Error> {
        if message.typ == ContentType::ApplicationData && message.payload.len() == 1 {
            message.payload = OutboundChunks::new_empty();
        }
        self.0.encrypt(message, seq)
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        self.0.encrypted_payload_len(length)
    }
}

/// A client whose records of a byte are empty.
fn emptying() -> ClientConfig {
    let mut provider = provider::default_provider();
    for suite in &mut provider.cipher_suites {
        if let SupportedCipherSuite::Tls13(own) = *suite {
            let common = CipherSuiteCommon {
                suite: own.common.suite,
                hash_provider: own.common.hash_provider,
                confidentiality_limit: own.common.confidentiality_limit,
            };
            let emptying = Tls13CipherSuite {
                common,
                aead_alg: Box::leak(Box::new(Emptying(own.aead_alg))),
                ..*own
            };
            *suite = SupportedCipherSuite::Tls13(Box::leak(Box::new(emptying)));
        }
    }
    client_of(provider, &TLS13)
}

/// Nothing ever refuses them: the one resets the count of the other.
#[test]
fn new_keys_and_empty_records_were_one_read_for_as_long_as_they_came() {
    let (most, is_ready) = in_one_turn_with(emptying(), |stream, mut client, cx| {
        let mut records = Vec::new();
        for _ in 0..120 {
            for _ in 0..31 {
                client.conn.refresh_traffic_keys().unwrap();
            }
            records.extend(encrypted(&mut client, b"x"));
        }
        records.extend(encrypted(&mut client, b"end"));
        client.sock.write_all(&records).unwrap();
        let mut buffer = vec![0; 256 << 10];
        let (mut most, mut is_ready) = (0, true);
        loop {
            let outcome = stream.read(cx, &mut buffer);
            let told = stream.take_overhead();
            most = most.max(told);
            match outcome {
                Ok(bytes) => {
                    assert_eq!(&buffer[..bytes], b"end");
                    return (most, is_ready);
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            // More is there, of which no event tells.
            is_ready &= told < 24 << 10 || cx.is_ready(stream.id(), Direction::Read);
            thread::yield_now();
        }
    });
    // As above.
    assert!(most <= 28 << 10, "{most}");
    assert!(is_ready);
}

/// Reads up to an error, and tells how much that was, and whether the error is the client's doing.
fn until_error(stream: &mut TlsStream, cx: &mut Context<'_>, buffer: &mut [u8]) -> (usize, bool) {
    let mut bytes = 0;
    loop {
        match stream.read(cx, buffer) {
            Ok(more) => bytes += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => return (bytes, error.kind() == io::ErrorKind::InvalidData),
        }
    }
}

/// What a read left of them was given to the next ones in pieces of 4 KiB.
#[test]
fn what_small_records_left_over_came_in_many_small_reads() {
    const RECORDS: usize = 3_000;
    let (reads, is_same) = in_one_turn(|stream, mut client, cx| {
        let bytes = content(10 * RECORDS);
        let records: Vec<u8> = bytes
            .chunks(10)
            .flat_map(|piece| encrypted(&mut client, piece))
            .collect();
        client.sock.write_all(&records).unwrap();
        let mut buffer = vec![0; 256 << 10];
        let (mut reads, mut all) = (0, Vec::new());
        while all.len() < bytes.len() {
            let count = read(stream, cx, &mut buffer);
            all.extend_from_slice(&buffer[..count]);
            reads += 1;
        }
        (reads, all == bytes)
    });
    // One for each 24 KiB around their bytes, and for what came too late for the first.
    assert!(reads <= 8, "{reads}");
    assert!(is_same);
}

/// It comes from what an earlier read left, and not from the socket.
#[test]
fn a_broken_record_behind_small_ones_took_those_before_it_along() {
    let (bytes, is_told) = in_one_turn(|stream, mut client, cx| {
        let mut records = Vec::new();
        for _ in 0..2_000 {
            records.extend(encrypted(&mut client, &content(10)));
        }
        records.extend(CHANGED);
        client.sock.write_all(&records).unwrap();
        until_error(stream, cx, &mut [0; 256 << 10])
    });
    assert_eq!((bytes, is_told), (20_000, true));
}

#[test]
fn a_broken_record_took_those_before_it_along() {
    let (bytes, is_told) = in_one_turn(|stream, mut client, cx| {
        let mut records = encrypted(&mut client, &content(3000));
        records.extend(encrypted(&mut client, &content(4000)));
        records.extend(CHANGED);
        client.sock.write_all(&records).unwrap();
        until_error(stream, cx, &mut [0; 64 << 10])
    });
    assert_eq!((bytes, is_told), (7000, true));
}
