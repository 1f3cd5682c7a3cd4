//! Charts as SVG: bars with words, in the colours of the page that shows them, light or dark.

use std::fmt::{self, Write as _};

use super::chart::{Bar, Chart, Kind};

const WIDTH: f64 = 760.0;
/// From where on there are bars, and how long the longest is.
const BARS: f64 = 200.0;
const LONGEST: f64 = 450.0;
const HEADING: f64 = 30.0;
const LINE: f64 = 24.0;
const THICKNESS: f64 = 16.0;
const GAP: f64 = 16.0;
const FOOT: f64 = 26.0;

/// The fonts of the reader's machine, and colours that have enough contrast on both grounds.
const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.note { fill: #59636e; font-size: 12px }
.ours { fill: #1f6feb }
.floor { fill: #afb8c1 }
.peer { fill: #d4a72c }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.note { fill: #9198a1 }
.ours { fill: #58a6ff }
.floor { fill: #484f58 }
.peer { fill: #9e6a03 }
}";

/// Draws charts below each other. Each has a scale of its own, which begins with nothing.
#[must_use]
pub fn svg(charts: &[Chart], note: &str) -> String {
    let mut drawing = String::new();
    // Writing to a string cannot fail.
    draw(&mut drawing, charts, note).ok();
    drawing
}

fn draw(svg: &mut String, charts: &[Chart], note: &str) -> fmt::Result {
    let lines: usize = charts.iter().map(|chart| chart.bars.len()).sum();
    let height = charts.len() as f64 * (HEADING + GAP) + lines as f64 * LINE + FOOT;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">"#
    )?;
    writeln!(svg, "<title>What socketio costs, beside others</title>")?;
    writeln!(svg, "<style>\n{STYLE}\n</style>")?;
    let mut y = 0.0;
    for chart in charts {
        let baseline = y + 20.0;
        text(svg, "title", 0.0, baseline, "start", &chart.title)?;
        text(svg, "note", WIDTH, baseline, "end", &chart.unit)?;
        y += HEADING;
        let longest = chart.bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
        for bar in &chart.bars {
            draw_bar(svg, bar, y, longest)?;
            y += LINE;
        }
        y += GAP;
    }
    text(svg, "note", 0.0, y + 14.0, "start", note)?;
    writeln!(svg, "</svg>")
}

fn draw_bar(svg: &mut String, bar: &Bar, y: f64, longest: f64) -> fmt::Result {
    let (class, weight) = match bar.kind {
        Kind::Ours => ("ours", "title"),
        Kind::Floor => ("floor", "label"),
        Kind::Peer => ("peer", "label"),
    };
    let share = match longest > 0.0 {
        true => bar.value / longest,
        false => 0.0,
    };
    // Whatever there is can be seen.
    let length = (share * LONGEST).max(1.0);
    let baseline = y + 13.0;
    text(svg, weight, BARS - 10.0, baseline, "end", &bar.label)?;
    writeln!(
        svg,
        r#"<rect class="{class}" x="{BARS}" y="{y}" width="{length:.1}" height="{THICKNESS}" rx="2"/>"#
    )?;
    let behind = BARS + length + 8.0;
    text(svg, weight, behind, baseline, "start", &short(bar.value))
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, words: &str) -> fmt::Result {
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    writeln!(
        svg,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{words}</text>"#
    )
}

/// Three digits, and a word for many of them.
fn short(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{} million", digits(value / 1e6)),
        _ if value >= 1e4 => format!("{} thousand", digits(value / 1e3)),
        _ => digits(value),
    }
}

fn digits(value: f64) -> String {
    let decimals = match value {
        _ if value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::*;
    use crate::results::chart::charts;
    use crate::results::chart::tests::row;

    #[test]
    fn the_picture_of_some_rows() {
        let receive = |with, floor| row(with, 3_620_000.0, floor, "events/s");
        let rows = [
            receive("receive small events / raw + RawValue", 4_100_000.0),
            receive("receive small events / rust_socketio", 480_000.0),
            receive("receive small events / <JavaScript> & co", 290_000.0),
            row(
                "ack round trip, one at a time / raw WebSocket echo",
                30.25,
                27.5,
                "µs",
            ),
        ];
        let picture = svg(&charts(&rows), "one machine, one run");
        expect_file!["picture.svg"].assert_eq(&picture);
    }

    #[test]
    fn three_digits() {
        for (value, expected) in [
            (4_104_000.0, "4.10 million"),
            (999_600.0, "1000 thousand"),
            (480_123.0, "480 thousand"),
            (9_999.4, "9999"),
            (99.96, "100"),
            (27.54, "27.5"),
            (7.456, "7.46"),
        ] {
            assert_eq!(short(value), expected);
        }
    }
}
