//! Joining a namespace: CONNECT, and the answers to it.

use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;
use socketio_codec::{Json, Packet};

use super::link::{Link, Loss};
use super::namespace::{Buffer, Held, NamespaceKey, Phase, State};
use super::outgoing::Outgoing;
use super::{AckKey, Action, Event, Session, later, packets};
use crate::error::{ConnectError, DisconnectReason};
use crate::event::Connected;

impl Session {
    /// Sends CONNECT for each namespace that waits for a link. Credentials that the server would not take are the end
    /// for their namespace: sending them would cost all the others the connection.
    pub(super) fn connect_waiting(&mut self, now: Instant) {
        let deadline = later(now, self.config.connect_timeout);
        let mut refused = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let key = slot.key(index);
            if let State::Active(active) = &mut slot.state
                && matches!(active.phase, Phase::Waiting)
            {
                let payload = active.auth.clone();
                let packet = Outgoing::new(&Packet::Connect {
                    namespace: slot.name.clone(),
                    payload,
                });
                if let Some((size, max)) = self.link.excess(&packet) {
                    refused.push((key, ConnectError::AuthTooLarge { size, max }));
                    continue;
                }
                active.phase = Phase::Joining {
                    deadline,
                    held: Held::default(),
                };
                self.actions
                    .extend(packet.into_messages().map(Action::Send));
            }
        }
        if refused.is_empty() {
            return;
        }
        for (key, error) in refused {
            let retry_in = None;
            self.end(key, State::Idle, Event::ConnectError { error, retry_in });
        }
        self.close_unused_link();
    }

    pub(super) fn connect_accepted(&mut self, now: Instant, index: usize, payload: Option<&Json>) {
        let Link::Open(link) = &mut self.link else {
            return;
        };
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let key = slot.key(index);
        let active = match &mut slot.state {
            State::Active(active) => active,
            State::Abandoned => {
                // Nobody wants it any more. Now that it is joined, it can be left.
                let packet = Packet::Disconnect {
                    namespace: slot.name.clone(),
                };
                slot.state = State::Idle;
                self.send(Outgoing::new(&packet));
                return;
            }
            State::Idle => return,
        };
        match &mut active.phase {
            Phase::Joining { held, .. } => {
                let held = std::mem::take(held);
                let buffered = std::mem::take(&mut active.buffer);
                active.phase = Phase::Joined;
                active.established = true;
                slot.generation += 1;
                link.joined_at.get_or_insert(now);
                let connected = Connected {
                    id: payload.and_then(socket_id),
                    recovered: false,
                    transport: link.transport,
                    generation: slot.generation,
                };
                self.events.push_back((key, Event::Connected(connected)));
                let generation = slot.generation;
                let held = held.into_iter();
                self.events.extend(
                    held.map(|(event, id)| (key, packets::received(key, generation, event, id))),
                );
                self.flush(key, buffered);
            }
            Phase::Behind { .. } => {
                // The answer to an earlier CONNECT with an earlier auth payload: leave, and ask again.
                active.phase = Phase::Waiting;
                let packet = Packet::Disconnect {
                    namespace: slot.name.clone(),
                };
                self.send(Outgoing::new(&packet));
                self.connect_waiting(now);
            }
            Phase::Waiting | Phase::Joined => {}
        }
    }

    /// Sends what has waited for a namespace to be joined.
    pub(super) fn flush(&mut self, key: NamespaceKey, buffered: Buffer) {
        for (outgoing, id) in buffered {
            // The server may take less than the one before it.
            match (self.link.check_size(&outgoing), id) {
                (Ok(()), _) => {
                    if let Some(id) = id {
                        self.acks.mark_sent(AckKey { namespace: key, id });
                    }
                    self.send(outgoing);
                }
                (Err(error), Some(id)) => {
                    let ack = AckKey { namespace: key, id };
                    if self.acks.remove(ack) {
                        self.settled.push_back((ack, Err(error.into())));
                    }
                }
                (Err(_), None) => {}
            }
        }
    }

    /// The server answered CONNECT with no: the end for this namespace, and no concern of the others. A server that says
    /// it of a joined namespace has put this client out, which the reference client takes for the end, too.
    pub(super) fn connect_refused(&mut self, now: Instant, index: usize, error: ConnectError) {
        if !matches!(self.link, Link::Open(_)) {
            return;
        }
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let key = slot.key(index);
        match &mut slot.state {
            State::Abandoned => slot.state = State::Idle,
            State::Active(active) => match active.phase {
                Phase::Joining { .. } => {
                    self.end(
                        key,
                        State::Idle,
                        Event::ConnectError {
                            error,
                            retry_in: None,
                        },
                    );
                    self.close_unused_link();
                }
                Phase::Behind { .. } => {
                    active.phase = Phase::Waiting;
                    self.connect_waiting(now);
                }
                Phase::Joined => {
                    let reason = DisconnectReason::from_refusal(error);
                    let retry_in = None;
                    self.end(key, State::Idle, Event::Disconnected { reason, retry_in });
                    self.close_unused_link();
                }
                Phase::Waiting => {}
            },
            State::Idle => {}
        }
    }

    /// The server has not answered CONNECT. A namespace that was never joined fails alone. One that was joined before
    /// must be tried again, which takes a new link: a second CONNECT on this one could reach the server after it has
    /// handled the first, and that makes it drop the connection.
    pub(super) fn connect_timed_out(&mut self, now: Instant, index: usize) {
        let Some(slot) = self.slots.get(index) else {
            return;
        };
        let State::Active(active) = &slot.state else {
            return;
        };
        if active.established {
            self.fail_link(now, &Loss::ConnectTimeout);
        } else {
            let error = ConnectError::Timeout;
            let key = slot.key(index);
            self.end(
                key,
                State::Abandoned,
                Event::ConnectError {
                    error,
                    retry_in: None,
                },
            );
            self.close_unused_link();
        }
    }
}

/// The id in the server's CONNECT. Servers of revision 4 send none, and it is not needed for anything.
fn socket_id(payload: &Json) -> Option<String> {
    #[derive(Deserialize)]
    struct Reply {
        sid: String,
    }
    Some(payload.parse::<Reply>().ok()?.sid)
}

/// What a CONNECT_ERROR says: `{"message":…,"data":…}`, or a bare string from foreign servers.
pub(super) fn refusal(payload: Option<Json>) -> ConnectError {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        message: String,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let Some(payload) = payload else {
        return ConnectError::Refused {
            message: String::new(),
            data: None,
        };
    };
    let (message, data) = if let Ok(Refusal { message, data }) = payload.parse() {
        (
            message,
            data.and_then(|data| Json::from_serialize(data).ok()),
        )
    } else if let Ok(message) = payload.parse() {
        (message, None)
    } else {
        // Whatever it is, a program may make sense of it.
        (String::new(), Some(payload.detach()))
    };
    ConnectError::Refused { message, data }
}
