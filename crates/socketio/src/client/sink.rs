//! Events put into a `Sink`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Sink;
use socketio_codec::Event;

use super::channel::{Closed, Permit};
use super::membership::{Command, Membership};
use crate::error::EmitError;

type Reserving = Pin<Box<dyn Future<Output = Result<Permit<Command>, Closed>> + Send>>;

/// A [`Sink`] of events; see [`Socket::sink`](crate::Socket::sink). It is ready when there is room for one more event.
/// There is nothing to flush: what it has taken is on its way.
pub struct EmitSink {
    membership: Arc<Membership>,
    reserving: Option<Reserving>,
    permit: Option<Permit<Command>>,
}

impl EmitSink {
    pub(super) fn new(membership: Arc<Membership>) -> Self {
        Self {
            membership,
            reserving: None,
            permit: None,
        }
    }
}

impl Sink<Event> for EmitSink {
    type Error = EmitError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), EmitError>> {
        if self.permit.is_some() {
            return Poll::Ready(Ok(()));
        }
        let mut reserving = match self.reserving.take() {
            Some(reserving) => reserving,
            None => Box::pin(self.membership.commands.reserve()),
        };
        match reserving.as_mut().poll(cx) {
            Poll::Ready(permit) => {
                self.permit = Some(permit?);
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                self.reserving = Some(reserving);
                Poll::Pending
            }
        }
    }

    /// Without having been ready, it is not taken: [`EmitError::BufferFull`].
    fn start_send(mut self: Pin<&mut Self>, event: Event) -> Result<(), EmitError> {
        self.membership
            .check(&event, self.membership.ack_digits())?;
        let permit = self.permit.take().ok_or(EmitError::BufferFull)?;
        permit.send(match self.membership.retries {
            None => Command::Emit(event),
            Some(_) => Command::EmitRetried(event),
        })?;
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), EmitError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), EmitError>> {
        ready!(self.as_mut().poll_flush(cx))?;
        self.permit = None;
        self.reserving = None;
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for EmitSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitSink").finish_non_exhaustive()
    }
}
