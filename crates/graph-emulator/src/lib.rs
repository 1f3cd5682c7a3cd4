//! A local stand-in for the Microsoft Graph `subscriptions/socketIo` endpoints and the push relay behind them.
//!
//! It listens on loopback only, speaks plain HTTP/1.1, and needs no account. One [`Emulator`] is both halves of the real
//! thing: the Graph request that hands out a `notificationUrl`, and the Socket.IO relay that this URL leads to. Whatever
//! the real service has been seen to do badly can be asked of it: see [`Control`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), graph_emulator::StartError> {
//! use graph_emulator::{Emulator, EmulatorConfig, GraphFailure, Notification};
//!
//! let emulator = Emulator::start(EmulatorConfig::default()).await?;
//! assert!(emulator.graph_url().starts_with("http://127.0.0.1:"));
//!
//! emulator.fail_next(2, GraphFailure::Forbidden);           // the next two Graph requests
//! let sent = emulator.notify(&Notification::default());     // to everybody who has joined
//! assert_eq!((sent.number, sent.receivers), (1, 0));
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here waits by sleeping: [`Control::wait_until`] and its relatives return when the thing has happened.

mod config;
mod control;
mod control_api;
mod delta;
mod emulator;
mod failure;
mod graph;
mod log;
mod login;
mod notification;
mod relay;
mod shared;
mod subscription;
mod wire;

pub use config::{AnswerShape, CredentialCheck, EmulatorConfig, Settings, UrlForm};
pub use control::Control;
pub use delta::{ItemChange, ResyncCode};
pub use emulator::{Emulator, StartError};
pub use failure::{GraphFailure, RetryAfter};
pub use log::{Counts, Gauge, Log, PacketRecord, RequestRecord, Transport};
pub use login::{LoginCounts, LoginDecision, LoginSettings};
pub use notification::{Encoding, Notification, Payload, Sent};
