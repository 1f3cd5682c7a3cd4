use super::*;

/// Enough for several batches, and for more acknowledgements than may be on their way at once.
const PART: u64 = 150;

#[test]
fn each_client_does_what_it_says() {
    let server = Server::start().unwrap();
    for threads in [Threads::One, Threads::Two] {
        for &subject in Subject::value_variants() {
            let url = subject.url(&server, PART);
            let run = Run {
                subject,
                threads,
                url,
                part: PART,
            };
            let outcome = run
                .here()
                .unwrap_or_else(|error| panic!("{subject:?}: {error}"));
            assert_eq!(outcome.events, PART * PARTS, "{subject:?}");
            assert!(
                outcome.seconds > 0.0 && outcome.cpu_seconds > 0.0,
                "{subject:?}"
            );
            assert!(outcome.rate() > 0.0, "{subject:?}");
        }
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
