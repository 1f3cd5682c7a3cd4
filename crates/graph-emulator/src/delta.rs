//! What has changed: the `delta` queries of drives and lists, and the log of changes behind them.
//!
//! Every drive and list of an emulator has the same items, as every notification goes to everybody, but for those that
//! are put into one only ([`ItemChange::only_in`]).

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    config::Settings,
    control::Control,
    failure::{error, guid},
    graph::is_id,
    shared::{Shared, lock},
};

/// At most this many items are kept; the ones that have not changed for longest go, so that a long run stays small.
const MAX_ITEMS: usize = 10_000;

/// What is behind the part of a link that changes when links expire. Percent-encoded, and with padding, because a client
/// that decodes and re-encodes a link loses exactly those.
const SEPARATOR: &str = "%2F";
const PADDING: &str = "==";

/// A change of one item, new ones included; see [`Control::change_item`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ItemChange {
    /// The item's id.
    pub id: String,
    /// Its name; a deleted item has none.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether it is a folder.
    #[serde(default)]
    pub folder: bool,
    /// Whether it is deleted.
    #[serde(default)]
    pub deleted: bool,
    /// The only drive or list that has it, such as `/drives/b!x/root` or `/sites/s/lists/l`; `None` is all of them.
    #[serde(default)]
    pub only_in: Option<String>,
}

impl ItemChange {
    /// A file that is new or has changed.
    #[must_use]
    pub fn file(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: Some(name.into()),
            folder: false,
            deleted: false,
            only_in: None,
        }
    }

    /// A folder that is new or has changed.
    #[must_use]
    pub fn folder(id: impl Into<String>, name: impl Into<String>) -> Self {
        let mut change = Self::file(id, name);
        change.folder = true;
        change
    }

    /// An item that is no more.
    #[must_use]
    pub fn deleted(id: impl Into<String>) -> Self {
        let mut change = Self::file(id, "");
        change.name = None;
        change.deleted = true;
        change
    }

    /// The same, in one drive or list only, such as `/drives/b!x/root` or `/sites/s/lists/l`.
    #[must_use]
    pub fn only_in(mut self, resource: impl Into<String>) -> Self {
        self.only_in = Some(resource.into());
        self
    }
}

/// What a delta link that has expired is answered with, along with `410`; see [`Control::expire_delta_links`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResyncCode {
    /// `resyncChangesApplyDifferences`.
    ApplyDifferences,
    /// `resyncChangesUploadDifferences`.
    UploadDifferences,
    /// `resyncRequired`, the default.
    #[default]
    Required,
}

impl ResyncCode {
    fn code(self) -> &'static str {
        match self {
            Self::ApplyDifferences => "resyncChangesApplyDifferences",
            Self::UploadDifferences => "resyncChangesUploadDifferences",
            Self::Required => "resyncRequired",
        }
    }
}

/// What the delta queries tell. Each notification changes an item of its own, `notified-N` with the notification's number.
impl Control {
    /// Makes an item, changes it, or deletes it, without a notification.
    pub fn change_item(&self, change: &ItemChange) {
        self.shared.changes.add(change.clone());
    }

    /// From now on all links handed out so far are answered with `410`, this code, and a `Location` to start over.
    pub fn expire_delta_links(&self, code: ResyncCode) {
        self.shared.changes.expire(code);
    }
}

/// `POST /control/change` and `POST /control/expire-delta`.
pub(crate) fn control_routes() -> Router<Control> {
    Router::new()
        .route("/control/change", post(change))
        .route("/control/expire-delta", post(expire))
}

async fn change(State(control): State<Control>, Json(change): Json<ItemChange>) -> Json<Value> {
    control.change_item(&change);
    Json(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expire {
    #[serde(default)]
    code: ResyncCode,
}

async fn expire(State(control): State<Control>, Json(expire): Json<Expire>) -> Json<Value> {
    control.expire_delta_links(expire.code);
    Json(json!({}))
}

/// Everything that has changed, oldest first: each item once, where it changed last.
#[derive(Debug)]
pub(crate) struct ChangeLog(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// The part of all links that makes those before it expired.
    epoch: String,
    code: ResyncCode,
    last: u64,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    at: jiff::Timestamp,
    change: ItemChange,
}

/// What a link stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// Whether it is about what is there, in which deleted items do not show.
    all: bool,
    /// The last change that was told.
    after: u64,
}

impl Default for ChangeLog {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            epoch: guid(),
            code: ResyncCode::default(),
            last: 0,
            entries: Vec::new(),
        }))
    }
}

impl ChangeLog {
    /// The change that a notification is about.
    pub(crate) fn notified(&self, number: u64) {
        let id = format!("notified-{number}");
        let name = format!("{id}.txt");
        self.add(ItemChange::file(id, name));
    }

