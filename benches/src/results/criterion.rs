//! What criterion leaves behind: a folder a benchmark, with its names and its estimates.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::report::Row;

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

/// In nanoseconds.
#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// The medians of all benchmarks in a folder, by name. Without the folder, there is none.
///
/// # Errors
///
/// Files cannot be read, or are not criterion's.
pub(super) fn rows(folder: &Path) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    if folder.is_dir() {
        search(folder, &mut rows)?;
    }
    rows.sort_by(|a, b| natural(&a.name).cmp(&natural(&b.name)));
    Ok(rows)
}

fn search(folder: &Path, rows: &mut Vec<Row>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.ends_with("new") && path.join("estimates.json").is_file() {
            let Benchmark { full_id } = read(&path.join("benchmark.json"))?;
            let Estimates { median } = read(&path.join("estimates.json"))?;
            rows.push(Row::new(full_id, median.point_estimate, "ns"));
        } else {
            search(&path, rows)?;
        }
    }
    Ok(())
}

fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> io::Result<T> {
    serde_json::from_slice(&fs::read(file)?)
        .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
}

/// Text and numbers by turns, so that 1024 comes behind 64.
fn natural(name: &str) -> Vec<(&str, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digit = |letter: char| letter.is_ascii_digit();
        let (text, behind) = rest.split_at(rest.find(digit).unwrap_or(rest.len()));
        let digits = behind.find(|letter| !digit(letter));
        let (number, behind) = behind.split_at(digits.unwrap_or(behind.len()));
        parts.push((text, number.parse().unwrap_or_default()));
        rest = behind;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_medians_by_name() {
        let folder = std::env::temp_dir().join(format!("benchmarks-rows-{}", std::process::id()));
        for (name, run, median) in [
            ("decode/1024 B", "new", 3.0),
            ("decode/64 B", "new", 2.0),
            ("decode/64 B", "base", 1.0),
        ] {
            let run = folder.join(name.replace(' ', "_")).join(run);
            fs::create_dir_all(&run).unwrap();
            let id = format!(r#"{{"full_id":"{name}","group_id":"x","throughput":null}}"#);
            fs::write(run.join("benchmark.json"), id).unwrap();
            let estimates =
                format!(r#"{{"mean":{{}},"median":{{"point_estimate":{median:?},"x":1}}}}"#);
            fs::write(run.join("estimates.json"), estimates).unwrap();
        }
        let rows = rows(&folder);
        fs::remove_dir_all(&folder).unwrap();
        let expected = [("decode/64 B", 2.0), ("decode/1024 B", 3.0)];
        assert_eq!(
            rows.unwrap(),
            expected.map(|(name, median)| Row::new(name, median, "ns"))
        );
        assert_eq!(super::rows(&folder).unwrap(), []);
    }
}
