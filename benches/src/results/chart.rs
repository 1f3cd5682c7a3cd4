//! What the picture shows: the main rows, as groups of bars.

use crate::report::Row;

/// Bars that can be compared with each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What was measured.
    pub title: String,
    /// Of all bars, and which end of the scale is the good one.
    pub unit: String,
    /// The best first.
    pub bars: Vec<Bar>,
}

/// A value of somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Whose.
    pub label: String,
    /// Its length.
    pub value: f64,
    /// How it is to be seen.
    pub kind: Kind,
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// This workspace.
    Ours,
    /// Less work than a client has to do.
    Floor,
    /// Another client.
    Peer,
}

/// A chart is made of all rows of one name, which differ in what they are compared with.
struct Plan {
    /// What stands before ` / ` in the rows.
    what: &'static str,
    title: &'static str,
    more_is_better: bool,
}

const PLANS: [Plan; 4] = [
    Plan {
        what: "receive small events",
        title: "Receive small events",
        more_is_better: true,
    },
    Plan {
        what: "emit small events",
        title: "Emit small events",
        more_is_better: true,
    },
    Plan {
        what: "ack round trip, one at a time",
        title: "Acknowledgement, one at a time",
        more_is_better: false,
    },
    Plan {
        what: "idle connection, plain: resident",
        title: "Memory of an idle connection",
        more_is_better: false,
    },
];

/// The main results. A chart without rows is left out.
#[must_use]
pub fn charts(rows: &[Row]) -> Vec<Chart> {
    PLANS.iter().filter_map(|plan| plan.chart(rows)).collect()
}

impl Plan {
    fn chart(&self, rows: &[Row]) -> Option<Chart> {
        let rows = rows.iter().filter_map(|row| {
            let (what, with) = row.name.split_once(" / ")?;
            (what == self.what).then_some((with, row))
        });
        let mut bars: Vec<Bar> = Vec::new();
        let mut unit = None;
        for (with, row) in rows {
            if unit.is_none() {
                unit = Some(row.unit.as_str());
                bars.push(Bar::new("socketio (this)", row.value, Kind::Ours));
            }
            let kind = match with.starts_with("raw") {
                true => Kind::Floor,
                false => Kind::Peer,
            };
            // What is told in brackets is for the table.
            let label = with.split(" (").next().unwrap_or(with);
            bars.extend(row.floor.map(|floor| Bar::new(label, floor, kind)));
        }
        let (better, sign) = match self.more_is_better {
            true => ("more", -1.0),
            false => ("less", 1.0),
        };
        bars.sort_by(|a, b| f64::total_cmp(&(sign * a.value), &(sign * b.value)));
        Some(Chart {
            title: self.title.to_owned(),
            unit: format!("{}, {better} is better", unit?),
            bars,
        })
    }
}

impl Bar {
    /// One.
    #[must_use]
    pub fn new(label: &str, value: f64, kind: Kind) -> Self {
        Self {
            label: label.to_owned(),
            value,
            kind,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::measure::Samples;

    /// Ours, and what it is compared with.
    pub(in crate::results) fn row(name: &str, value: f64, floor: f64, unit: &str) -> Row {
        let samples = |value: f64| Samples::from(&[value][..]);
        Row::compared(name, &samples(value), &samples(floor), unit)
    }

    #[test]
    fn what_the_rows_of_one_name_are_compared_with_are_its_bars() {
        let rows = [
            row(
                "receive small events / rust_socketio (of 3)",
                3e6,
                5e5,
                "events/s",
            ),
            row(
                "receive small events / raw + RawValue",
                3e6,
                4e6,
                "events/s",
            ),
            row("receive large events / raw", 1.0, 2.0, "events/s"),
            Row::new("receive small events", 3.0, "s"),
            row(
                "ack round trip, one at a time / raw WebSocket echo",
                30.0,
                20.0,
                "µs",
            ),
        ];
        let charts = charts(&rows);
        let bars: Vec<_> = charts
            .iter()
            .flat_map(|chart| &chart.bars)
            .map(|bar| (bar.label.as_str(), bar.value, bar.kind))
            .collect();
        let expected = [
            ("raw + RawValue", 4e6, Kind::Floor),
            ("socketio (this)", 3e6, Kind::Ours),
            ("rust_socketio", 5e5, Kind::Peer),
            ("raw WebSocket echo", 20.0, Kind::Floor),
            ("socketio (this)", 30.0, Kind::Ours),
        ];
        assert_eq!(bars, expected);
        let units: Vec<_> = charts.iter().map(|chart| chart.unit.as_str()).collect();
        assert_eq!(units, ["events/s, more is better", "µs, less is better"]);
    }
}
