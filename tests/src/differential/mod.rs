//! Our codecs against the reference parsers: both read the same, each reads what the other writes, and all that comes of it
//! must be equal, save for the [`rules`] by which we differ on purpose.
//!
//! A seed makes a case (`generate`): something valid, nearly valid, damaged or hostile to read, or something to write.
//! Our side (`ours`) goes through the codecs' public interfaces to values read with serde; theirs (`theirs`) is a process
//! of Node.js. What counts as equal is said by the canonical text of a value (`value`) and by `compare`.

mod case;
mod compare;
mod generate;
mod ours;
mod rules;
mod theirs;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use engineio::Version;
use serde_json::{Value as Json, json};
use socketio_codec::Revision;

use case::{Case, Input, Message, Step};
use compare::compare;
use ours::Our;
use theirs::Theirs;

pub use rules::{Rule, rules, table};

/// A reference parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Parser {
    /// socket.io-parser 4.2: Socket.IO revision 5.
    #[value(name = "socket.io-parser-4.2")]
    Socket42,
    /// socket.io-parser 3.4: Socket.IO revision 4.
    #[value(name = "socket.io-parser-3.4")]
    Socket34,
    /// engine.io-parser 5.2: Engine.IO revision 4.
    #[value(name = "engine.io-parser-5.2")]
    Engine52,
    /// engine.io-parser 2.2: Engine.IO revision 3.
    #[value(name = "engine.io-parser-2.2")]
    Engine22,
}

/// Which of our codecs stands against a parser.
#[derive(Clone, Copy, Debug)]
enum Codec {
    Socket(Revision),
    Engine(Version),
}

impl Parser {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Socket42,
        Self::Socket34,
        Self::Engine52,
        Self::Engine22,
    ];

    /// Its name, the one it has in `servers/js/package.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Socket42 => "socket.io-parser-4.2",
            Self::Socket34 => "socket.io-parser-3.4",
            Self::Engine52 => "engine.io-parser-5.2",
            Self::Engine22 => "engine.io-parser-2.2",
        }
    }

    fn codec(self) -> Codec {
        match self {
            Self::Socket42 => Codec::Socket(Revision::R5),
            Self::Socket34 => Codec::Socket(Revision::R4),
            Self::Engine52 => Codec::Engine(Version::V4),
            Self::Engine22 => Codec::Engine(Version::V3),
        }
    }

    fn read(self, input: &Input) -> Vec<Our> {
        match self.codec() {
            Codec::Socket(revision) => ours::read_socket(revision, input),
            Codec::Engine(version) => ours::read_engine(version, input),
        }
    }

    fn write(self, message: &Message) -> Result<Input, String> {
        match self.codec() {
            Codec::Socket(_) => ours::write_socket(message),
            Codec::Engine(version) => ours::write_engine(version, message),
        }
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Cases by kind: read by both, written by us, written by them.
    pub cases: [u64; 3],
    /// Packets that both sides read.
    pub packets: u64,
    /// Cases in which both sides refused something at the same place.
    pub refused: u64,
    /// How often each rule was needed.
    pub rules: BTreeMap<&'static str, u64>,
}

/// A difference without a rule, or why there could be no comparison.
#[derive(Debug)]
pub enum Failure {
    /// The two sides differ.
    Difference(Box<Difference>),
    /// There is no Node.js here, or it cannot be given the packages.
    Unavailable(String),
    /// The reference parser has failed while it was running.
    Broken(String),
}

/// A difference without a rule.
#[derive(Debug)]
pub struct Difference {
    parser: Parser,
    seed: u64,
    what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parser, seed, what } = self;
        let name = parser.name();
        writeln!(f, "{name} differs without a rule, seed {seed}:\n{what}")?;
        write!(
            f,
            "again: cargo run -p conformance --bin differential -- --parser {name} --seed {seed} --cases 1"
        )
    }
}

/// How many cases are sent to the other side at once.
const BATCH: u64 = 200;

/// A case, and the input of it if we know that already.
struct Pending {
    seed: u64,
    case: Case,
    written: Option<Input>,
}

/// Compares `cases` cases, each made by a seed of its own, from `seed` on. `progress` is told how many are done.
///
/// # Errors
///
/// At the first difference without a rule, and when the parser cannot be run.
pub fn run(
    parser: Parser,
    seed: u64,
    cases: u64,
    mut progress: impl FnMut(u64),
) -> Result<Summary, Failure> {
    let mut summary = Summary::default();
    let mut theirs = Theirs::start(parser.name()).map_err(Failure::Unavailable)?;
    let mut asked: Option<Vec<Pending>> = None;
    let mut next = 0;
    let mut done = 0;
    while next < cases || asked.is_some() {
        // While they work on one batch, we make the next.
        let batch = (next..cases.min(next + BATCH))
            .map(|offset| pend(parser, seed.wrapping_add(offset)))
            .collect::<Result<Vec<_>, _>>()?;
        next += batch.len() as u64;
        let asks = !batch.is_empty();
        if asks {
            let jobs = batch.iter().map(Pending::job).collect();
            theirs.ask(jobs).map_err(Failure::Broken)?;
        }
        let previous = if asks {
            asked.replace(batch)
        } else {
            asked.take()
        };
        let Some(previous) = previous else { continue };
        let answers = theirs.answers().map_err(Failure::Broken)?;
        if answers.len() != previous.len() {
            return Err(Failure::Broken("answers are missing".to_owned()));
        }
        done += previous.len() as u64;
        for (pending, answer) in previous.into_iter().zip(answers) {
            judge(parser, pending, answer, &mut summary)?;
        }
        progress(done);
    }
    Ok(summary)
}

