//! The upgrade from polling to WebSocket: probe, answer, and every way to fail. It is states, not control flow; they are
//! drawn on [`Carrier`].

use std::time::Instant;

use super::state::{Carrier, Probe, State};
use super::{Action, Connection, Event, Input};
use crate::error::UpgradeError;
use crate::frame;
use crate::packet::Packet;
use crate::transport::Transport;

impl Connection {
    /// Protocol, "Upgrade": what the WebSocket says before it carries the session. The polling transport goes on
    /// meanwhile, and a failure here never touches the session.
    pub(super) fn handle_probe(&mut self, now: Instant, input: Input) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let failure = match (input, &mut open.carrier) {
            (
                Input::WebSocketOpened,
                Carrier::Polling {
                    probe: probe @ Probe::Connecting { .. },
                    ..
                },
            ) => {
                probe.opened(now);
                return self.send_frame(Packet::Ping("probe".into()));
            }
            (
                Input::Frame(frame),
                Carrier::Polling {
                    probe: Probe::AwaitingPong { since, deadline },
                    ..
                },
            ) => match frame::decode(self.version, frame).inspect(|_| self.stats.received_packet())
            {
                Ok(Packet::Pong(data)) if data == "probe" => {
                    let round_trip = now.saturating_duration_since(*since);
                    self.stats.heartbeat_rtt = Some(round_trip);
                    let deadline = *deadline;
                    return open.carrier.drain(deadline);
                }
                _ => UpgradeError::WrongAnswer,
            },
            // Between `3probe` and `5` the server has nothing to say here.
            (Input::Frame(_), _) => UpgradeError::WrongAnswer,
            (Input::WebSocketRefused(refusal), _) => refusal.into(),
            (Input::WebSocketFailed(error), _) => error.into(),
            (Input::WebSocketClosed(_), _) => UpgradeError::Closed(Transport::WebSocket),
            _ => return,
        };
        self.upgrade_failed(now, failure);
    }

    pub(super) fn upgrade_failed(&mut self, now: Instant, error: UpgradeError) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        open.carrier.give_up_upgrade();
        // The reference client leaves the probe's socket open here; nobody would ever close it.
        self.actions.push_back(Action::DropWebSocket);
        self.events.push_back(Event::UpgradeFailed(error));
        self.flush(now);
    }
}
