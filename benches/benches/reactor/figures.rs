//! Samples, and the table of their medians.

use std::io;
use std::time::Duration;

/// What one contestant did within a sample.
pub(crate) struct Sample {
    /// How many echoes, clients, timers, …
    pub(crate) count: f64,
    /// The time on the clock.
    pub(crate) wall: Duration,
    /// The processor time of the contestant's thread.
    pub(crate) cpu: Duration,
}

/// A table in Markdown that is printed row by row.
pub(crate) struct Table {
    columns: usize,
}

impl Table {
    /// Prints the head. The first contestant is compared with the others.
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.collect();
        eprint!("| case | figure |");
        for name in &names {
            eprint!(" {name} |");
        }
        for name in names.iter().skip(1) {
            eprint!(" of {name} |");
        }
        eprintln!("\n|{}", " --- |".repeat(2 * names.len() + 1));
        Self {
            columns: names.len(),
        }
    }

    /// Has every contestant give a sample in each round, and prints two rows: per second by the
    /// clock, and processor time for each. Beside the medians stand those of the first one's ratio
    /// to each of the others in the same round, so that above 1 it is the better one.
    pub(crate) fn measure(
        &mut self,
        case: &str,
        rounds: usize,
        mut sample: impl FnMut(usize) -> io::Result<Option<Sample>>,
    ) -> io::Result<()> {
        let mut rates = vec![Vec::new(); self.columns];
        let mut costs = vec![Vec::new(); self.columns];
        for round in 0..rounds {
            for turn in 0..self.columns {
                let index = (turn + round) % self.columns;
                if let Some(sample) = sample(index)? {
                    rates[index].push(sample.count / sample.wall.as_secs_f64());
                    costs[index].push(sample.cpu.as_secs_f64() * 1e9 / sample.count);
                }
            }
        }
        print_row(case, "per second", &rates, |ours, other| ours / other);
        print_row("", "CPU, ns each", &costs, |ours, other| other / ours);
        Ok(())
    }
}

fn print_row(case: &str, figure: &str, samples: &[Vec<f64>], lead: fn(f64, f64) -> f64) {
    eprint!("| {case} | {figure} |");
    for samples in samples {
        match median(samples.iter().copied()) {
            Some(median) => eprint!(" {median:.0} |"),
            None => eprint!(" – |"),
        }
    }
    let (ours, others) = samples
        .split_first()
        .unwrap_or((const { &Vec::new() }, &[]));
    for other in others {
        match median(
            ours.iter()
                .zip(other)
                .map(|(&ours, &other)| lead(ours, other)),
        ) {
            Some(median) => eprint!(" {median:.2} |"),
            None => eprint!(" – |"),
        }
    }
    eprintln!();
}

fn median(samples: impl Iterator<Item = f64>) -> Option<f64> {
    let mut samples: Vec<_> = samples.collect();
    samples.sort_unstable_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied()
}
