//! A plot of one workload: a panel for each figure, a bar for each server.

use std::fmt::Write;

use super::figure;
use crate::{Better, Metric};

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

/// The plot as SVG.
pub(super) fn format(servers: &[String], metrics: &[Metric]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_plot(&mut text, servers, metrics);
    text
}

fn write_plot(text: &mut String, servers: &[String], metrics: &[Metric]) -> std::fmt::Result {
    let panel = HEADING + ROW * servers.len() as f64;
    let height = MARGIN * 2.0 + 24.0 + panel * metrics.len() as f64;
    writeln!(
        text,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif" font-size="13">
<style>
.name {{ fill: #222222; }} .ours {{ font-weight: bold; }} .quiet {{ fill: #666666; }}
.first {{ fill: #c2571a; }} .other {{ fill: #8fa3b5; }}
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
        write_panel(text, servers, metric, top)?;
    }
    writeln!(text, "</svg>")
}

fn write_panel(
    text: &mut String,
    servers: &[String],
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
    let spreads: Vec<_> = (0..servers.len())
        .map(|server| metric.spread(server))
        .collect();
    let longest = spreads.iter().flatten().map(|spread| spread.maximum);
    let longest = longest.fold(0.0, f64::max);
    let scale = |value: f64| match longest > 0.0 {
        true => (BARS_END - BARS) * value / longest,
        false => 0.0,
    };
    for (index, (server, spread)) in servers.iter().zip(&spreads).enumerate() {
        let y = top + HEADING + ROW * index as f64;
        let baseline = y + BAR - 3.0;
        let (ours, class) = if index == 0 {
            (" ours", "first")
        } else {
            ("", "other")
        };
        writeln!(
            text,
            r#"<text x="{x}" y="{baseline}" text-anchor="end" class="name{ours}">{}</text>"#,
            escaped(server),
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
