//! What the numbered events carry.

use bytes::Bytes;
use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// The one argument of a numbered event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    /// Of the session, as the server knows it; empty where the client does not say.
    pub(super) session: String,
    pub(super) number: u64,
    sum: u64,
    text: String,
    /// An attachment, if there is anything in it.
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    blob: Bytes,
}

impl Item {
    /// Mostly small, sometimes with an attachment, rarely large.
    pub(super) fn random(session: &str, number: u64, rng: &mut Rng) -> Self {
        let length = match rng.u32(0..1000) {
            0..900 => rng.usize(0..60),
            900..990 => rng.usize(0..2_000),
            _ => rng.usize(0..40_000),
        };
        let text: String = std::iter::repeat_with(|| rng.alphanumeric())
            .take(length)
            .collect();
        // The bytes are such that none of them can begin a WebSocket frame or be UTF-8.
        let blob = match rng.u8(0..4) {
            0 => Bytes::from(vec![0xF8 | rng.u8(0..8); length]),
            _ => Bytes::new(),
        };
        Self {
            session: session.to_owned(),
            number,
            sum: sum(number, &text, &blob),
            text,
            blob,
        }
    }

    /// Whether it is what was sent.
    pub(super) fn is_intact(&self) -> bool {
        self.sum == sum(self.number, &self.text, &self.blob)
    }
}

/// FNV-1a, cut to what JSON numbers hold everywhere.
fn sum(number: u64, text: &str, blob: &[u8]) -> u64 {
    let bytes = number.to_le_bytes();
    let all = bytes.iter().chain(text.as_bytes());
    let all = all.chain([&0]).chain(blob);
    let hash = all.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash >> 16
}
