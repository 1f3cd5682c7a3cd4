//! Reading and writing packets: this stack, the floor, and, with `--features peers`, other codecs.
//!
//! First, a table of how often each asks for memory; then criterion's measurements. What they do is told where they are
//! written, in `src/codec/`. `cargo bench -p benchmarks --bench codec -- 'EVENT of 1 KiB'` runs some of them.
//!
//! Times are those of this thread on the processor, so that a busy machine matters less. Allocations are counted
//! meanwhile, which costs about a nanosecond for each.
#![expect(
    clippy::print_stdout,
    reason = "a benchmark tells what it has measured"
)]

use std::time::Duration;

use benchmarks::allocations;
use benchmarks::codec::{Comparison, comparisons};
use criterion::{Criterion, Throughput};

#[global_allocator]
static COUNTING: allocations::Counting = allocations::COUNTING;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(20)
        .without_plots()
        .configure_from_args();
    let mut comparisons = comparisons();
    println!("Allocations an operation (a reallocation is one, too):");
    comparisons.iter_mut().for_each(count);
    println!();
    for comparison in comparisons {
        measure(&mut criterion, comparison);
    }
    criterion.final_summary();
}

fn count(comparison: &mut Comparison) {
    let counted = comparison.subjects.iter_mut().map(|subject| {
        let count = subject.allocations();
        let count = count.map_or("failed".to_owned(), |count| format!("{count:.0}"));
        format!("{} {count}", subject.name)
    });
    let counted: Vec<_> = counted.collect();
    println!("  {:52} {}", comparison.name, counted.join(", "));
}

fn measure(criterion: &mut Criterion, comparison: Comparison) {
    let mut group = criterion.benchmark_group(&comparison.name);
    let bytes = u64::try_from(comparison.bytes).unwrap_or(u64::MAX);
    group.throughput(Throughput::Bytes(bytes));
    for mut subject in comparison.subjects {
        let name = subject.name;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let spent = subject.run(times);
                spent.unwrap_or_default().time
            });
        });
    }
    group.finish();
}
