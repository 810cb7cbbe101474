//! The table.

use std::fmt::Write;

use super::{Conditions, figure};
use crate::{Metric, Run};

/// A document with the conditions, the table and what failed.
pub(super) fn format(run: &Run, conditions: &Conditions) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_document(&mut text, run, conditions);
    text
}

fn write_document(text: &mut String, run: &Run, conditions: &Conditions) -> std::fmt::Result {
    let Conditions {
        date,
        machine,
        versions,
        rounds,
        scale,
        remarks,
    } = conditions;
    writeln!(text, "# Benchmark of {date}\n")?;
    writeln!(text, "{machine}; {rounds} interleaved rounds.")?;
    writeln!(
        text,
        "Sizes: large file {} MiB, {} small files, {} sessions, crowd of {} with {} MiB each, \
         {} idle sessions, {} entries.\n",
        scale.bulk_bytes >> 20,
        scale.small_files,
        scale.sessions,
        scale.crowd,
        scale.crowd_bytes >> 20,
        scale.idle,
        scale.entries,
    )?;
    for line in versions.iter().chain(remarks) {
        writeln!(text, "- {line}")?;
    }
    writeln!(
        text,
        "\nEach cell is the median of the rounds, with the smallest and the largest below it.\n\
         The lead is how many times better {} is than the best of the others: the median and the \
         lower quartile of the ratios of each round. Beside it, where there is one, stands how it \
         compares in the same way with a bare server: the least of FTP around the system calls.\n",
        run.servers[0],
    )?;
    write!(text, "| workload | figure |")?;
    for server in &run.servers {
        write!(text, " {server} |")?;
    }
    let bare = if run.bare.is_some() { " of bare |" } else { "" };
    let columns = run.servers.len() + 3 + usize::from(run.bare.is_some());
    writeln!(text, " lead |{bare}\n|{}", " --- |".repeat(columns))?;
    for metric in &run.metrics {
        write_row(text, run, metric)?;
    }
    write_notes(text, "What failed", &run.failures)?;
    write_notes(text, "What was left out", &run.left_out)
}

fn write_notes(text: &mut String, title: &str, notes: &[String]) -> std::fmt::Result {
    if notes.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{title}:\n")?;
    for note in notes {
        writeln!(text, "- {}", note.trim_end())?;
    }
    Ok(())
}

fn write_row(text: &mut String, run: &Run, metric: &Metric) -> std::fmt::Result {
    let Metric {
        workload,
        what,
        unit,
        ..
    } = metric;
    write!(text, "| {workload} | {what}, {unit} |")?;
    for server in 0..run.servers.len() {
        match metric.spread(server) {
            Some(spread) => write!(
                text,
                " {}<br>{} – {} |",
                figure(spread.median),
                figure(spread.minimum),
                figure(spread.maximum),
            )?,
            None => write!(text, " – |")?,
        }
    }
    let lead = metric.best_rival(run.bare).and_then(|rival| {
        let lead = metric.lead(rival)?;
        Some((figure(lead.median), figure(lead.lower_quartile), rival))
    });
    match lead {
        Some((median, lower, rival)) => {
            write!(text, " {median} ({lower}) of {} |", run.servers[rival])?;
        }
        None => write!(text, " – |")?,
    }
    if let Some(bare) = run.bare {
        match metric.lead(bare) {
            Some(lead) => {
                let (median, lower) = (figure(lead.median), figure(lead.lower_quartile));
                write!(text, " {median} ({lower}) |")?;
            }
            None => write!(text, " – |")?,
        }
    }
    writeln!(text)
}
