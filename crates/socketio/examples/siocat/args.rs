//! The command line.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use socketio::{Transport, Version};

const AFTER_HELP: &str = "\
Standard input, one JSON object a line:
  {\"emit\":\"name\",\"args\":[…]}    send an event; without args it has none
    \"ack\":true                  and ask for an acknowledgement, printed as an ack line
    \"timeout_ms\":5000           give up after so long (an acknowledgement: after 30000 where it is missing)
    \"volatile\":true             send it at once, or drop it and print an error line
  {\"reply\":ID,\"args\":[…]}       acknowledge the message that was printed with \"ack\":ID
  {\"disconnect\":true}           leave: what was sent before goes out first, later lines are not read
A line that is not one of these gives an error line, and nothing else. The end of standard input ends nothing.

Standard output, one JSON object a line:
  {\"event\":\"connected\",\"namespace\":\"/\",\"sid\":\"…\",\"transport\":\"polling\",\"recovered\":false}
  {\"event\":\"message\",\"namespace\":\"/\",\"name\":\"…\",\"args\":[…],\"ack\":ID}   no ack where no answer is wanted
  {\"event\":\"ack\",\"name\":\"…\",\"args\":[…]}                      the answer to the event of that name
  {\"event\":\"disconnected\",\"reason\":\"…\",\"retry_in_ms\":900}    null: there will be no other attempt
  {\"event\":\"connect_error\",\"message\":\"…\",\"data\":…}           data: what the server added, or null
  {\"event\":\"upgraded\",\"transport\":\"websocket\"}
  {\"event\":\"error\",\"message\":\"…\"}                            a line was not carried out, a message not printed

Binary values are {\"$base64\":\"…\"}, anywhere in args, in both directions. Numbers in events that are sent are integers
of 64 bits or doubles. Of the messages that want an answer, the latest 1024 without one are remembered. While 256 lines
wait for the network or for acknowledgements, no further line is read.

Exit status:
    0  done: --count messages were printed, or {\"disconnect\":true} was asked for, or the reader of the output went away
    1  internal error, or the output cannot be written
    2  the command line is wrong
    3  the URL, the namespace, the path, the query, the proxy, the CA file or the parser is unusable
    4  the server refuses the namespace
    5  no connection: the first attempt failed, or a lost connection is not replaced
    6  the server disconnected this client
    7  the --timeout is over
  130  interrupted by Ctrl-C (143: by SIGTERM)

Examples:
  siocat http://localhost:3000
  siocat https://example.com/chat --transport websocket --auth '{\"token\":\"…\"}' --count 1 --timeout 10
  echo '{\"emit\":\"hello\",\"args\":[\"world\"],\"ack\":true}' | siocat http://localhost:3000 --timeout 5";

/// Talks to a Socket.IO server: lines of JSON in, lines of JSON out.
///
/// Arguments can be seen by other users of this machine and stay in the shell's history: mind that with credentials.
#[derive(Parser)]
#[command(
    name = "siocat",
    version,
    after_long_help = AFTER_HELP,
    after_help = "JSON lines, exit status and examples: --help"
)]
pub(crate) struct Cli {
    /// The server; a path in it is the namespace, a query goes with each request.
    pub(crate) url: String,
    /// The namespace, instead of the URL's path.
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// How to connect.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = TransportArg::Upgrade)]
    transport: TransportArg,
    /// Which revision of Engine.IO to speak: 4 for servers socket.io 3.x and 4.x, 3 for 2.x; auto finds out.
    #[arg(long, value_enum, value_name = "REVISION", default_value_t = EngineIoArg::Four)]
    engine_io: EngineIoArg,
    /// The auth payload, a JSON object.
    #[arg(long, value_name = "JSON")]
    pub(crate) auth: Option<String>,
    /// The query, instead of the URL's: it is sent as it is, without anything being encoded.
    #[arg(long, value_name = "QUERY")]
    pub(crate) query: Option<String>,
    /// A header for each request, such as 'Authorization: Bearer …'; can be given several times.
    #[arg(long = "header", value_name = "NAME:VALUE")]
    pub(crate) headers: Vec<String>,
    /// The HTTP path (by default /socket.io/).
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// Trust the certificates in this PEM file, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Send everything through this proxy instead of the system's.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// How packets are written.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = ParserArg::Json)]
    pub(crate) parser: ParserArg,
    /// End when the connection is lost, instead of restoring it. (The first attempt is never repeated.)
    #[arg(long)]
    pub(crate) no_reconnect: bool,
    /// End after this many messages: events of the server. Acknowledgements do not count.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<NonZeroU64>,
    /// End after this many seconds, with exit status 7.
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TransportArg {
    /// HTTP long-polling only.
    Polling,
    /// WebSocket at once.
    Websocket,
    /// HTTP long-polling, then the upgrade to a WebSocket.
    Upgrade,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EngineIoArg {
    #[value(name = "3")]
    Three,
    #[value(name = "4")]
    Four,
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ParserArg {
    /// The protocol's own: JSON, and binary values beside it.
    Json,
    /// MessagePack, as in socket.io-msgpack-parser.
    Msgpack,
}

impl Cli {
    pub(crate) fn transports(&self) -> Vec<Transport> {
        match self.transport {
            TransportArg::Polling => vec![Transport::Polling],
            TransportArg::Websocket => vec![Transport::WebSocket],
            TransportArg::Upgrade => vec![Transport::Polling, Transport::WebSocket],
        }
    }

    pub(crate) fn version(&self) -> Version {
        match self.engine_io {
            EngineIoArg::Three => Version::V3,
            EngineIoArg::Four => Version::V4,
            EngineIoArg::Auto => Version::Auto,
        }
    }
}

/// Seconds, whole or not, more than none.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("not a possible number of seconds"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lines_that_are_accepted_and_lines_that_are_not() {
        for (line, accepted) in [
            ("http://h", true),
            ("", false),
            ("http://h surplus", false),
            (
                "http://h --namespace /n --transport polling --engine-io 3 --auth {} --query a=b --header A:b \
                 --header C:d --path /p --ca-file f --proxy u --parser json --no-reconnect --count 1 --timeout 1",
                true,
            ),
            (
                "http://h --transport websocket --engine-io 4 --parser msgpack",
                true,
            ),
            (
                "http://h --transport upgrade --engine-io auto --timeout 0.25",
                true,
            ),
            ("http://h --transport carrier-pigeon", false),
            ("http://h --engine-io 5", false),
            ("http://h --parser xml", false),
            ("http://h --count 0", false),
            ("http://h --count -1", false),
            ("http://h --timeout 0", false),
            ("http://h --timeout -1", false),
            ("http://h --timeout nan", false),
            ("http://h --timeout inf", false),
            ("http://h --timeout 1e99", false),
            ("http://h --auth {} --auth {}", false),
        ] {
            let words = ["siocat"].into_iter().chain(line.split_whitespace());
            let parsed = Cli::try_parse_from(words);
            assert_eq!(parsed.is_ok(), accepted, "{line}");
        }
    }

    #[test]
    fn without_options_a_session_upgrades_in_the_present_revision() {
        let cli = Cli::try_parse_from(["siocat", "http://h"]).unwrap();
        assert_eq!(cli.transports(), [Transport::Polling, Transport::WebSocket]);
        assert_eq!(cli.version(), Version::V4);
        assert_eq!(cli.parser, ParserArg::Json);
        assert!(!cli.no_reconnect && cli.count.is_none() && cli.timeout.is_none());
    }
}
