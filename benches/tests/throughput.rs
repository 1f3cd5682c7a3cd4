//! The program `throughput`, as its own processes see it.

use std::process::Command;

use benchmarks::server::Server;
use benchmarks::throughput::client::{Outcome, PARTS, Run, Subject, Threads};

fn throughput() -> Command {
    Command::new(env!("CARGO_BIN_EXE_throughput"))
}

#[test]
fn a_client_in_a_process_of_its_own_tells_its_outcome() {
    let server = Server::start().unwrap();
    let run = Run::new(Subject::Receive, Threads::One, &server, 10);
    let output = throughput().args(run.args()).output().unwrap();
    let outcome: Outcome = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome.events, 10 * PARTS);
}

#[test]
fn a_client_that_finds_no_server_says_so_and_fails() {
    let server = Server::start().unwrap();
    let run = Run::new(Subject::Receive, Threads::One, &server, 10);
    drop(server);
    let output = throughput().args(run.args()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("throughput: ") && output.stdout.is_empty(),
        "{said}"
    );
}

#[test]
fn what_it_does_is_asked_for_on_the_command_line() {
    let status = |args: &[&str]| throughput().args(args).output().unwrap().status.code();
    assert_eq!(status(&["--help"]), Some(0));
    assert_eq!(status(&["--slow"]), Some(2));
    assert_eq!(
        status(&["client", "receive", "three", "http://127.0.0.1:1", "1"]),
        Some(2)
    );
}
