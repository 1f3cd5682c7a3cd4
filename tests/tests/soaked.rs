//! A short soak, so that the long one is there when it is wanted. Its length is counted, and not measured.

use std::time::Duration;

use conformance::soak::{Length, Plan, run};

#[test]
fn every_promise_is_kept_in_a_short_soak() {
    let length = Length::Count {
        events: 700,
        troubles: 10,
    };
    let mut plan = Plan::new(5, length);
    plan.longest_calm = Duration::from_secs(3);
    plan.fair = Duration::from_secs(1);
    let report = run(&plan, |_| true);
    assert!(report.is_clean(), "{report}");
    assert!(report.status().events() >= 700, "{report}");
    assert!(report.status().troubles() >= 10, "{report}");
}
