//! One Engine.IO connection of the client, and the promises that hold in each moment of it.

use std::time::Instant;

use engineio::{Action, Config, Connection, Event, Input, Message, SendError, Stats};

/// A connection that is watched: it panics as soon as it breaks a promise.
#[derive(Debug)]
pub struct Link {
    connection: Connection,
    send_buffer_bytes: usize,
    reading: bool,
    under_way: UnderWay,
}

/// The I/O that a connection has asked for and that is not over.
#[derive(Debug, Default, Clone, Copy)]
struct UnderWay {
    get: bool,
    post: bool,
    websocket: bool,
    /// It is open.
    stream: bool,
}

impl Link {
    /// A connection that is about to open.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            send_buffer_bytes: config.send_buffer_bytes,
            connection: Connection::new(config, now),
            reading: true,
            under_way: UnderWay::default(),
        }
    }

    /// The outcome of an action, or a frame.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.under_way.ended(&input);
        self.connection.handle_input(now, input);
    }

    /// Whether this comes from the network only to who reads. The outcome of a POST or of opening a WebSocket brings
    /// nothing to keep.
    #[must_use]
    pub fn has_to_read(&self, input: &Input) -> bool {
        match input {
            Input::GetDone(_) | Input::Frame(_) => true,
            Input::WebSocketClosed(_) | Input::WebSocketFailed(_) => self.under_way.stream,
            _ => false,
        }
    }

    /// Whether the network is read.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.reading
    }

    /// Stops reading the network, or resumes it.
    pub fn set_reading(&mut self, now: Instant, reading: bool) {
        self.reading = reading;
        self.connection.set_reading(now, reading);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
    }

    /// When something is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// The next thing that it wants of the network.
    ///
    /// # Panics
    ///
    /// When it wants two requests of a kind at a time, a frame sent without a WebSocket, or anything behind its end.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.connection.poll_action()?;
        let over = self.connection.is_closed();
        assert!(!over, "an action after the end: {action:?}");
        self.under_way.started(&action);
        Some(action)
    }

    /// The next thing that it tells.
    ///
    /// # Panics
    ///
    /// When it has more to say, to ask or to wait for behind its end.
    #[must_use]
    pub fn poll_event(&mut self, now: Instant) -> Option<Event> {
        let event = self.connection.poll_event()?;
        if matches!(event, Event::Closed(_)) {
            let connection = &mut self.connection;
            connection.handle_timeout(now);
            assert!(connection.is_closed());
            assert_eq!(connection.poll_action(), None, "an action after the end");
            assert_eq!(connection.poll_event(), None, "an event after the end");
            assert_eq!(connection.poll_timeout(), None, "a deadline after the end");
        }
        Some(event)
    }

    /// Makes sure that it does not wait for ever.
    ///
    /// # Panics
    ///
    /// When it waits for something that need not come, unless nobody looks whether it has.
    pub fn assert_deadline(&self) {
        let waits = self.reading && !self.connection.is_closed();
        assert!(
            !waits || self.connection.poll_timeout().is_some(),
            "a connection waits without a deadline: {:?}",
            self.connection
        );
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn send(&mut self, now: Instant, message: Message) -> Result<(), SendError> {
        self.connection.send(now, message)
    }

    /// Closes it.
    pub fn close(&mut self, now: Instant) {
        self.connection.close(now);
    }

    /// Whether sending more is sensible, as the tokio driver has it.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.connection.is_open() && self.unsent_bytes() < self.send_buffer_bytes
    }

    /// Whether a GET is under way, whose answer means something.
    #[must_use]
    pub fn is_polling(&self) -> bool {
        self.under_way.get
    }

    /// What it has carried so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.connection.stats()
    }

    /// Bytes that wait for the network.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.connection.unsent_bytes()
    }
}

impl UnderWay {
    fn started(&mut self, action: &Action) {
        let begin = |under_way: &mut bool, what: &str| {
            assert!(!*under_way, "two {what} at a time");
            *under_way = true;
        };
        match action {
            Action::Get(_) => begin(&mut self.get, "GETs"),
            Action::Post(..) => begin(&mut self.post, "POSTs"),
            Action::OpenWebSocket(_) => begin(&mut self.websocket, "WebSockets"),
            Action::DropGet => self.get = false,
            Action::DropWebSocket => (self.websocket, self.stream) = (false, false),
            Action::SendFrame(_) | Action::CloseWebSocket => {
                assert!(self.websocket, "a frame without a WebSocket");
            }
            other => panic!("an action that nobody carries out: {other:?}"),
        }
    }

    fn ended(&mut self, input: &Input) {
        match input {
            Input::GetDone(_) => self.get = false,
            Input::PostDone(_) => self.post = false,
            Input::WebSocketOpened => self.stream = true,
            Input::WebSocketRefused(_) | Input::WebSocketClosed(_) | Input::WebSocketFailed(_) => {
                (self.websocket, self.stream) = (false, false);
            }
            _ => {}
        }
    }
}
