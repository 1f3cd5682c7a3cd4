//! The handshake: what the server says in its `open` packet.

use std::fmt;
use std::time::Duration;

use bytestring::ByteString;
use serde::Deserialize;

use crate::error::ProtocolError;

/// The Engine.IO session id. Whoever knows it can take part in the session, so it is never printed.
///
/// It is not the Socket.IO socket id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sid(ByteString);

impl Sid {
    /// The id as the server gave it, for a request's query.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sid(..)")
    }
}

/// The parameters of a session, from the `open` packet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handshake {
    /// The session id that every later request carries.
    pub sid: Sid,
    /// Names of the transports that can be reached from the current one, in the server's order.
    pub upgrades: Vec<String>,
    /// How often the server pings. At most seven days.
    pub ping_interval: Duration,
    /// How long after a missed ping the session is over. At most seven days.
    pub ping_timeout: Duration,
    /// The largest payload in bytes that the server takes. Absent from servers before engine.io 6.2.
    pub max_payload: Option<u64>,
}

/// The longest accepted handshake text. The reference server's has about 120 bytes.
const MAX_HANDSHAKE_BYTES: usize = 16 * 1024;
/// The longest accepted session id. Node servers make 20 characters.
const MAX_SID_BYTES: usize = 512;
/// Longer heartbeat values are cut down to this: it keeps arithmetic on time far from overflow.
const MAX_HEARTBEAT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    sid: std::borrow::Cow<'a, str>,
    /// `null` is how some languages write an empty list.
    #[serde(default)]
    upgrades: Option<Vec<String>>,
    // JavaScript has one kind of number: 25000 may come as 25000.0.
    ping_interval: f64,
    ping_timeout: f64,
    #[serde(default)]
    max_payload: Option<f64>,
}

impl Handshake {
    /// Reads the JSON of an `open` packet. Unknown keys are ignored.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Handshake`] with what is wrong, never with the text itself: it holds the session id.
    pub fn parse(json: &str) -> Result<Self, ProtocolError> {
        if json.len() > MAX_HANDSHAKE_BYTES {
            return Err(ProtocolError::Handshake("it is longer than 16 KiB"));
        }
        let wire: Wire<'_> = serde_json::from_str(json).map_err(|error| {
            ProtocolError::Handshake(match error.classify() {
                serde_json::error::Category::Data => "a field is missing or of the wrong type",
                _ => "it is not JSON",
            })
        })?;
        if wire.sid.is_empty() || wire.sid.len() > MAX_SID_BYTES {
            return Err(ProtocolError::Handshake(
                "the session id is empty or too long",
            ));
        }
        let max_payload = wire.max_payload.filter(|max| *max >= 1.0);
        Ok(Self {
            sid: Sid(wire.sid.as_ref().into()),
            upgrades: wire.upgrades.unwrap_or_default(),
            ping_interval: heartbeat(wire.ping_interval)?,
            ping_timeout: heartbeat(wire.ping_timeout)?,
            // A float becomes the nearest integer that there is.
            max_payload: max_payload.map(|max| max as u64),
        })
    }
}

fn heartbeat(ms: f64) -> Result<Duration, ProtocolError> {
    if ms < 0.0 {
        return Err(ProtocolError::Handshake("a heartbeat value is negative"));
    }
    let max = MAX_HEARTBEAT.as_secs_f64();
    Ok(Duration::try_from_secs_f64((ms / 1000.0).min(max)).unwrap_or(MAX_HEARTBEAT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_server_s_handshake() {
        let handshake = Handshake::parse(
            r#"{"sid":"nEvK8zBBxF576z8NAAAA","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
        )
        .unwrap();
        assert_eq!(handshake.sid.expose(), "nEvK8zBBxF576z8NAAAA");
        assert_eq!(handshake.upgrades, ["websocket"]);
        assert_eq!(handshake.ping_interval, Duration::from_secs(25));
        assert_eq!(handshake.ping_timeout, Duration::from_secs(20));
        assert_eq!(handshake.max_payload, Some(1_000_000));
        assert!(!format!("{handshake:?}").contains("nEvK8"));
    }

    #[test]
    fn max_payload_and_upgrades_may_be_absent_and_more_keys_present() {
        let handshake =
            Handshake::parse(r#"{"sid":"x","pingInterval":1,"pingTimeout":2,"new":{}}"#).unwrap();
        assert_eq!(handshake.max_payload, None);
        assert!(handshake.upgrades.is_empty());
    }

    #[test]
    fn numbers_and_lists_as_other_languages_write_them() {
        let json = r#"{"sid":"x","upgrades":null,"pingInterval":25000.0,"pingTimeout":2e4,"maxPayload":1e6}"#;
        let handshake = Handshake::parse(json).unwrap();
        assert!(handshake.upgrades.is_empty());
        assert_eq!(handshake.ping_interval, Duration::from_secs(25));
        assert_eq!(handshake.ping_timeout, Duration::from_secs(20));
        assert_eq!(handshake.max_payload, Some(1_000_000));
        let json = r#"{"sid":"x","pingInterval":1,"pingTimeout":1,"maxPayload":0}"#;
        assert_eq!(Handshake::parse(json).unwrap().max_payload, None);
    }

    #[test]
    fn heartbeats_are_bounded() {
        let json = format!(
            r#"{{"sid":"x","pingInterval":{},"pingTimeout":0}}"#,
            u64::MAX
        );
        assert_eq!(
            Handshake::parse(&json).unwrap().ping_interval,
            MAX_HEARTBEAT
        );
    }

    #[test]
    fn what_is_not_a_handshake_is_refused() {
        let long = format!(
            r#"{{"sid":"{}","pingInterval":1,"pingTimeout":2}}"#,
            "x".repeat(600)
        );
        for json in [
            "",
            "{",
            "[]",
            r#"{"pingInterval":1,"pingTimeout":2}"#,
            r#"{"sid":"","pingInterval":1,"pingTimeout":2}"#,
            r#"{"sid":"x","pingInterval":"1","pingTimeout":2}"#,
            r#"{"sid":"x","pingInterval":-1,"pingTimeout":2}"#,
            r#"{"sid":"x"}"#,
            &long,
        ] {
            assert!(Handshake::parse(json).is_err(), "{json}");
        }
    }
}
