//! The client of a script, and its user.
//!
//! A user of an Engine.IO client:
//!
//! | `user` does | `told` by it |
//! |---|---|
//! | `sends TEXT hello`, `sends BIN dead` | `opened polling` |
//! | `closes` | `message TEXT hello`, `message BIN dead` |
//! | `stops reading`, `reads on` | `upgraded websocket` |
//! | | `upgrade failed: why`, `polling failed: why` |
//! | | `closed: why` |
//!
//! A user of a Socket.IO client; the text of an event is JSON with its placeholders, and each `+ dead` behind it is an
//! attachment:
//!
//! | `user` does | `told` by it |
//! |---|---|
//! | `joins / {"token":"abc"}`, `leaves /` | `/ connected $ID`, `/ recovered $ID` |
//! | `joins / {"token":"1"} then {"token":"2"}`, another payload each time | `/ not connected, again in 1s: why`, `/ not connected for good: why` |
//! | `joins /chat ?token=abc`, a query for revision 4 | `/ disconnected, again in 1s: why`, `/ disconnected for good: why` |
//! | `emits / ["hello",1]` | `/ event ["hello",1]`, `/ asked ["hello",1]` where an answer is wanted |
//! | `emits / volatile ["hello",1]`, now or never | `/ unsent 2: why` |
//! | `asks / within 5s ["hello",1]` | `answer 1 [true]`, `answer 1: why there is none`; questions are counted |
//! | `asks / again each 5s ["hello",1]`, with retries | |
//! | `answers / [true]`, which is the last question asked there | |
//! | `reconnects` | `/ upgraded websocket` |
//! | | `refused: why`, in answer to what the user did |

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::time::{Duration, Instant};

use engineio::{Action, Event as EngineEvent, Input, Message};
use socketio::codec::Query;
use socketio::session::{AckKey, AckTicket, Auth, Event, Join, NamespaceKey};
use socketio::{ConnectError, Json, Namespace, Retries, Target};

use super::settings::{ClientSettings, Level, duration};
use super::wire::{escaped, hex, line, unescaped_text, unhex};
use super::{Failure, args};
use crate::sim::client::{Client, Output};
use crate::sim::link::Link;

/// What the client wants of the network.
#[derive(Debug)]
pub(super) enum Wanted {
    Act(Action),
    /// Whatever is under way is dropped.
    Drop,
}

