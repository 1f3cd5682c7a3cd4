//! One thing that has changed, read leniently.

use std::fmt;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::page::text;
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

/// The members that are looked at, unread: as a [`Value`](serde_json::Value), an item could take a hundred times its
/// size.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    deleted: Option<&'a RawValue>,
    #[serde(borrow, rename = "@removed")]
    removed: Option<&'a RawValue>,
    #[serde(borrow)]
    root: Option<&'a RawValue>,
    #[serde(borrow)]
    package: Option<&'a RawValue>,
    #[serde(borrow)]
    folder: Option<&'a RawValue>,
    #[serde(borrow)]
    file: Option<&'a RawValue>,
    #[serde(borrow)]
    parent_reference: Option<&'a RawValue>,
    #[serde(borrow)]
    e_tag: Option<&'a RawValue>,
    #[serde(borrow)]
    size: Option<&'a RawValue>,
    #[serde(borrow)]
    last_modified_date_time: Option<&'a RawValue>,
}

impl<'a> Item<'a> {
    /// What is no object has no members.
    fn read(json: &'a RawValue) -> Self {
        let object = Some(json.get()).filter(|json| json.starts_with('{'));
        let item = object.and_then(|json| serde_json::from_str(json).ok());
        item.unwrap_or_default()
    }

    /// A facet says by being there what the item is; `null` is as good as not there.
    fn kind(&self) -> ChangeKind {
        if self.root.is_some() {
            ChangeKind::Root
        } else if self.package.is_some() {
            ChangeKind::Package
        } else if self.folder.is_some() {
            ChangeKind::Folder
        } else if self.file.is_some() {
            ChangeKind::File
        } else {
            ChangeKind::Other
        }
    }
}

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
        let item = Item::read(&json);
        let size = item.size.map(RawValue::get);
        Self {
            id: text(item.id),
            name: text(item.name),
            deleted: item.deleted.is_some() || item.removed.is_some(),
            kind: item.kind(),
            parent_id: text(
                item.parent_reference
                    .and_then(|parent| Item::read(parent).id),
            ),
            e_tag: text(item.e_tag),
            size: size.and_then(|size| size.parse().ok()),
            last_modified: text(item.last_modified_date_time)
                .and_then(|time| parse_date_time(&time)),
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
    fn an_item_may_be_long_and_deep() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let long = "x".repeat(300_000);
        let change = read(&format!(
            r#"{{"fields":{{"Notes":"{long}"}},"other":{deep},"id":"7","deleted":{{}}}}"#
        ));
        assert_eq!((change.id.as_deref(), change.deleted), (Some("7"), true));
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