/// What a rule's example came to.
#[derive(Debug)]
pub struct Example {
    /// The name of the rule.
    pub rule: &'static str,
    /// What was read.
    pub input: String,
    /// The rules that were needed.
    pub needed: Vec<&'static str>,
}

/// Compares what both sides read of the examples of each rule about a parser.
///
/// # Errors
///
/// As [`run`].
pub fn examples(parser: Parser) -> Result<Vec<Example>, Failure> {
    let mut theirs = Theirs::start(parser.name()).map_err(Failure::Unavailable)?;
    let examples: Vec<_> = rules::rules_for(parser)
        .flat_map(|rule| {
            (rule.examples)()
                .into_iter()
                .map(move |input| (rule.name, input))
        })
        .collect();
    let pending: Vec<_> = examples
        .iter()
        .map(|(_, input)| Pending {
            seed: 0,
            case: Case::Read(input.clone()),
            written: None,
        })
        .collect();
    let jobs = pending.iter().map(Pending::job).collect();
    theirs.ask(jobs).map_err(Failure::Broken)?;
    let answers = theirs.answers().map_err(Failure::Broken)?;
    let compared = examples.into_iter().zip(pending).zip(answers);
    let compared = compared.map(|(((rule, input), pending), answer)| {
        let mut summary = Summary::default();
        judge(parser, pending, answer, &mut summary)?;
        Ok(Example {
            rule,
            input: format!("{input:?}"),
            needed: summary.rules.into_keys().collect(),
        })
    });
    compared.collect()
}

/// Says past the test harness's capture that the running test was skipped, and why.
///
/// # Panics
///
/// Where the environment says `CI=true`: nothing is skipped there.
pub fn skip(reason: &str) {
    crate::node::skip(reason);
}

fn pend(parser: Parser, seed: u64) -> Result<Pending, Failure> {
    let case = generate::case(parser, seed);
    let written = match &case {
        Case::WeWrite(message) => Some(parser.write(message).map_err(|error| {
            difference(
                parser,
                seed,
                format!("{message:?}\ncould not be written: {error}"),
            )
        })?),
        Case::Read(_) | Case::TheyWrite(_) => None,
    };
    Ok(Pending {
        seed,
        case,
        written,
    })
}

impl Pending {
    fn job(&self) -> Json {
        match (&self.case, &self.written) {
            (Case::Read(input), _) | (_, Some(input)) => json!({"read": input.job()}),
            (Case::WeWrite(message) | Case::TheyWrite(message), None) => {
                json!({"write": message.job()})
            }
        }
    }
}

/// Compares the two sides of a case.
fn judge(
    parser: Parser,
    pending: Pending,
    answer: Json,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let Pending {
        seed,
        case,
        written,
    } = pending;
    let fail = |what: String| difference(parser, seed, what);
    let steps = |answer: Json| {
        serde_json::from_value::<Vec<Step>>(answer)
            .map_err(|error| Failure::Broken(format!("not an answer: {error}")))
    };
    match case {
        Case::Read(input) => {
            summary.cases[0] += 1;
            let (ours, theirs) = (parser.read(&input), steps(answer)?);
            compare(parser, &input, &ours, &theirs, Some(&mut *summary)).map_err(fail)
        }
        // What was written on purpose must be read as it was meant: no rule may be needed.
        Case::WeWrite(message) => {
            summary.cases[1] += 1;
            let input = written.unwrap_or(Input::Frames(Vec::new()));
            let (ours, theirs) = (parser.read(&input), steps(answer)?);
            let meant = meant(&message, &input);
            compare(parser, &input, &ours, &meant, None).map_err(|what| {
                fail(format!(
                    "we, reading what we have written: {message:?}\n{what}"
                ))
            })?;
            compare(parser, &input, &ours, &theirs, None).map_err(|what| {
                fail(format!(
                    "they, reading what we have written: {message:?}\n{what}"
                ))
            })
        }
        Case::TheyWrite(message) => {
            summary.cases[2] += 1;
            let input = Input::from_job(&answer)
                .ok_or_else(|| Failure::Broken(format!("not an answer: {answer}")))?;
            let ours = parser.read(&input);
            let meant = meant(&message, &input);
            compare(parser, &input, &ours, &meant, None).map_err(|what| {
                fail(format!(
                    "we, reading what they have written: {message:?}\n{what}"
                ))
            })?;
            // Engine.IO can be written in one way only, but for the binary form, which we never write.
            if let (Message::Engine { .. }, Ok(written)) = (&message, parser.write(&message))
                && !matches!(input, Input::Body { octets: true, .. })
                && written != input
            {
                return Err(fail(format!(
                    "{message:?}\nours:   {written:?}\ntheirs: {input:?}"
                )));
            }
            Ok(())
        }
    }
}

/// What a message means to its reader. Attachments that the writer counts otherwise show here, too.
fn meant(message: &Message, input: &Input) -> Vec<Step> {
    let mut meant = message.meant();
    if let (Message::Socket { .. }, Input::Frames(frames)) = (message, input)
        && frames.len() != meant.len()
    {
        meant.push(Step::Refused("another number of frames".to_owned()));
    }
    meant
}

fn difference(parser: Parser, seed: u64, what: String) -> Failure {
    Failure::Difference(Box::new(Difference { parser, seed, what }))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [read, ours, theirs] = self.cases;
        writeln!(
            f,
            "  {read} read by both, {ours} written by us, {theirs} written by them"
        )?;
        writeln!(
            f,
            "  {} packets equal, {} refusals in common",
            self.packets, self.refused
        )?;
        for (rule, count) in &self.rules {
            writeln!(f, "  {count:>8} {rule}")?;
        }
        Ok(())
    }
}
