//! A whole client, without its I/O: a session over connections, joined as the tokio driver joins them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use engineio::{Action, Message, Packet, Version, frame, payload};
use socketio::ProviderError;
use socketio_codec::{Limits, Parser, ParserDecoder, Part, Revision};

use super::connection;
use super::program::{self, Program, json};
use super::script::{self, Timer, after, lines};
use crate::sim::client::{Client, LinkId, Output, Question};

/// A script. Its first line are the settings of a connection and of a session, and `y` where it is to be asked what to
/// open each connection with. Then the lines of a `Program`, and:
///
/// | line | what happens |
/// |---|---|
/// | `<…` | what the network does to the connection, as in a script for one |
/// | `a{…}` | what was asked for, an auth payload or where to connect to; `a!` there is none |
/// | `z`, `Z` | the program stops reading, and resumes |
/// | `+100` | so many milliseconds pass; `~100` while the program sleeps |
pub fn client(data: &[u8]) {
    let (settings, script) = script::settings(data);
    let mut life = Life::new(settings);
    for (verb, rest) in lines(script) {
        life.play(verb, rest);
        life.settle();
    }
    life.end();
}

struct Life {
    client: Client,
    parser: Parser,
    now: Instant,
    timer: Timer,
    program: Program,
    questions: VecDeque<Question>,
    /// What a server makes of what is sent.
    server: Option<Server>,
}

/// The other end of one connection.
struct Server {
    link: LinkId,
    version: Version,
    decoder: ParserDecoder,
}

impl Life {
    fn new(settings: &[u8]) -> Self {
        let config = program::config(settings);
        let program = Program::new(&config);
        let parser = config.parser.clone();
        let mut client = Client::new(connection::config(settings), config, 7);
        client.asks_target = settings.contains(&b'y');
        Self {
            client,
            parser,
            now: script::start(),
            timer: Timer::default(),
            program,
            questions: VecDeque::new(),
            server: None,
        }
    }

    fn play(&mut self, verb: u8, rest: &[u8]) {
        let now = self.now;
        match verb {
            b'<' => {
                let input = rest.split_first();
                let input = input.and_then(|(&verb, rest)| connection::network(verb, rest));
                if let (Some(input), Some(id)) = (input, self.client.link()) {
                    self.client.handle_input(now, id, input);
                }
            }
            b'a' => {
                if let Some(question) = self.questions.pop_front() {
                    let answer = match rest {
                        b"!" => Err(ProviderError::Failed("none".into())),
                        rest => {
                            self.client.auths.extend(json(rest));
                            Ok(())
                        }
                    };
                    self.client.handle_answer(now, question, answer);
                }
            }
            b'z' | b'Z' => self.client.set_reading(now, verb == b'Z'),
            b'+' => self.pass(after(now, rest)),
            b'~' => {
                self.now = after(now, rest);
                self.client.handle_timeout(self.now);
            }
            _ => self.program.play(&mut self.client.session, now, verb, rest),
        }
    }

    /// Time passes, and each deadline is kept.
    fn pass(&mut self, until: Instant) {
        for _ in 0..512 {
            let Some(at) = self.client.poll_timeout().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            self.client.handle_timeout(self.now);
            self.settle();
            self.timer.served(self.now, self.client.poll_timeout());
        }
        self.now = self.now.max(until);
    }

    fn settle(&mut self) {
        self.client.settle(self.now);
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Act(id, action) => self.act(id, action),
                Output::Drop(id) => {
                    self.server.take_if(|server| server.link == id);
                }
                Output::Ask(question) => self.questions.push_back(question),
            }
        }
        while let Some((key, event)) = self.client.events.pop_front() {
            self.program.told(key, event);
        }
        while let Some((ack, _)) = self.client.settled.pop_front() {
            self.program.settled(ack);
        }
        self.program.bounded(&self.client.session);
    }

    fn act(&mut self, id: LinkId, action: Action) {
        match action {
            Action::Get(target) | Action::OpenWebSocket(target) => {
                let known = |server: &Server| server.link == id && server.version == target.version;
                if !self.server.as_ref().is_some_and(known) {
                    let revision = match target.version {
                        Version::V3 => Revision::R4,
                        _ => Revision::R5,
                    };
                    let decoder = self.parser.decoder(Limits::default(), revision);
                    self.server = Some(Server {
                        link: id,
                        version: target.version,
                        decoder,
                    });
                }
            }
            Action::Post(target, body) => {
                for packet in payload::decode(target.version, body, usize::MAX) {
                    self.sent(packet.expect("our own payload"));
                }
            }
            Action::SendFrame(sent) => {
                if let Some(server) = &self.server {
                    let packet = frame::decode(server.version, sent);
                    self.sent(packet.expect("our own frame"));
                }
            }
            _ => {}
        }
    }

    /// A server would understand it.
    fn sent(&mut self, packet: Packet) {
        let (Packet::Message(message), Some(server)) = (packet, &mut self.server) else {
            return;
        };
        let part = match message {
            Message::Text(text) => Part::Text(text),
            Message::Binary(data) => Part::Binary(data),
            other => panic!("nobody knows {other:?}"),
        };
        let result = server.decoder.part(part);
        assert!(result.is_ok(), "{result:?}");
    }

    /// Everybody can leave, and a network that says nothing any more does not hold it up.
    fn end(&mut self) {
        self.client.set_reading(self.now, true);
        self.settle();
        self.program.leaves(&mut self.client.session, self.now);
        self.settle();
        self.pass(self.now + Duration::from_secs(60));
        self.program.over(&self.client.session);
        assert_eq!(self.client.link(), None, "nobody needs it any more");
        assert_eq!(self.client.poll_timeout(), None);
    }
}
