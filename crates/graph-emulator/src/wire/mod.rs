//! The bytes between a client and the emulator's HTTP server: every TCP connection is pumped through here, so that it can
//! be held, closed, watched and, in one place, altered.

pub(crate) mod frame;
mod line;
mod port;
mod pump;

pub(crate) use line::{End, LineId, Lines};
pub(crate) use port::Port;

use crate::shared::Shared;
