//! What Microsoft Graph and its push service answer, or somebody in their place.

use graph_notifications::Notification;

/// The bytes as the argument of a notification.
pub fn graph(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        notification(text);
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
