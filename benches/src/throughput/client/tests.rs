use super::*;

/// All parts together are more than what may be on its way at once.
const PART: u64 = 100;

#[test]
fn each_client_does_what_it_says() {
    let server = Server::start().unwrap();
    let subjects = Subject::value_variants().iter();
    let runs = subjects.map(|subject| (*subject, Threads::One));
    for (subject, threads) in runs.chain([(Subject::Receive, Threads::Two)]) {
        let outcome = Run::new(subject, threads, &server, PART).here();
        let outcome = outcome.unwrap_or_else(|error| panic!("{subject:?}: {error}"));
        assert_eq!(outcome.events, PART * PARTS, "{subject:?}");
        assert!(outcome.seconds > 0.0, "{subject:?}");
        assert!(outcome.cpu_seconds > 0.0, "{subject:?}");
    }
}

#[test]
fn an_outcome_is_one_line_of_json() {
    let outcome: Outcome =
        serde_json::from_str(r#"{"events":4,"seconds":2.0,"cpu_seconds":1}"#).unwrap();
    assert_eq!(
        (outcome.rate(), outcome.micros(), outcome.cpu_micros()),
        (2.0, 5e5, 2.5e5)
    );
}
