//! The reactor beside a bare epoll loop, bare mio and tokio, all of which echo what they are sent.
//!
//! `cargo bench -p ftpdlib-benches --bench reactor`
#![forbid(unsafe_code)]

mod bare_epoll;
mod bare_mio;
mod on_tokio;
mod ours;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// An echo server on one thread: serves the listener for ever.
struct Reactor {
    name: &'static str,
    serve: fn(TcpListener) -> io::Result<()>,
}

const REACTORS: &[Reactor] = &[
    Reactor {
        name: "ioloop",
        serve: ours::serve,
    },
    Reactor {
        name: "mio",
        serve: bare_mio::serve,
    },
    Reactor {
        name: "epoll",
        serve: bare_epoll::serve,
    },
    Reactor {
        name: "tokio",
        serve: on_tokio::serve,
    },
];

/// What is done to each; the figure is a rate, so more is better.
struct Workload {
    name: &'static str,
    run: fn(SocketAddr) -> io::Result<f64>,
    /// Clients at once.
    clients: usize,
}

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "ping-pong, round trips/s",
        run: ping_pong,
        clients: 1,
    },
    Workload {
        name: "echo of 64 KiB pieces, MB/s",
        run: bulk,
        clients: 1,
    },
    Workload {
        name: "accepts/s",
        run: accepts,
        clients: 1,
    },
    Workload {
        name: "10 sources, echoes/s",
        run: |server| crowd(server, 10, 1000),
        clients: 10,
    },
    Workload {
        name: "1,000 sources, echoes/s",
        run: |server| crowd(server, 1000, 20),
        clients: 1000,
    },
    Workload {
        name: "4,000 sources, echoes/s",
        run: |server| crowd(server, 4000, 5),
        clients: 4000,
    },
    Workload {
        name: "10,000 sources, echoes/s",
        run: |server| crowd(server, 10_000, 2),
        clients: 10_000,
    },
];

const ROUNDS: usize = 3;

fn main() -> io::Result<()> {
    let (_, descriptors) = ftpdlib_sys::raise_descriptor_limit()?;
    let mut servers = Vec::new();
    for reactor in REACTORS {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        servers.push(listener.local_addr()?);
        let serve = reactor.serve;
        thread::spawn(move || serve(listener).unwrap_or_else(|error| panic!("{error}")));
    }
    eprint!("{:28}", "median");
    for reactor in REACTORS {
        eprint!("{:>12}", reactor.name);
    }
    eprintln!();
    // Those of the servers come about in their threads; some are left for them.
    let idle = open_descriptors()? + 32;
    for workload in WORKLOADS {
        // Both ends are in this process.
        if idle + 2 * workload.clients > usize::try_from(descriptors).unwrap_or(usize::MAX) {
            eprintln!("{:28}left out: too few descriptors", workload.name);
            continue;
        }
        let mut samples = vec![Vec::new(); REACTORS.len()];
        for round in 0..ROUNDS {
            for turn in 0..REACTORS.len() {
                let index = (turn + round) % REACTORS.len();
                samples[index].push((workload.run)(servers[index])?);
                await_closed(idle)?;
            }
        }
        eprint!("{:28}", workload.name);
        for sample in &mut samples {
            sample.sort_unstable_by(f64::total_cmp);
            eprint!("{:>12.0}", sample[ROUNDS / 2]);
        }
        eprintln!();
    }
    ours::timers();
    on_tokio::timers();
    ours::wake_ups();
    on_tokio::wake_ups();
    Ok(())
}

/// Waits for a server to have closed what the last sample has left to it, or the next one would lack
/// descriptors.
fn await_closed(idle: usize) -> io::Result<()> {
    for _ in 0..3000 {
        if open_descriptors()? <= idle {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(io::Error::other("a server does not close its connections"))
}

fn open_descriptors() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}

fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    // Closed with a reset, which leaves no port behind that is not to be used for a minute.
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}

fn ping_pong(server: SocketAddr) -> io::Result<f64> {
    const TRIPS: usize = 10_000;
    let mut stream = connect(server)?;
    let mut byte = [1];
    let start = Instant::now();
    for _ in 0..TRIPS {
        stream.write_all(&byte)?;
        stream.read_exact(&mut byte)?;
    }
    Ok(TRIPS as f64 / start.elapsed().as_secs_f64())
}

fn bulk(server: SocketAddr) -> io::Result<f64> {
    const PIECES: usize = 2000;
    let mut stream = connect(server)?;
    let mut piece = vec![1; 64 << 10];
    let start = Instant::now();
    for _ in 0..PIECES {
        stream.write_all(&piece)?;
        stream.read_exact(&mut piece)?;
    }
    Ok((PIECES * piece.len()) as f64 / 1e6 / start.elapsed().as_secs_f64())
}

fn accepts(server: SocketAddr) -> io::Result<f64> {
    const CLIENTS: usize = 2000;
    let start = Instant::now();
    for _ in 0..CLIENTS {
        let mut stream = connect(server)?;
        stream.write_all(b"a")?;
        stream.read_exact(&mut [0])?;
    }
    Ok(CLIENTS as f64 / start.elapsed().as_secs_f64())
}

/// All of `count` clients send a byte, then all take it back.
fn crowd(server: SocketAddr, count: usize, rounds: usize) -> io::Result<f64> {
    let mut streams = (0..count)
        .map(|_| connect(server))
        .collect::<io::Result<Vec<_>>>()?;
    // The last one is served, so all are.
    let mut byte = [1];
    for stream in &mut streams {
        stream.write_all(&byte)?;
        stream.read_exact(&mut byte)?;
    }
    let start = Instant::now();
    for _ in 0..rounds {
        for stream in &mut streams {
            stream.write_all(&byte)?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut byte)?;
        }
    }
    Ok((count * rounds) as f64 / start.elapsed().as_secs_f64())
}

/// Says how long each of `count` took.
fn tell(what: &str, count: usize, start: Instant) {
    let each = start.elapsed().as_secs_f64() * 1e9 / count as f64;
    eprintln!("{what:44}{each:>10.0} ns each");
}
