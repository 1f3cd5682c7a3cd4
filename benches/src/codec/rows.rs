//! The rows of the table: each case beside its floor and its peers, and what it has to reach.

use engineio::Version;

use super::{Comparison, Content, Kind, Spent, Subject, cases, comparisons};
use crate::allocations;
use crate::measure::{Samples, in_turn};
use crate::options::Options;
use crate::report::{Report, Row, Target};

/// Of the floor, for a text EVENT of any size.
const TIME: Target = Target::AtMost(1.15);
/// Of the fastest peer's speed, for a payload of text packets.
const SPEED: Target = Target::AtLeast(3.0);
/// Of the time a packet in a payload of 1024 of them, to that in one of 64: what is not linear has sixteen times that.
const LINEAR: Target = Target::AtMost(1.3);

/// Measures what reading and writing packets costs: for some 6 seconds in a hurry, or for some 30.
///
/// Allocations are counted if the program [counts](allocations) them.
///
/// # Errors
///
/// When a subject cannot do its work, which is a mistake in the benchmark. It says which.
pub fn rows(report: &mut Report, options: &Options) -> Result<(), String> {
    let is_counted = allocations::is_counted();
    if !is_counted {
        report.skipped("allocations of the codec: this program does not count them");
    }
    let mut all = comparisons();
    for comparison in &mut all {
        report.progress(&comparison.name);
        let samples = measure(comparison, options)?;
        compare(report, comparison, &samples);
        if is_counted {
            count(report, comparison)?;
        }
    }
    if cfg!(not(feature = "peers")) {
        report.skipped("codecs of others: build with `--features peers`");
    }
    for version in cases::VERSIONS {
        linear(report, options, &mut all, version)?;
    }
    Ok(())
}

/// Time, or for a payload speed, of each subject once a round.
fn measure(comparison: &mut Comparison, options: &Options) -> Result<Vec<Samples>, String> {
    let is_payload = comparison.kind.is_payload();
    let subjects = comparison.subjects.iter_mut();
    let subjects = subjects.map(|subject| (comparison.packets, subject));
    in_rounds(subjects, options, |nanoseconds| match is_payload {
        true => 1e3 / nanoseconds,
        false => nanoseconds,
    })
}

/// What becomes of the nanoseconds a packet that each subject takes, once a round. The subjects come with how many packets
/// there are.
fn in_rounds<'a>(
    subjects: impl IntoIterator<Item = (usize, &'a mut Subject)>,
    options: &Options,
    value: impl Fn(f64) -> f64,
) -> Result<Vec<Samples>, String> {
    let sample = options.either(1.5e6, 4e6);
    let rounds = options.either(15, 31);
    let calibrated = subjects.into_iter().map(|(packets, subject)| {
        let times = calibrate(subject, sample)?;
        Ok::<_, String>((packets as f64, subject, times))
    });
    let mut subjects: Vec<_> = calibrated.collect::<Result<_, _>>()?;
    in_turn(rounds, &mut subjects, |(packets, subject, times)| {
        let nanoseconds = run(subject, *times)?.time.as_nanos() as f64;
        Ok(value(nanoseconds / (*times as f64 * *packets)))
    })
}

/// How often the subject has to work until so many nanoseconds have passed. Warms it up, too.
fn calibrate(subject: &mut Subject, sample: f64) -> Result<u64, String> {
    let mut times = 1;
    loop {
        let spent = run(subject, times)?.time.as_nanos() as f64;
        if spent > sample / 4.0 {
            return Ok((times as f64 * sample / spent).ceil() as u64);
        }
        times *= 2;
    }
}

fn run(subject: &mut Subject, times: u64) -> Result<Spent, String> {
    let spent = subject.run(times);
    spent.ok_or_else(|| format!("{subject:?} does not do what it has to"))
}

/// One row for each of the others.
fn compare(report: &mut Report, comparison: &Comparison, samples: &[Samples]) {
    let Some((ours, others)) = samples.split_first() else {
        return;
    };
    let unit = match comparison.kind.is_payload() {
        true => "M packets/s",
        false => "ns",
    };
    let others = comparison.subjects.iter().skip(1).zip(others);
    let rows = others.map(|(other, samples)| {
        let name = format!("{} / {}", comparison.name, other.name);
        Row::compared(name, ours, samples, unit)
    });
    let mut rows: Vec<_> = rows.collect();
    match comparison.kind {
        Kind::DecodeText | Kind::EncodeText => want(rows.first_mut(), TIME),
        Kind::DecodePayload(_, Content::Text) => {
            let peers = rows.iter_mut().skip(1);
            let ratio = |row: &&mut Row| row.ratio.unwrap_or(f64::MAX);
            want(
                peers.min_by(|one, other| ratio(one).total_cmp(&ratio(other))),
                SPEED,
            );
        }
        _ => {}
    }
    rows.into_iter().for_each(|row| report.add(row));
}

fn want(row: Option<&mut Row>, target: Target) {
    if let Some(row) = row {
        *row = row.clone().wanted(target);
    }
}

/// How often this stack asks for memory.
fn count(report: &mut Report, comparison: &mut Comparison) -> Result<(), String> {
    let Some((ours, others)) = comparison.subjects.split_first_mut() else {
        return Ok(());
    };
    let counted = |subject: &mut Subject| {
        let count = subject.allocations();
        count.ok_or_else(|| format!("{subject:?} does not do what it has to"))
    };
    let name = format!("allocations: {}", comparison.name);
    let mut row = Row::new(name, counted(ours)?, "times");
    row.floor = others.first_mut().map(counted).transpose()?;
    report.add(match comparison.kind {
        Kind::DecodeText => row.wanted(Target::AtMost(0.0)),
        Kind::EncodeText => row.wanted(Target::AtMost(1.0)),
        _ => row,
    });
    Ok(())
}

/// The time a packet of a large payload takes, beside that in a small one.
fn linear(
    report: &mut Report,
    options: &Options,
    comparisons: &mut [Comparison],
    version: Version,
) -> Result<(), String> {
    let [_, few, many] = cases::COUNTS;
    let kind = Kind::DecodePayload(version, Content::Text);
    let mut picked = Vec::new();
    for comparison in comparisons.iter_mut().filter(|it| it.kind == kind) {
        let packets = comparison.packets;
        if let (true, Some(ours)) = (packets >= few, comparison.subjects.first_mut()) {
            picked.push((packets, ours));
        }
    }
    let samples = in_rounds(picked, options, |nanoseconds| nanoseconds)?;
    if let [of_few, of_many] = &samples[..] {
        let name = format!(
            "decode payload, revision {version}, text: a packet of {many} / a packet of {few}"
        );
        report.add(Row::compared(name, of_many, of_few, "ns").wanted(LINEAR));
    }
    Ok(())
}
