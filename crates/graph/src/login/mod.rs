//! Signing a person in by device code: on a machine without a browser, for hours and days.
//!
//! What it is, and an example: [`DeviceCode`].

mod builder;
mod client;
mod error;
mod protocol;
mod session;
mod sign_in;

pub use builder::{DeviceCode, DeviceCodeBuilder};
pub use client::{Login, PendingLogin, RefreshTokens};
pub use error::{LoginAnswer, LoginError};
#[cfg(feature = "fuzzing")]
pub(crate) use protocol::fuzzed;