    fn add(&self, change: ItemChange) {
        let mut inner = lock(&self.0);
        inner
            .entries
            .retain(|entry| entry.change.id != change.id || entry.change.only_in != change.only_in);
        if inner.entries.len() >= MAX_ITEMS {
            inner.entries.remove(0);
        }
        inner.last += 1;
        let number = inner.last;
        inner.entries.push(Entry {
            number,
            at: jiff::Timestamp::now(),
            change,
        });
    }

    fn expire(&self, code: ResyncCode) {
        let mut inner = lock(&self.0);
        inner.epoch = guid();
        inner.code = code;
    }
}

impl Inner {
    fn token(&self, position: Position) -> String {
        let kind = if position.all { 'a' } else { 'c' };
        format!("{}{SEPARATOR}{kind}{}{PADDING}", self.epoch, position.after)
    }

    /// `None` when it is not, or no longer, one of ours.
    fn position(&self, token: &str) -> Option<Position> {
        let rest = token.strip_prefix(self.epoch.as_str())?;
        let rest = rest.strip_prefix(SEPARATOR)?.strip_suffix(PADDING)?;
        let (kind, after) = rest.split_at_checked(1)?;
        Some(Position {
            all: kind == "a",
            after: after.parse().ok()?,
        })
    }

    fn page(&self, query: &Query<'_>, url: &str, position: Position, size: usize) -> Value {
        let mut rest = self.entries.iter().filter(|entry| {
            entry.number > position.after
                && !(position.all && entry.change.deleted)
                && query.sees(&entry.change)
        });
        let told: Vec<&Entry> = rest.by_ref().take(size.max(1)).collect();
        let value: Vec<Value> = told.iter().map(|entry| query.item(entry)).collect();
        let (field, link) = match (told.last(), rest.next()) {
            (Some(last), Some(_)) => {
                let after = last.number;
                let token = self.token(Position { after, ..position });
                ("@odata.nextLink", format!("{url}?$skiptoken={token}"))
            }
            _ => {
                let token = self.token(Position {
                    all: false,
                    after: self.last,
                });
                ("@odata.deltaLink", format!("{url}?token={token}"))
            }
        };
        json!({ "value": value, field: link })
    }
}

/// A path that is a delta query.
#[derive(Debug, PartialEq, Eq)]
struct Query<'path> {
    /// The drive's root or the list, without the version.
    resource: &'path str,
    is_list: bool,
}

impl<'path> Query<'path> {
    fn read(path: &'path str) -> Option<Self> {
        let path = ["/v1.0", "/beta"]
            .iter()
            .find_map(|version| path.strip_prefix(version))?;
        let (resource, is_list) = match path.strip_suffix("/items/delta") {
            Some(list) => (list, true),
            None => (path.strip_suffix("/delta")?, false),
        };
        let segments: Vec<&str> = resource.strip_prefix('/')?.split('/').collect();
        let known = match *segments {
            ["me", "drive", "root"] => !is_list,
            ["drives", drive, "root"] => !is_list && is_id(drive),
            ["drives", drive, "list"] => is_list && is_id(drive),
            ["groups", group, "drive", "root"] => !is_list && is_id(group),
            ["sites", site, "lists", list] => is_list && is_id(site) && is_id(list),
            ["sites", site, "lists", list, "drive", "root"] => {
                !is_list && is_id(site) && is_id(list)
            }
            _ => false,
        };
        known.then_some(Self { resource, is_list })
    }

    fn sees(&self, change: &ItemChange) -> bool {
        let only_in = change.only_in.as_deref();
        only_in.is_none_or(|only_in| only_in == self.resource)
    }

    fn item(&self, entry: &Entry) -> Value {
        let ItemChange {
            id, name, deleted, ..
        } = &entry.change;
        let mut item = json!({
            "id": id,
            "eTag": format!("\"{{{id}}},{}\"", entry.number),
            "lastModifiedDateTime": entry.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "parentReference": { "id": "emulator-root" },
        });
        if *deleted {
            item["deleted"] = json!({ "state": "deleted" });
        } else if self.is_list {
            item["fields"] = json!({ "Title": name });
        } else {
            item["name"] = json!(name);
            item["size"] = json!(entry.number);
            let facet = if entry.change.folder {
                "folder"
            } else {
                "file"
            };
            item[facet] = json!({});
        }
        item
    }
}

