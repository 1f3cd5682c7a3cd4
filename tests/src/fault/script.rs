//! What is to go wrong, where, and how often: a rule reads as a sentence.

use std::borrow::Cow;

use super::Request;
use super::parts::Exchange;

/// What goes wrong with a connection, from the place of its rule on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends in order (FIN), on both sides. What the client has been given before arrives.
    Close,
    /// It breaks (RST), on both sides.
    Reset,
    /// It is half open: it stays, whatever comes from either side is swallowed, and nothing is said any more.
    Swallow,
    /// What goes this way is held back until [`FaultProxy::resume`](super::FaultProxy::resume).
    Stall(Direction),
    /// The client is told this instead of all that was to follow. Then it ends in order.
    Say(Vec<u8>),
}

impl Fault {
    /// [`Fault::Say`].
    #[must_use]
    pub fn say(bytes: impl AsRef<[u8]>) -> Self {
        Self::Say(bytes.as_ref().to_vec())
    }
}

/// A way through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What the client says.
    ToServer,
    /// What the server says.
    ToClient,
}

/// A piece of what passes. Each is passed on once it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A connection that has been accepted, before anything else. It has no length.
    Accepted,
    /// A request with its body.
    Request,
    /// The first line and the headers of an answer, with the empty line behind them. It has arrived at the server by
    /// then, and been acted on.
    Head,
    /// The body of an answer.
    Body,
    /// A WebSocket frame of the client.
    Sent,
    /// A WebSocket frame of the server.
    Received,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Each part at once.
    #[default]
    Whole,
    /// Each byte by itself.
    OneByte,
    /// Each part in two pieces, of which the first has as many bytes as this.
    SplitAt(usize),
}

impl Pace {
    /// `bytes` in the pieces in which they are written; none is empty.
    pub(super) fn pieces(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::OneByte => bytes.chunks(1).collect(),
            Self::SplitAt(at) if (1..bytes.len()).contains(&at) => {
                let (first, second) = bytes.split_at(at);
                vec![first, second]
            }
            Self::SplitAt(_) | Self::Whole => vec![bytes],
        }
    }
}

/// Where in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Byte(usize),
    Middle,
    End,
}

/// One thing that is to go wrong, once.
#[derive(Clone, Debug)]
pub struct Rule {
    exchange: Option<Exchange>,
    part: Part,
    place: Place,
    fault: Fault,
    carrying: Option<Cow<'static, str>>,
    nth: Option<usize>,
}

/// The start of a [`Rule`]: what it is about.
#[derive(Clone, Copy, Debug)]
pub struct On(Option<Exchange>);

/// The start of a rule about this kind of request, its answer, and what follows it on its WebSocket.
#[must_use]
pub fn on(exchange: impl Into<Option<Exchange>>) -> On {
    On(exchange.into())
}

/// A connection suffers this as soon as it is accepted.
#[must_use]
pub fn accept(fault: Fault) -> Rule {
    On(None).after(Part::Accepted, fault)
}

impl On {
    /// Nothing of the part passes.
    #[must_use]
    pub fn before(self, part: Part, fault: Fault) -> Rule {
        self.rule(part, Place::Byte(0), fault)
    }

    /// So many bytes of the part pass; all of it, if it has no more.
    #[must_use]
    pub fn after_bytes(self, bytes: usize, part: Part, fault: Fault) -> Rule {
        self.rule(part, Place::Byte(bytes), fault)
    }

    /// The first half of the part passes.
    #[must_use]
    pub fn inside(self, part: Part, fault: Fault) -> Rule {
        self.rule(part, Place::Middle, fault)
    }

    /// The part passes, and nothing behind it.
    #[must_use]
    pub fn after(self, part: Part, fault: Fault) -> Rule {
        self.rule(part, Place::End, fault)
    }

    fn rule(self, part: Part, place: Place, fault: Fault) -> Rule {
        Rule {
            exchange: self.0,
            part,
            place,
            fault,
            carrying: None,
            nth: Some(1),
        }
    }
}

impl Rule {
    /// Only the `nth` time that it could strike, the first being 1. Default: 1.
    #[must_use]
    pub fn nth(mut self, nth: usize) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Every time.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.nth = None;
        self
    }

    /// Only where this text is in the part itself, or in the request that it answers. What a client has masked is
    /// compared unmasked.
    #[must_use]
    pub fn carrying(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.carrying = Some(text.into());
        self
    }

    /// Whether it lets the part pass.
    #[must_use]
    pub fn is_after(&self) -> bool {
        self.place == Place::End
    }

    fn is_about(&self, part: Part, request: Option<&Request>, text: &str) -> bool {
        let carries = |wanted: &str| {
            text.contains(wanted) || request.is_some_and(|request| request.text.contains(wanted))
        };
        self.part == part
            && self
                .exchange
                .is_none_or(|wanted| request.is_some_and(|request| request.exchange == wanted))
            && self.carrying.as_deref().is_none_or(carries)
    }
}

/// Rules, and how often each could have struck.
#[derive(Debug, Default)]
pub(super) struct Script(Vec<(Rule, usize)>);

impl Script {
    pub(super) fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self(rules.into_iter().map(|rule| (rule, 0)).collect())
    }

    /// What this part is to suffer, and how many of its `length` bytes pass before: by the first rule whose turn it is.
    pub(super) fn strike(
        &mut self,
        part: Part,
        request: Option<&Request>,
        text: &str,
        length: usize,
    ) -> Option<(usize, Fault)> {
        let mut strike = None;
        for (rule, times) in &mut self.0 {
            if !rule.is_about(part, request, text) {
                continue;
            }
            *times += 1;
            if strike.is_none() && rule.nth.is_none_or(|nth| nth == *times) {
                let passing = match rule.place {
                    Place::Byte(bytes) => bytes.min(length),
                    Place::Middle => length / 2,
                    Place::End => length,
                };
                strike = Some((passing, rule.fault.clone()));
            }
        }
        strike
    }
}
