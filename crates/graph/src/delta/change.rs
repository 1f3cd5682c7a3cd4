//! One thing that has changed, read leniently.

use std::fmt;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::subscription::parse_date_time;

/// One item of a delta answer: a file, a folder or a list item that is new, changed or gone.
///
/// Every field is what the service wrote, and `None` if it did not, or wrote something else than
/// expected there; nothing in an item is an error. The names come from the drive's users: control
/// characters, path separators and all. [`Change::json`] has the whole item.
///
/// `Debug` leaves the JSON out, as it may hold a download URL that needs no further credential.
#[derive(Clone)]
#[non_exhaustive]
pub struct Change {
    /// The item's id, by which changes of the same item are known: a name may change.
    pub id: Option<String>,
    /// The item's name. The service leaves it out for many deleted items, and for items of lists.
    pub name: Option<String>,
    /// Whether the item is gone.
    pub deleted: bool,
    /// What the item is.
    pub kind: ChangeKind,
    /// The id of the folder it is in.
    pub parent_id: Option<String>,
    /// The version of the item, metadata included.
    pub e_tag: Option<String>,
    /// The size in bytes; of a folder, that of what is in it.
    pub size: Option<u64>,
    /// When it was last changed, by the service's clock.
    pub last_modified: Option<SystemTime>,
    json: Box<RawValue>,
}

/// Of a longer item, no field is looked at. Real ones have some KiB.
const MAX_ITEM_BYTES: usize = 256 << 10;

/// What a changed item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// A file.
    File,
    /// A folder, other than the root.
    Folder,
    /// The root of the drive: it is in most answers, as whatever is below it counts as its change.
    Root,
    /// A package, such as a OneNote notebook, which is neither file nor folder.
    Package,
    /// Something else, such as an item of a list, or not told.
    Other,
}

impl Change {
    pub(super) fn read(json: Box<RawValue>) -> Self {
        // What nests too deep to be read has no known field, and nor has what is longer than any item: as a value it
        // would take a hundred times its size.
        let item = Some(json.get()).filter(|item| item.len() <= MAX_ITEM_BYTES);
        let item = item.and_then(|item| serde_json::from_str(item).ok());
        let item: Value = item.unwrap_or_default();
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        // A facet says by being there what the item is; `null` is as good as not there.
        let has = |facet: &str| item.get(facet).is_some_and(|value| !value.is_null());
        let kind = if has("root") {
            ChangeKind::Root
        } else if has("package") {
            ChangeKind::Package
        } else if has("folder") {
            ChangeKind::Folder
        } else if has("file") {
            ChangeKind::File
        } else {
            ChangeKind::Other
        };
        Self {
            id: text(item.get("id")),
            name: text(item.get("name")),
            deleted: has("deleted") || has("@removed"),
            kind,
            parent_id: text(item.pointer("/parentReference/id")),
            e_tag: text(item.get("eTag")),
            size: item.get("size").and_then(Value::as_u64),
            last_modified: item
                .get("lastModifiedDateTime")
                .and_then(|value| parse_date_time(value.as_str()?)),
            json,
        }
    }

    /// The whole item as the service wrote it.
    ///
    /// It may hold `@microsoft.graph.downloadUrl`, which lets anybody who has it read the file.
    #[must_use]
    pub fn json(&self) -> &RawValue {
        &self.json
    }

    /// Whether it is a folder, the root included.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        matches!(self.kind, ChangeKind::Folder | ChangeKind::Root)
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("deleted", &self.deleted)
            .field("kind", &self.kind)
            .field("parent_id", &self.parent_id)
            .field("e_tag", &self.e_tag)
            .field("size", &self.size)
            .field("last_modified", &self.last_modified)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Change {
        let change = Change::read(RawValue::from_string(json.to_owned()).unwrap());
        assert_eq!(change.json().get(), json);
        change
    }

    #[test]
    fn a_documented_item() {
        let change = read(
            r#"{"createdDateTime":"2020-05-13T08:45:13Z","eTag":"\"{C},1\"","id":"01ZR","lastModifiedDateTime":"2020-06-09T10:41:24Z",
            "name":"report.docx","parentReference":{"driveId":"b!t","driveType":"business","id":"01Z0"},
            "file":{"mimeType":"x"},"size":35212,"@microsoft.graph.downloadUrl":"https://h/PLANTED","new":{}}"#,
        );
        assert_eq!(change.id.as_deref(), Some("01ZR"));
        assert_eq!(change.name.as_deref(), Some("report.docx"));
        assert_eq!(change.parent_id.as_deref(), Some("01Z0"));
        assert_eq!(change.e_tag.as_deref(), Some("\"{C},1\""));
        assert_eq!(change.size, Some(35_212));
        let at: jiff::Timestamp = "2020-06-09T10:41:24Z".parse().unwrap();
        assert_eq!(change.last_modified, Some(at.into()));
        assert_eq!(change.kind, ChangeKind::File);
        assert!(!change.deleted && !change.is_folder());
        assert!(!format!("{change:?}").contains("PLANTED"), "{change:?}");
    }

    #[test]
    fn kinds_and_deletions() {
        let rows = [
            (r#"{"folder":{"childCount":2}}"#, ChangeKind::Folder, false),
            (r#"{"folder":{},"root":{}}"#, ChangeKind::Root, false),
            (
                r#"{"package":{"type":"oneNote"}}"#,
                ChangeKind::Package,
                false,
            ),
            (
                r#"{"file":{},"deleted":{"state":"deleted"}}"#,
                ChangeKind::File,
                true,
            ),
            (r#"{"deleted":{}}"#, ChangeKind::Other, true),
            (r#"{"deleted":null,"file":null}"#, ChangeKind::Other, false),
            (
                r#"{"id":"7","@removed":{"reason":"deleted"}}"#,
                ChangeKind::Other,
                true,
            ),
            (r#"{"id":"7","fields":{}}"#, ChangeKind::Other, false),
        ];
        for (json, kind, deleted) in rows {
            let change = read(json);
            assert_eq!((change.kind, change.deleted), (kind, deleted), "{json}");
        }
    }

    #[test]
    fn no_content_is_an_error() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for json in [
            "null",
            "7",
            r#""text""#,
            "[]",
            "{}",
            r#"{"id":7,"name":{},"size":-1,"parentReference":"x","eTag":null,"lastModifiedDateTime":"soon"}"#,
            r#"{"size":1.5}"#,
            &deep,
        ] {
            let change = read(json);
            assert!(change.id.is_none() && change.name.is_none(), "{json}");
            assert!(
                change.size.is_none() && change.parent_id.is_none(),
                "{json}"
            );
            assert!(change.last_modified.is_none() && change.e_tag.is_none());
            assert!(!change.deleted, "{json}");
        }
    }
}