/// A client with its user.
#[derive(Debug)]
pub(super) struct Subject {
    layers: Layers,
    pub(super) wanted: VecDeque<Wanted>,
    pub(super) told: VecDeque<String>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Layers {
    Engine(Option<Link>),
    Socket(Client, User),
}

/// What a user of a Socket.IO client remembers.
#[derive(Debug)]
struct User {
    target: Target,
    retries: Option<Retries>,
    names: BTreeMap<NamespaceKey, String>,
    questions: Vec<AckKey>,
    asked: BTreeMap<NamespaceKey, AckTicket>,
}

impl Subject {
    pub(super) fn new(settings: ClientSettings, now: Instant) -> Self {
        let layers = match settings.level {
            Level::Engine => Layers::Engine(Some(Link::new(settings.engine, now))),
            Level::Socket => Layers::Socket(
                Client::new(settings.engine, settings.session, settings.seed),
                User::new(settings.target, settings.retries),
            ),
        };
        let mut subject = Self {
            layers,
            wanted: VecDeque::new(),
            told: VecDeque::new(),
        };
        subject.settle(now);
        subject
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.layers {
            Layers::Engine(link) => link.as_ref()?.poll_timeout(),
            Layers::Socket(client, _) => client.poll_timeout(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match &mut self.layers {
            Layers::Engine(Some(link)) => link.handle_timeout(now),
            Layers::Engine(None) => {}
            Layers::Socket(client, _) => client.handle_timeout(now),
        }
        self.settle(now);
    }

    pub(super) fn handle_input(&mut self, now: Instant, input: Input) -> Result<(), Failure> {
        match &mut self.layers {
            Layers::Engine(Some(link)) => link.handle_input(now, input),
            Layers::Engine(None) => return Err("there is no connection".to_owned()),
            Layers::Socket(client, _) => {
                let link = client.link().ok_or("there is no connection")?;
                client.handle_input(now, link, input);
            }
        }
        self.settle(now);
        Ok(())
    }

    pub(super) fn user(&mut self, now: Instant, line: &str) -> Result<(), Failure> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let refused = match &mut self.layers {
            Layers::Engine(link) => {
                let link = link.as_mut().ok_or("there is no connection")?;
                user_of_engine(link, now, verb, rest)?
            }
            Layers::Socket(client, user) => {
                // As the driver does: what is overdue comes before what users want.
                client.handle_timeout(now);
                user.acts(client, now, verb, rest)?
            }
        };
        self.settle(now);
        if let Some(refused) = refused {
            self.told.push_back(format!("refused: {refused}"));
        }
        Ok(())
    }

    /// Collects what the client wants and tells.
    fn settle(&mut self, now: Instant) {
        match &mut self.layers {
            Layers::Engine(slot) => {
                let Some(link) = slot else { return };
                let mut over = false;
                loop {
                    while let Some(action) = link.poll_action() {
                        self.wanted.push_back(Wanted::Act(action));
                    }
                    let Some(event) = link.poll_event(now) else {
                        break;
                    };
                    over |= matches!(event, EngineEvent::Closed(_));
                    self.told.push_back(engine_told(event));
                }
                link.assert_deadline();
                if over {
                    self.wanted.push_back(Wanted::Drop);
                    *slot = None;
                }
            }
            Layers::Socket(client, user) => {
                client.settle(now);
                while let Some(output) = client.poll_output() {
                    self.wanted.push_back(match output {
                        Output::Act(_, action) => Wanted::Act(action),
                        Output::Drop(_) => Wanted::Drop,
                        // Providers answer at once.
                        Output::Ask(question) => {
                            client.handle_answer(now, question, Ok(()));
                            continue;
                        }
                    });
                }
                while let Some((key, event)) = client.events.pop_front() {
                    self.told.push_back(user.told(key, event));
                }
                while let Some((key, answer)) = client.settled.pop_front() {
                    let number = user.questions.iter().position(|asked| *asked == key);
                    let number = number.map_or(0, |place| place + 1);
                    self.told.push_back(match answer {
                        Ok(args) => {
                            let args = args::text(&args.json(), args.attachments());
                            format!("answer {number} {args}")
                        }
                        Err(error) => format!("answer {number}: {error}"),
                    });
                }
            }
        }
    }
}

type Refused = Option<String>;

fn refused<T>(outcome: Result<T, impl Display>) -> Refused {
    outcome.err().map(|error| error.to_string())
}

fn user_of_engine(
    link: &mut Link,
    now: Instant,
    verb: &str,
    rest: &str,
) -> Result<Refused, Failure> {
    match verb {
        "sends" => {
            let (kind, content) = rest.split_once(' ').unwrap_or((rest, ""));
            let message = match kind {
                "TEXT" => Message::Text(unescaped_text(content)?.into()),
                "BIN" => Message::Binary(unhex(content)?.into()),
                other => return Err(format!("{other:?} is no kind of message")),
            };
            Ok(refused(link.send(now, message)))
        }
        "closes" => {
            link.close(now);
            Ok(None)
        }
        "stops" if rest == "reading" => {
            link.set_reading(now, false);
            Ok(None)
        }
        "reads" if rest == "on" => {
            link.set_reading(now, true);
            Ok(None)
        }
        other => Err(format!("nobody {other}")),
    }
}

fn engine_told(event: EngineEvent) -> String {
    match event {
        EngineEvent::TransportFailed { transport, reason } => {
            format!("{} failed: {reason}", transport.name())
        }
        EngineEvent::Opened { transport, .. } => format!("opened {}", transport.name()),
        EngineEvent::Message(Message::Text(text)) => line("message TEXT", &escaped(&text)),
        EngineEvent::Message(Message::Binary(bytes)) => line("message BIN", &hex(&bytes)),
        EngineEvent::Upgraded(transport) => format!("upgraded {}", transport.name()),
        EngineEvent::UpgradeFailed(error) => format!("upgrade failed: {error}"),
        EngineEvent::Closed(reason) => format!("closed: {reason}"),
        other => format!("{other:?}"),
    }
}

impl User {
    fn new(target: Target, retries: Option<Retries>) -> Self {
        Self {
            target,
            retries,
            names: BTreeMap::new(),
            questions: Vec::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Joins a namespace, or the one in the URL.
    fn joins(
        &mut self,
        client: &mut Client,
        now: Instant,
        name: &str,
        shown: &str,
    ) -> Result<Refused, Failure> {
        let mut join = Join::default();
        join.retries = self.retries;
        let mut namespace = self.target.namespace().clone();
        let mut query = self.target.endpoint().query();
        if !name.is_empty() {
            namespace = match Namespace::try_from(unescaped_text(name)?) {
                Ok(namespace) => namespace,
                Err(error) => return Ok(Some(error.to_string())),
            };
            query = shown.strip_prefix('?');
        }
        let query = query.map(Query::try_from).transpose();
        join.query = query.map_err(|error| error.to_string())?;
        let payloads = shown
            .split(" then ")
            .filter(|text| !text.is_empty() && !text.starts_with('?'));
        let payloads =
            payloads.map(|text| Json::from_text(text).map_err(|error| error.to_string()));
        let mut payloads = payloads.collect::<Result<VecDeque<_>, _>>()?;
        if payloads.len() > 1 {
            client.auths = payloads;
            join.auth = Auth::Asked;
        } else if let Some(payload) = payloads.pop_front() {
            join.auth = Auth::Fixed(payload);
        }
        let name = namespace.to_string();
        Ok(match client.session.join(now, namespace, join) {
            Ok(key) => {
                self.names.insert(key, name);
                None
            }
            Err(error) => Some(error.to_string()),
        })
    }

    fn acts(
        &mut self,
        client: &mut Client,
        now: Instant,
        verb: &str,
        rest: &str,
    ) -> Result<Refused, Failure> {
        if verb == "reconnects" {
            client.session.reconnect(now);
            return Ok(None);
        }
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        if verb == "joins" {
            return self.joins(client, now, name, rest);
        }
        let mut keys = self.names.iter().rev();
        let key = keys.find_map(|(key, joined)| (joined == name).then_some(*key));
        let key = key.ok_or_else(|| format!("{name:?} was not joined"))?;
        let session = &mut client.session;
        match verb {
            "leaves" => {
                session.leave(now, key);
                Ok(None)
            }
            "emits" => {
                let volatile = rest.strip_prefix("volatile ");
                let event = match args::event(volatile.unwrap_or(rest)) {
                    Ok(event) => event,
                    Err(why) => return Ok(Some(why)),
                };
                Ok(refused(match volatile {
                    Some(_) => session.emit_volatile(key, event),
                    None => session.emit(key, event),
                }))
            }
            "asks" => {
                let again = rest.strip_prefix("again each ");
                let rest = again.or_else(|| rest.strip_prefix("within "));
                let (time, rest) = rest
                    .and_then(|rest| rest.split_once(' '))
                    .ok_or("within what time?")?;
                let time = duration(time)?;
                let event = match args::event(rest) {
                    Ok(event) => event,
                    Err(why) => return Ok(Some(why)),
                };
                let asked = match again {
                    Some(_) => session.emit_retried(now, key, event, time),
                    None => session.emit_with_ack(key, event, now + time),
                };
                Ok(match asked {
                    Ok(ack) => {
                        self.questions.push(ack);
                        None
                    }
                    Err(error) => Some(error.to_string()),
                })
            }
            "answers" => {
                let ticket = self.asked.remove(&key).ok_or("nobody has asked")?;
                let args = match args::args(rest) {
                    Ok(args) => args,
                    Err(why) => return Ok(Some(why)),
                };
                Ok(refused(session.reply(ticket, args)))
            }
            other => Err(format!("nobody {other}")),
        }
    }

    fn told(&mut self, key: NamespaceKey, event: Event) -> String {
        let again = |retry_in: Option<Duration>| match retry_in {
            Some(Duration::ZERO) => ", again at once".to_owned(),
            Some(time) => format!(", again in {time:?}"),
            None => " for good".to_owned(),
        };
        let what = match event {
            Event::Connected(connected) => {
                let how = if connected.recovered {
                    "recovered"
                } else {
                    "connected"
                };
                format!("{how} {}", connected.id.unwrap_or_default())
            }
            Event::Message(mut message) => {
                let how = if message.wants_ack() {
                    "asked"
                } else {
                    "event"
                };
                let text = args::text(message.json(), message.attachments());
                if let Some(ticket) = message.ack() {
                    self.asked.insert(key, ticket);
                }
                format!("{how} {text}")
            }
            Event::Upgraded(transport) => format!("upgraded {}", transport.name()),
            Event::Disconnected { reason, retry_in } => {
                format!("disconnected{}: {reason}", again(retry_in))
            }
            Event::ConnectError { error, retry_in } => {
                let data = match &error {
                    ConnectError::Refused { data, .. } => data.as_ref(),
                    _ => None,
                };
                let data = data.map(|data| format!(" with {}", data.as_str()));
                let data = data.unwrap_or_default();
                format!("not connected{}: {error}{data}", again(retry_in))
            }
            Event::Unsent { events, error } => format!("unsent {events}: {error}"),
            other => format!("{other:?}"),
        };
        let name = self.names.get(&key).map_or("?", String::as_str);
        format!("{name} {}", what.trim_end())
    }
}
