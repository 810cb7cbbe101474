//! A plot of one workload: a panel for each figure, a bar for each server.

use std::fmt::Write;

use super::figure;
use crate::{Better, Metric, Run};

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 24.0;
/// Where the bars begin: room for the names before them.
const BARS: f64 = 130.0;
/// Where the longest bar ends: room for its figure after it.
const BARS_END: f64 = 620.0;
const ROW: f64 = 26.0;
const BAR: f64 = 15.0;
/// Title of a panel, and the space above it.
const HEADING: f64 = 44.0;

/// The plot as SVG, of the servers that have a figure in it.
pub(super) fn format(run: &Run, metrics: &[Metric]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_plot(&mut text, run, metrics);
    text
}

fn write_plot(text: &mut String, run: &Run, metrics: &[Metric]) -> std::fmt::Result {
    let measured = |server: &usize| {
        metrics
            .iter()
            .any(|metric| metric.spread(*server).is_some())
    };
    let servers: Vec<usize> = (0..run.servers.len()).filter(measured).collect();
    let panel = HEADING + ROW * servers.len() as f64;
    let height = MARGIN * 2.0 + 24.0 + panel * metrics.len() as f64;
    writeln!(
        text,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif" font-size="13">
<style>
.name {{ fill: #222222; }} .ours {{ font-weight: bold; }} .quiet {{ fill: #666666; }}
.first {{ fill: #c2571a; }} .other {{ fill: #8fa3b5; }} .bare {{ fill: #d9d9d9; }}
.whisker {{ stroke: #222222; stroke-width: 1.2; }}
</style>
<rect width="100%" height="100%" fill="white"/>"#
    )?;
    let about = metrics.first().map_or("", |metric| metric.about);
    let top = MARGIN + 10.0;
    writeln!(
        text,
        r#"<text x="{MARGIN}" y="{top}" font-size="17" class="name">{}</text>"#,
        escaped(about)
    )?;
    for (index, metric) in metrics.iter().enumerate() {
        let top = MARGIN + 24.0 + panel * index as f64;
        write_panel(text, run, &servers, metric, top)?;
    }
    writeln!(text, "</svg>")
}

fn write_panel(
    text: &mut String,
    run: &Run,
    servers: &[usize],
    metric: &Metric,
    top: f64,
) -> std::fmt::Result {
    let better = match metric.better {
        Better::Higher => "more is better",
        Better::Lower => "less is better",
    };
    writeln!(
        text,
        r#"<text x="{MARGIN}" y="{y}" class="name">{what}, {unit} <tspan class="quiet">({better})</tspan></text>"#,
        y = top + HEADING - 12.0,
        what = escaped(metric.what),
        unit = escaped(metric.unit),
    )?;
    let spreads: Vec<_> = servers
        .iter()
        .map(|&server| metric.spread(server))
        .collect();
    let longest = spreads.iter().flatten().map(|spread| spread.maximum);
    let longest = longest.fold(0.0, f64::max);
    let scale = |value: f64| match longest > 0.0 {
        true => (BARS_END - BARS) * value / longest,
        false => 0.0,
    };
    for (index, (&server, spread)) in servers.iter().zip(&spreads).enumerate() {
        let y = top + HEADING + ROW * index as f64;
        let baseline = y + BAR - 3.0;
        let (ours, class) = match server {
            0 => (" ours", "first"),
            other if Some(other) == run.bare => ("", "bare"),
            _ => ("", "other"),
        };
        writeln!(
            text,
            r#"<text x="{x}" y="{baseline}" text-anchor="end" class="name{ours}">{}</text>"#,
            escaped(&run.servers[server]),
            x = BARS - 8.0,
        )?;
        let Some(spread) = spread else {
            writeln!(
                text,
                r#"<text x="{BARS}" y="{baseline}" class="quiet">no result</text>"#
            )?;
            continue;
        };
        let (low, high) = (BARS + scale(spread.minimum), BARS + scale(spread.maximum));
        let middle = y + BAR / 2.0;
        writeln!(
            text,
            r#"<rect x="{BARS}" y="{y}" width="{:.1}" height="{BAR}" class="{class}"/>
<line x1="{low:.1}" y1="{middle}" x2="{high:.1}" y2="{middle}" class="whisker"/>
<text x="{x:.1}" y="{baseline}" class="name{ours}">{}</text>"#,
            scale(spread.median),
            figure(spread.median),
            x = high + 8.0,
        )?;
    }
    Ok(())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Measure, WORKLOADS};

    #[test]
    fn whoever_was_not_measured_has_no_bar() {
        let names = ["ours", "absent", "bare"];
        let mut run = Run::new(names.map(str::to_owned).to_vec());
        run.bare = Some(2);
        for server in [0, 2] {
            let measure = Measure {
                what: "speed",
                unit: "MB/s",
                better: Better::Higher,
                value: 1.0,
                note: None,
            };
            run.add(&WORKLOADS[0], server, 0, &[measure]);
        }
        let plot = format(&run, &run.metrics);
        assert!(
            plot.contains(">ours<") && plot.contains("class=\"bare\""),
            "{plot}"
        );
        assert!(!plot.contains("absent"), "{plot}");
    }
}
