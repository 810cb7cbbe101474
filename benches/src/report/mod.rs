//! Results for readers.

mod markdown;
mod plot;

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::{Run, Scale};

/// Under which conditions was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Conditions {
    /// When, as `YYYY-MM-DD`.
    pub date: String,
    /// Processor, memory and kernel.
    pub machine: String,
    /// Name and version of each server.
    pub versions: Vec<String>,
    /// How many rounds.
    pub rounds: usize,
    /// How much of everything.
    pub scale: Scale,
    /// What takes from the worth of the figures.
    pub remarks: Vec<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    conditions: &'a Conditions,
    run: &'a Run,
}

/// Writes `results.md`, `results.json` and a plot of each workload, `WORKLOAD.svg`, into
/// `directory`, which is made if need be.
///
/// # Errors
///
/// No permission, or no room.
pub fn write_reports(run: &Run, conditions: &Conditions, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let document = Document { conditions, run };
    let json = serde_json::to_string_pretty(&document).map_err(io::Error::other)?;
    fs::write(directory.join("results.json"), json + "\n")?;
    fs::write(
        directory.join("results.md"),
        markdown::format(run, conditions),
    )?;
    for metrics in run
        .metrics
        .chunk_by(|one, next| one.workload == next.workload)
    {
        let file = directory.join(format!("{}.svg", metrics[0].workload));
        fs::write(file, plot::format(run, metrics))?;
    }
    Ok(())
}

/// A figure with three digits that matter, and no more than that.
fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, expected: &str) {
        assert_eq!(figure(value), expected);
    }

    #[test]
    fn figures_have_three_digits() {
        check(11_410.4, "11410");
        check(85.04, "85.0");
        check(1.236, "1.24");
        check(0.0834, "0.083");
        check(0.0, "0");
    }
}
