//! The pages about the benchmarks tell what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use benchmarks::results::{Program, page};

fn read(file: &str) -> Option<String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(package.join(file)).ok()
}

#[test]
fn programs_that_the_pages_run_exist() {
    let mut named = BTreeSet::new();
    for page in ["README.md", "../README.md"] {
        let page = read(page).unwrap();
        for line in page.lines().filter(|line| line.contains("-p benchmarks")) {
            for (argument, folder) in [("--bin ", "src/bin"), ("--bench ", "benches")] {
                let name = line.split(argument).nth(1);
                let name = name.and_then(|behind| behind.split_whitespace().next());
                named.extend(name.map(|name| format!("{folder}/{name}.rs")));
            }
        }
    }
    for file in &named {
        assert!(read(file).is_some(), "{file}");
    }
    // All of them, and the one that runs them.
    assert_eq!(named.len(), Program::ALL.len() + 1, "{named:?}");
}

#[test]
fn the_results_of_the_repository_are_complete() {
    // Until somebody has measured, there are none.
    if let Some(results) = read("RESULTS.md") {
        assert_eq!(page::missing(&results), [""; 0]);
        assert!(page::is_complete(&results));
        assert!(read("results.svg").is_some());
    }
}
