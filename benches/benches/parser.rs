//! Lines per second through the decoder and the parser, and what a line allocates on the way.
//!
//! `cargo bench -p ftpdlib-benches --bench parser`
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::Instant;

use ftpdlib_proto::{Command, CommandLine, Line, LineDecoder, NameEncoding};

/// A mix of commands, as one client sends it.
struct Mix {
    name: &'static str,
    lines: &'static [&'static str],
}

const MIXES: &[Mix] = &[
    Mix {
        name: "idle",
        lines: &["NOOP"],
    },
    Mix {
        name: "login",
        lines: &[
            "USER anonymous",
            "PASS guest@example.org",
            "PWD",
            "TYPE I",
            "QUIT",
        ],
    },
    Mix {
        name: "downloads",
        lines: &["EPSV", "RETR pub/archive/file-0001.bin"],
    },
    Mix {
        name: "sync",
        lines: &[
            "CWD /pub/archive",
            "MLST file",
            "SIZE file",
            "MDTM file",
            "EPSV",
            "MLSD",
        ],
    },
    Mix {
        name: "active",
        lines: &[
            "PORT 127,0,0,1,200,1",
            "EPRT |1|127.0.0.1|51201|",
            "STOR file",
        ],
    },
    Mix {
        name: "wrong",
        lines: &["XYZZY", "RETR", "TYPE Q", "PORT 1,2,3"],
    },
];

/// Lines in a sample; the best of some samples counts.
const LINES: usize = 1_000_000;
const SAMPLES: usize = 5;

fn main() {
    let mut table = format!(
        "{:12} {:>14} {:>10} {:>12}\n",
        "mix", "lines/s", "ns/line", "bytes/line"
    );
    for mix in MIXES {
        let text: String = mix.lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mut decoder = LineDecoder::default();
        let mut take = |rounds: usize| {
            for _ in 0..rounds {
                let mut input = black_box(text.as_bytes());
                while let Some(line) = decoder.next(&mut input) {
                    parse(line);
                }
            }
        };
        let rounds = LINES / mix.lines.len();
        let lines = (rounds * mix.lines.len()) as f64;
        let mut best = f64::INFINITY;
        for _ in 0..SAMPLES {
            let start = Instant::now();
            take(rounds);
            best = best.min(start.elapsed().as_secs_f64() / lines);
        }
        let allocated = allocation_counter::measure(|| take(1000)).bytes_total as f64;
        let each = allocated / (1000 * mix.lines.len()) as f64;
        table += &format!(
            "{:12} {:>14.0} {:>10.1} {each:>12.1}\n",
            mix.name,
            1.0 / best,
            best * 1e9
        );
    }
    eprint!("{table}");
}

fn parse(line: Line<'_>) {
    if let Line::Complete(line) = line
        && let Ok((verb, argument)) = CommandLine::split(line).resolve()
    {
        // Refused arguments are part of the mix.
        let _ = black_box(Command::parse(verb, argument, NameEncoding::UTF_8));
    }
}
