//! What is done to the servers.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::figures::Sample;
use crate::server::Server;

/// Something done to each server.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Server) -> io::Result<Sample>,
    /// So many will do, where a sample takes long.
    pub(crate) most_rounds: usize,
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "ping-pong",
        run: |server| echo(server, 1),
        most_rounds: usize::MAX,
    },
    Case {
        name: "echo of 64 KiB",
        run: |server| echo(server, 64 << 10),
        most_rounds: usize::MAX,
    },
    Case {
        name: "accepts",
        run: accepts,
        most_rounds: usize::MAX,
    },
    Case {
        name: "10 sources",
        run: |server| crowd(server, 10),
        most_rounds: usize::MAX,
    },
    Case {
        name: "100 sources",
        run: |server| crowd(server, 100),
        most_rounds: usize::MAX,
    },
    Case {
        name: "1000 sources",
        run: |server| crowd(server, 1000),
        most_rounds: usize::MAX,
    },
    Case {
        name: "4000 sources",
        run: |server| crowd(server, 4000),
        most_rounds: 5,
    },
    Case {
        name: "10000 sources",
        run: |server| crowd(server, 10_000),
        most_rounds: 5,
    },
];

/// How long a sample takes, beside its preparation.
const SAMPLE: Duration = Duration::from_millis(100);

/// Repeats `turn`, which says how many it has done, for the time of a sample.
fn repeat(server: &Server, mut turn: impl FnMut() -> io::Result<usize>) -> io::Result<Sample> {
    let spent = server.cpu()?;
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < SAMPLE {
        count += turn()?;
    }
    Ok(Sample {
        count: count as f64,
        wall: start.elapsed(),
        cpu: server.cpu()?.saturating_sub(spent),
    })
}

/// One client sends a piece, and takes it back before it sends the next one.
fn echo(server: &Server, size: usize) -> io::Result<Sample> {
    let mut stream = server.connect()?;
    let mut piece = vec![1; size];
    repeat(server, || {
        stream.write_all(&piece)?;
        stream.read_exact(&mut piece)?;
        Ok(1)
    })
}

/// A client after the other connects, has a byte echoed and goes.
fn accepts(server: &Server) -> io::Result<Sample> {
    repeat(server, || server.connect().map(|_| 1))
}

/// All of `count` clients send a byte, then all take it back.
fn crowd(server: &Server, count: usize) -> io::Result<Sample> {
    let mut streams = (0..count)
        .map(|_| server.connect())
        .collect::<io::Result<Vec<_>>>()?;
    let mut byte = [1];
    repeat(server, || {
        for stream in &mut streams {
            stream.write_all(&byte)?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut byte)?;
        }
        Ok(count)
    })
}
