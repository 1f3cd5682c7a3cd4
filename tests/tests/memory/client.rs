//! The finished client against servers that send for ever.

use std::sync::Mutex;

use conformance::flood::{LANES, Settings};
use conformance::{heap, http};

#[test]
fn no_server_costs_more_than_is_documented() {
    heap::count();
    let settings = Settings::tight();
    let http = http();
    let lanes = Mutex::new(LANES.iter());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(lane) = { lanes.lock().unwrap().next() } {
                    let outcome = lane.play(&settings, None, &http);
                    let line = format!("{}: {outcome}", lane.name);
                    println!("{line}");
                    if !outcome.is_within() {
                        wrong.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "beyond the bound:\n{}", wrong.join("\n"));
}
