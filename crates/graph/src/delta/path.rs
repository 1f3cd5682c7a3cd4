//! Where the delta query of a resource is.

use crate::delta::error::DeltaError;
use crate::resource::Resource;

/// The path of the delta query, relative to the API version.
///
/// A drive has it at its root, whatever way leads to it; a list has it at its items. Both are known by
/// the shape of the path, so that a custom path of a documented shape has it too.
pub(super) fn of(resource: &Resource) -> Result<String, DeltaError> {
    let path = resource.path()?;
    let path = match path.rsplit_once("/subscriptions/") {
        Some((resource, _socket_io)) => resource,
        None => path.as_str(),
    };
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match *segments.as_slice() {
        ["me", "drive", "root"]
        | ["drives", _, "root"]
        | ["users" | "groups" | "sites", _, "drive", "root"]
        | ["sites", _, "lists", _, "drive", "root"] => Ok(format!("{path}/delta")),
        ["drives", _, "list"] | ["sites", _, "lists", _] => Ok(format!("{path}/items/delta")),
        _ => Err(DeltaError::UnsupportedResource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_and_lists_have_delta_queries() {
        let rows = [
            (Resource::me_drive(), Some("/me/drive/root/delta")),
            (Resource::drive("b!x"), Some("/drives/b!x/root/delta")),
            (
                Resource::drive_list("b!x"),
                Some("/drives/b!x/list/items/delta"),
            ),
            (
                Resource::group_drive("g-1"),
                Some("/groups/g-1/drive/root/delta"),
            ),
            (
                Resource::site_list("h,1,2", "l"),
                Some("/sites/h,1,2/lists/l/drive/root/delta"),
            ),
            (
                Resource::custom("/sites/h,1,2/lists/l"),
                Some("/sites/h,1,2/lists/l/items/delta"),
            ),
            (
                Resource::custom("sites/h%2C1/lists/l/subscriptions/socketIo"),
                Some("/sites/h%2C1/lists/l/items/delta"),
            ),
            (
                Resource::custom("/users/u/drive/root"),
                Some("/users/u/drive/root/delta"),
            ),
            (Resource::custom("/custom/thing"), None),
            (Resource::custom("/drives/b!x/items/1"), None),
            (Resource::custom("/sites/h/lists"), None),
        ];
        for (resource, expected) in rows {
            let path = of(&resource);
            match expected {
                Some(expected) => assert_eq!(path.as_deref(), Ok(expected), "{resource:?}"),
                None => assert_eq!(path, Err(DeltaError::UnsupportedResource), "{resource:?}"),
            }
        }
        let bad = of(&Resource::drive("a/b"));
        assert!(matches!(bad, Err(DeltaError::Resource(_))), "{bad:?}");
    }
}
