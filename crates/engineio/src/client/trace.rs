//! What `tracing` is told: never a session id, a query or a header, nor a server's own words, which may repeat them.

use tracing::debug;

use crate::connection::Event;
use crate::error::{CloseReason, UpgradeError};
use crate::refusal::Refusal;

/// Tells of an event, unless it is a message.
pub(super) fn event(event: &Event) {
    match event {
        Event::TransportFailed { transport, reason } => {
            let reason = of_close(reason);
            debug!(%transport, %reason, "opening failed, the next transport is tried");
        }
        Event::Opened {
            transport, version, ..
        } => debug!(%transport, %version, "open"),
        Event::Upgraded(transport) => debug!(%transport, "upgraded"),
        Event::UpgradeFailed(error) => debug!(error = %of_upgrade(error), "the upgrade failed"),
        Event::Closed(reason) => debug!(reason = %of_close(reason), "closed"),
        Event::Message(_) => {}
    }
}

fn of_refusal(refusal: &Refusal) -> Refusal {
    Refusal {
        status: refusal.status,
        code: refusal.code,
        message: String::new(),
    }
}

fn of_upgrade(error: &UpgradeError) -> UpgradeError {
    match error {
        UpgradeError::Refused(refusal) => of_refusal(refusal).into(),
        error => error.clone(),
    }
}

fn of_close(reason: &CloseReason) -> CloseReason {
    match reason {
        CloseReason::Refused(refusal) => of_refusal(refusal).into(),
        CloseReason::NoCommonVersion {
            first_version,
            first,
            second_version,
            second,
        } => CloseReason::NoCommonVersion {
            first_version: *first_version,
            first: Box::new(of_close(first)),
            second_version: *second_version,
            second: Box::new(of_close(second)),
        },
        reason => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Write as _};
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};

    use super::*;
    use crate::handshake::Handshake;
    use crate::packet::Message;
    use crate::transport::Transport;
    use crate::version::Version;

    /// Keeps everything that it is told.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<String>>);

    impl Visit for Log {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            write!(self.0.lock().unwrap(), "{field}={value:?} ").unwrap();
        }
    }

    impl tracing::Subscriber for Log {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn tracing_tells_what_happened_and_no_secret() {
        let json = r#"{"sid":"SECRET","upgrades":[],"pingInterval":1,"pingTimeout":1}"#;
        let refusal = || Refusal::new(404, b"no such token: SECRET");
        let log = Log::default();
        let _guard = tracing::subscriber::set_default(log.clone());
        for told in [
            Event::TransportFailed {
                transport: Transport::WebSocket,
                reason: refusal().into(),
            },
            Event::Opened {
                handshake: Box::new(Handshake::parse(json).unwrap()),
                transport: Transport::Polling,
                version: Version::V4,
            },
            Event::Message(Message::from("SECRET")),
            Event::UpgradeFailed(refusal().into()),
            Event::Upgraded(Transport::WebSocket),
            Event::Closed(CloseReason::NoCommonVersion {
                first_version: Version::V4,
                first: Box::new(refusal().into()),
                second_version: Version::V3,
                second: Box::new(refusal().into()),
            }),
        ] {
            event(&told);
        }
        let log = log.0.lock().unwrap();
        assert!(!log.contains("SECRET"), "{log}");
        for part in [
            "message=opening failed",
            "transport=polling version=4",
            "message=the upgrade failed",
            "message=upgraded transport=websocket",
            "message=closed",
            "the server answered HTTP 404",
        ] {
            assert!(log.contains(part), "{part} is not in {log}");
        }
    }
}
