//! What Microsoft Graph, its push service and the sign-in service answer, or somebody in their place.

use graph_notifications::{Notification, fuzzing};

/// What the request had, and must be seen nowhere, whatever is repeated of it.
const SECRET: &str = "PLANTED5ECRET";

/// The first line is a status, the second the headers that are read; the rest is the body: of a subscription, of a page
/// of changes, of a sign-in. All of it is the argument of a notification, too.
pub fn graph(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        notification(text);
    }
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (status, header, body) = (line(), line(), line());
    let status = std::str::from_utf8(status).ok();
    let status = status.and_then(|status| status.parse().ok()).unwrap_or(200);
    // What a header can hold.
    let header: String = header
        .iter()
        .copied()
        .filter(u8::is_ascii_graphic)
        .map(char::from)
        .collect();
    for error in fuzzing::errors(status, &header, body, SECRET) {
        assert!(!error.contains(SECRET), "{error}");
        assert!(!error.contains(char::is_control), "{error:?}");
        assert!(error.chars().count() < 2048, "a peer's text without end");
    }
}

fn notification(text: &str) {
    let notification = Notification::from_json(text);
    assert_ne!(notification.data().is_some(), notification.raw().is_some());
    let entries = notification.entries();
    assert!(entries.len() <= text.len() + 1);
    if let Some(json) = notification.data() {
        assert!(!json.get().contains(['\n', '\r']), "it is one line");
        // A string is taken for JSON once more, or not any more.
        let again = Notification::from_json(json.get());
        assert!(json.get().starts_with('"') || again == notification);
    }
}
