//! The main loop: events and outcomes out, lines in, until something ends it.

use std::io;
use std::num::NonZeroU64;

use socketio::{AckHandle, Event, Events, Socket};

use crate::ending::{Ending, GRACE};
use crate::exit::Failure;
use crate::input::{self, Command};
use crate::output::Output;
use crate::replies::Replies;
use crate::sending::{self, Outcome, Sending};

/// Talks to the server until `count` messages were printed, the namespace is left for good, or something from outside
/// ends it; then disconnects.
pub(crate) async fn run(
    socket: Socket,
    events: Events,
    output: Output,
    count: Option<NonZeroU64>,
    ending: Ending,
) -> Result<(), Failure> {
    let conversation = Conversation {
        socket: socket.clone(),
        output,
        count,
        replies: Replies::new(),
        sending: Sending::new(),
        leaving: false,
    };
    let outcome = conversation.go_on(events, ending).await;
    // A server that does not answer does not keep this side.
    tokio::time::timeout(GRACE, socket.disconnect()).await.ok();
    outcome
}

struct Conversation {
    socket: Socket,
    output: Output,
    count: Option<NonZeroU64>,
    replies: Replies<AckHandle>,
    sending: Sending,
    /// Whether a line has asked to disconnect.
    leaving: bool,
}

impl Conversation {
    async fn go_on(mut self, mut events: Events, mut ending: Ending) -> Result<(), Failure> {
        let mut lines = input::lines();
        let mut reading = true;
        // How the namespace was left.
        let mut left = None;
        loop {
            if self.is_enough() {
                return Ok(());
            }
            // Acknowledgements settle when the namespace is left, and are still told.
            if self.sending.is_empty()
                && let Some(left) = left
            {
                return left;
            }
            tokio::select! {
                ended = ending.wait() => return Err(ended.failure(self.output.messages())),
                outcome = self.sending.next() => self.tell(outcome)?,
                event = events.next(), if left.is_none() => left = match event {
                    Some(event) => self.hear(event)?,
                    None if self.leaving => Some(Ok(())),
                    None => Some(Err(Failure::internal("the events ended without a reason"))),
                },
                line = lines.recv(), if reading && left.is_none() && self.sending.has_room() => {
                    match line {
                        Some(line) => self.obey(line)?,
                        None => reading = false,
                    }
                    reading &= !self.leaving;
                }
            }
        }
    }

    fn is_enough(&self) -> bool {
        self.count
            .is_some_and(|count| self.output.messages() >= count.get())
    }

    /// Prints an event of the connection. The last one says how the run ends.
    fn hear(&mut self, event: Event) -> io::Result<Option<Result<(), Failure>>> {
        let is_final = event.is_final();
        let failure = match event {
            Event::Connected(connected) => {
                self.output.connected(&connected)?;
                return Ok(None);
            }
            Event::Message(mut message) => {
                let ack = message.ack().map(|handle| self.replies.keep(handle));
                self.output.message(message.name(), message.args(), ack)?;
                return Ok(None);
            }
            Event::Upgraded(transport) => {
                self.output.upgraded(transport)?;
                return Ok(None);
            }
            Event::Disconnected { reason, retry_in } => {
                self.output.disconnected(&reason, retry_in)?;
                Failure::from(reason)
            }
            Event::ConnectError { error, .. } => {
                self.output.connect_error(&error)?;
                Failure::from(error)
            }
            Event::Unsent { events, error } => {
                let message = format!("{events} events that waited are not sent: {error}");
                self.output.error(&message)?;
                return Ok(None);
            }
            _ => return Ok(None),
        };
        Ok(match is_final {
            true if self.leaving => Some(Ok(())),
            true => Some(Err(failure)),
            false => None,
        })
    }

    /// Begins with what a line asks for.
    fn obey(&mut self, line: Result<Vec<u8>, String>) -> io::Result<()> {
        match line.and_then(|line| input::parse(&line)) {
            Ok(Command::Emit(emit)) => {
                self.sending.begin(sending::emit(self.socket.clone(), emit));
            }
            Ok(Command::Reply { id, args }) => {
                let handle = self.replies.take(id);
                self.sending.begin(sending::reply(id, handle, args));
            }
            Ok(Command::Disconnect) => {
                self.leaving = true;
                self.sending.begin(sending::disconnect(self.socket.clone()));
            }
            Err(message) => self.output.error(&message)?,
        }
        Ok(())
    }

    fn tell(&self, outcome: Outcome) -> io::Result<()> {
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Acknowledged { name, args } => self.output.ack(&name, &args),
            Outcome::Failed(message) => self.output.error(&message),
        }
    }
}