/// Answers a delta query; `None` for a request that is something else.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    settings: &Settings,
    request: &Request,
) -> Option<Response> {
    let path = request.uri().path();
    let query = Query::read(path)?;
    if request.method() != Method::GET {
        return None;
    }
    let url = format!("{}{path}", shared.base_url);
    let inner = lock(&shared.changes.0);
    let everything = Position {
        all: true,
        after: 0,
    };
    let token = request.uri().query().and_then(|query| {
        query.split('&').find_map(|pair| {
            ["token=", "$skiptoken="]
                .iter()
                .find_map(|name| pair.strip_prefix(name))
        })
    });
    let position = match token {
        None => Some(everything),
        Some("latest") => Some(Position {
            all: false,
            after: inner.last,
        }),
        Some(token) => inner.position(token),
    };
    Some(match position {
        Some(position) => {
            Json(inner.page(&query, &url, position, settings.delta_page_size)).into_response()
        }
        None => {
            let mut gone = error(
                StatusCode::GONE,
                inner.code.code(),
                "The token has expired. Start over at the given location.",
            );
            let location = format!("{url}?token={}", inner.token(everything));
            if let Ok(location) = HeaderValue::try_from(location) {
                gone.headers_mut().insert(header::LOCATION, location);
            }
            gone
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn these_paths_are_delta_queries_and_no_others() {
        let rows = [
            ("/v1.0/me/drive/root/delta", Some(("/me/drive/root", false))),
            (
                "/beta/drives/b!x/root/delta",
                Some(("/drives/b!x/root", false)),
            ),
            (
                "/v1.0/drives/b!x/list/items/delta",
                Some(("/drives/b!x/list", true)),
            ),
            (
                "/v1.0/groups/g/drive/root/delta",
                Some(("/groups/g/drive/root", false)),
            ),
            (
                "/v1.0/sites/s/lists/l/items/delta",
                Some(("/sites/s/lists/l", true)),
            ),
            (
                "/v1.0/sites/s/lists/l/drive/root/delta",
                Some(("/sites/s/lists/l/drive/root", false)),
            ),
            ("/v1.0/sites/s/lists/l/delta", None),
            ("/v1.0/drives/b!x/root/items/delta", None),
            ("/v1.0/drives//root/delta", None),
            ("/v1.0/drives/b%2521/root/delta", None),
            ("/drives/b!x/root/delta", None),
            ("/v1.0/drives/b!x/root", None),
        ];
        for (path, expected) in rows {
            let read = Query::read(path).map(|query| (query.resource, query.is_list));
            assert_eq!(read, expected, "{path}");
        }
    }

    fn ids(page: &Value) -> Vec<&str> {
        let items = page["value"].as_array().unwrap();
        items.iter().map(|it| it["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn each_item_is_told_once_where_it_changed_last() {
        let log = ChangeLog::default();
        log.add(ItemChange::file("1", "a"));
        log.add(ItemChange::folder("2", "b"));
        log.add(ItemChange::file("3", "c").only_in("/drives/other/root"));
        log.notified(1);
        log.add(ItemChange::file("1", "renamed"));
        log.add(ItemChange::deleted("2"));

        let inner = lock(&log.0);
        let query = Query::read("/v1.0/drives/b/root/delta").unwrap();
        let all = Position {
            all: true,
            after: 0,
        };
        let first = inner.page(&query, "u", all, 1);
        assert_eq!(ids(&first), ["notified-1"]);
        let link = first["@odata.nextLink"].as_str().unwrap();
        let token = link.strip_prefix("u?$skiptoken=").unwrap();
        let second = inner.page(&query, "u", inner.position(token).unwrap(), 1);
        assert_eq!(ids(&second), ["1"]);
        assert_eq!(second["value"][0]["name"], "renamed");
        let link = second["@odata.deltaLink"].as_str().unwrap();
        let token = link.strip_prefix("u?token=").unwrap();
        let end = Position {
            all: false,
            after: 6,
        };
        assert_eq!(inner.position(token), Some(end));

        let since = Position {
            all: false,
            after: 4,
        };
        let changes = inner.page(&query, "u", since, 9);
        assert_eq!(ids(&changes), ["1", "2"]);
        assert_eq!(changes["value"][1]["deleted"]["state"], "deleted");
        let token = token.to_owned();
        for broken in ["", "x", &token.replace("%2F", "/"), &token.replace('=', "")] {
            assert_eq!(inner.position(broken), None, "{broken}");
        }
        drop(inner);
        log.expire(ResyncCode::Required);
        assert_eq!(lock(&log.0).position(&token), None);
    }

    #[test]
    fn a_long_run_stays_small() {
        let log = ChangeLog::default();
        for number in 0..=MAX_ITEMS as u64 {
            log.notified(number);
        }
        let inner = lock(&log.0);
        assert_eq!(inner.entries.len(), MAX_ITEMS);
        assert_eq!(inner.entries[0].change.id, "notified-1");
    }
}
