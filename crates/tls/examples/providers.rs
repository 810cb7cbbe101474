//! Measures both providers of cryptography in one run, in turns: what a server does in memory,
//! without sockets.
//!
//! ```sh
//! cargo run --release -p ftpdlib-tls --features aws-lc-rs --example providers
//! ```
//!
//! The first number of a line is the median of aws-lc-rs, the second that of ring, the third how
//! many times the second is the first. Time is processor time where the system tells it (Linux), so
//! that a busy machine does no harm.

use std::fs;
use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use ftpdlib_tls::rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use ftpdlib_tls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use ftpdlib_tls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion, version,
};

type Failure = Box<dyn std::error::Error>;

/// Turns of each provider.
const ROUNDS: usize = 9;

/// Bytes of one bulk measurement.
const BULK: usize = 256 << 20;

/// Bytes encrypted at once, as by a download.
const PIECE: usize = 256 << 10;

/// Handshakes of one measurement.
const HANDSHAKES: usize = 300;

/// Processor time of this thread so far; or time on the clock.
fn spent() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // The system brings its figures up to date when it looks for another thread to run.
    thread::yield_now();
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

fn main() -> Result<(), Failure> {
    let providers = [
        Arc::new(aws_lc_rs::default_provider()),
        Arc::new(ring::default_provider()),
    ];
    for version in [&version::TLS12, &version::TLS13] {
        let pairs = [
            Pair::new(&providers[0], version)?,
            Pair::new(&providers[1], version)?,
        ];
        let name = format!("{:?}", version.version);
        compare(&format!("{name} encrypt, MB/s"), &pairs, Pair::encrypt)?;
        compare(&format!("{name} decrypt, MB/s"), &pairs, Pair::decrypt)?;
        compare(
            &format!("{name} full handshake, us"),
            &pairs,
            Pair::handshake,
        )?;
    }
    Ok(())
}

fn compare(
    what: &str,
    pairs: &[Pair; 2],
    measure: fn(&Pair) -> Result<f64, Failure>,
) -> Result<(), Failure> {
    let mut seen = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // Neither is always first.
        for place in [round % 2, 1 - round % 2] {
            seen[place].push(measure(&pairs[place])?);
        }
    }
    let [aws, ring] = seen.map(|mut values| {
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    });
    let mut out = std::io::stdout();
    writeln!(out, "{what}: {aws:.0} {ring:.0} {:.2}", ring / aws)?;
    Ok(())
}

/// Settings of both sides, with one provider.
struct Pair {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Pair {
    fn new(
        provider: &Arc<CryptoProvider>,
        version: &'static SupportedProtocolVersion,
    ) -> Result<Self, Failure> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone())?;
        let client = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[version])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut server = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[version])?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))?;
        server.send_tls13_tickets = 0;
        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
        })
    }

    /// Both ends of a connection, and the time that the server's took.
    fn connect(&self) -> Result<(ClientConnection, ServerConnection, Duration), Failure> {
        let name = ServerName::try_from("localhost")?;
        let mut client = ClientConnection::new(Arc::clone(&self.client), name)?;
        let begun = spent();
        let mut server = ServerConnection::new(Arc::clone(&self.server))?;
        let mut took = spent() - begun;
        let mut wire = Vec::new();
        while client.is_handshaking() || server.is_handshaking() {
            wire.clear();
            while client.wants_write() {
                client.write_tls(&mut wire)?;
            }
            let begun = spent();
            let mut rest = wire.as_slice();
            while !rest.is_empty() {
                server.read_tls(&mut rest)?;
                server.process_new_packets()?;
            }
            let mut answer = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut answer)?;
            }
            took += spent() - begun;
            let mut rest = answer.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest)?;
                client.process_new_packets()?;
            }
        }
        Ok((client, server, took))
    }

    /// Microseconds of one.
    fn handshake(&self) -> Result<f64, Failure> {
        let mut took = Duration::ZERO;
        for _ in 0..HANDSHAKES {
            took += self.connect()?.2;
        }
        Ok(took.as_secs_f64() * 1e6 / HANDSHAKES as f64)
    }

    /// The server encrypts: a download.
    fn encrypt(&self) -> Result<f64, Failure> {
        let (_, mut server, _) = self.connect()?;
        server.set_buffer_limit(None);
        let (piece, mut wire) = (vec![7; PIECE], Vec::with_capacity(PIECE * 2));
        let begun = spent();
        for _ in 0..BULK / PIECE {
            server.writer().write_all(&piece)?;
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire)?;
            }
        }
        Ok(BULK as f64 / 1e6 / (spent() - begun).as_secs_f64())
    }

    /// The server decrypts: an upload.
    fn decrypt(&self) -> Result<f64, Failure> {
        let (mut client, mut server, _) = self.connect()?;
        client.set_buffer_limit(None);
        let (mut piece, mut wire) = (vec![7; PIECE], Vec::with_capacity(PIECE * 2));
        let mut took = Duration::ZERO;
        for _ in 0..BULK / PIECE {
            client.writer().write_all(&piece)?;
            wire.clear();
            while client.wants_write() {
                client.write_tls(&mut wire)?;
            }
            let begun = spent();
            let mut rest = wire.as_slice();
            let mut got = 0;
            while !rest.is_empty() {
                server.read_tls(&mut rest)?;
                let waiting = server.process_new_packets()?.plaintext_bytes_to_read();
                server.reader().read_exact(&mut piece[got..got + waiting])?;
                got += waiting;
            }
            took += spent() - begun;
        }
        Ok(BULK as f64 / 1e6 / took.as_secs_f64())
    }
}
