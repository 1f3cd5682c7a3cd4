//! What can be watched, and the request path that Microsoft Graph has for it.

use std::fmt::Write as _;

/// The last two segments of every path that answers with a `notificationUrl`.
const SUFFIX: &str = "subscriptions/socketIo";

/// The longest id or custom path that is accepted, in bytes. Ids of the service are below 200.
const MAX_LEN: usize = 2048;

/// A drive or a list whose changes Microsoft Graph announces.
///
/// Ids are given as Graph gives them, **not** percent-encoded: the commas of a site id and the
/// `!` of a drive id are fine. They are checked when the request is made, so a wrong id surfaces
/// as the [`ResourceError`] of [`Resource::path`].
///
/// ```
/// use graph_notifications::Resource;
///
/// assert_eq!(
///     Resource::drive("b!t18F8ybsHUq1z3LTz8xvZq").path()?,
///     "/drives/b!t18F8ybsHUq1z3LTz8xvZq/root/subscriptions/socketIo",
/// );
/// # Ok::<(), graph_notifications::ResourceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    MeDrive,
    Drive(String),
    DriveList(String),
    GroupDrive(String),
    SiteList { site: String, list: String },
    Custom(String),
}

impl Resource {
    /// The signed-in user's drive: `/me/drive/root`.
    ///
    /// Graph refuses this form to some business users with `400 notSupported`;
    /// [`Resource::drive`] works for everyone.
    #[must_use]
    pub fn me_drive() -> Self {
        Self(Kind::MeDrive)
    }

    /// A drive by its id: `/drives/{id}/root`.
    #[must_use]
    pub fn drive(id: impl Into<String>) -> Self {
        Self(Kind::Drive(id.into()))
    }

    /// The list under a drive, by the drive's id: `/drives/{id}/list`.
    #[must_use]
    pub fn drive_list(id: impl Into<String>) -> Self {
        Self(Kind::DriveList(id.into()))
    }

    /// The drive of a group: `/groups/{id}/drive/root`.
    #[must_use]
    pub fn group_drive(id: impl Into<String>) -> Self {
        Self(Kind::GroupDrive(id.into()))
    }

    /// The drive of a SharePoint list: `/sites/{site}/lists/{list}/drive/root`.
    #[must_use]
    pub fn site_list(site_id: impl Into<String>, list_id: impl Into<String>) -> Self {
        Self(Kind::SiteList {
            site: site_id.into(),
            list: list_id.into(),
        })
    }

    /// Any other path, relative to the API version, such as `/sites/{site}/lists/{list}`.
    ///
    /// `subscriptions/socketIo` is appended unless it is there. Unlike an id, a path may contain
    /// percent-encoded octets, which are kept as they are; spaces and non-ASCII characters are
    /// encoded.
    #[must_use]
    pub fn custom(path: impl Into<String>) -> Self {
        Self(Kind::Custom(path.into()))
    }

    /// The request path, relative to the API version, percent-encoded, with a leading `/`.
    ///
    /// # Errors
    ///
    /// [`ResourceError`] says which id is unusable and why.
    pub fn path(&self) -> Result<String, ResourceError> {
        Ok(match &self.0 {
            Kind::MeDrive => format!("/me/drive/root/{SUFFIX}"),
            Kind::Drive(id) => format!("/drives/{}/root/{SUFFIX}", segment("drive id", id)?),
            Kind::DriveList(id) => format!("/drives/{}/list/{SUFFIX}", segment("drive id", id)?),
            Kind::GroupDrive(id) => {
                format!("/groups/{}/drive/root/{SUFFIX}", segment("group id", id)?)
            }
            Kind::SiteList { site, list } => format!(
                "/sites/{}/lists/{}/drive/root/{SUFFIX}",
                segment("site id", site)?,
                segment("list id", list)?
            ),
            Kind::Custom(path) => custom_path(path)?,
        })
    }
}

/// Why a [`Resource`] has no request path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// An id, or the custom path, is empty.
    #[error("the {what} is empty")]
    Empty {
        /// Which one: `"drive id"`, `"site id"`, `"path"` and so on.
        what: &'static str,
    },
    /// An id or a path contains a character that cannot be in it.
    #[error("the {what} contains {character:?}{hint}", hint = hint(*character))]
    IllegalCharacter {
        /// Which one.
        what: &'static str,
        /// The first such character.
        character: char,
    },
    /// An id or a path segment is `.` or `..`, which URL rules would take out.
    #[error("the {what} contains a \".\" or \"..\" segment")]
    DotSegment {
        /// Which one.
        what: &'static str,
    },
    /// The custom path has an empty segment (`//`), or is a whole URL.
    #[error("the path has an empty segment; give a path such as /drives/ID/root, not a URL")]
    EmptySegment,
    /// The custom path starts with `v1.0` or `beta`; the version is chosen apart from the path.
    #[error("the path starts with an API version; leave it out")]
    VersionInPath,
    /// An id or a path is longer than 2,048 bytes.
    #[error("the {what} is longer than {MAX_LEN} bytes")]
    TooLong {
        /// Which one.
        what: &'static str,
    },
}

fn hint(character: char) -> &'static str {
    match character {
        '%' => "; give it as Graph shows it, not percent-encoded",
        '?' | '#' => "; give only the path, without a query",
        '/' => "; an id has no slashes",
        _ => "",
    }
}

/// One id as a path segment.
///
/// No id of the service contains `%`, so an id that does was encoded already: encoding it once
/// more would name something else. `/`, `?`, `#` and `\` would change the shape of the path.
fn segment(what: &'static str, id: &str) -> Result<String, ResourceError> {
    check_len(what, id)?;
    let illegal = |c: char| matches!(c, '/' | '?' | '#' | '%' | '\\') || is_blank(c);
    if let Some(character) = id.chars().find(|c| illegal(*c)) {
        return Err(ResourceError::IllegalCharacter { what, character });
    }
    if is_dot_segment(id) {
        return Err(ResourceError::DotSegment { what });
    }
    Ok(percent_encode(id, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~!,".contains(&byte)
    }))
}

fn custom_path(path: &str) -> Result<String, ResourceError> {
    let what = "path";
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    check_len(what, path)?;
    let illegal = |c: char| matches!(c, '?' | '#' | '\\') || (is_blank(c) && c != ' ');
    if let Some(character) = path.chars().find(|c| illegal(*c)) {
        return Err(ResourceError::IllegalCharacter { what, character });
    }
    if !percent_signs_are_escapes(path) {
        return Err(ResourceError::IllegalCharacter {
            what,
            character: '%',
        });
    }
    for (index, segment) in path.split('/').enumerate() {
        if segment.is_empty() {
            return Err(ResourceError::EmptySegment);
        }
        if is_dot_segment(segment) {
            return Err(ResourceError::DotSegment { what });
        }
        if index == 0 && matches!(segment, "v1.0" | "beta") {
            return Err(ResourceError::VersionInPath);
        }
    }
    // The `pchar` of RFC 3986, section 3.3, and the separators and escapes of the given path.
    let mut full = percent_encode(path, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte)
    });
    full.insert(0, '/');
    let present = full.len() > SUFFIX.len()
        && full
            .get(full.len() - SUFFIX.len() - 1..)
            .is_some_and(|tail| tail.eq_ignore_ascii_case(&format!("/{SUFFIX}")));
    if !present {
        full.push('/');
        full.push_str(SUFFIX);
    }
    Ok(full)
}

fn check_len(what: &'static str, text: &str) -> Result<(), ResourceError> {
    match text.len() {
        0 => Err(ResourceError::Empty { what }),
        len if len > MAX_LEN => Err(ResourceError::TooLong { what }),
        _ => Ok(()),
    }
}

fn is_blank(c: char) -> bool {
    c.is_control() || c.is_whitespace()
}

/// URL parsers take `%2e` for a dot here.
fn is_dot_segment(segment: &str) -> bool {
    matches!(
        segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
        "." | ".."
    )
}

fn percent_signs_are_escapes(path: &str) -> bool {
    path.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut is_hex = || digits.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        is_hex() && is_hex()
    })
}

fn percent_encode(text: &str, is_literal: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_literal(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_paths() {
        let rows = [
            (
                Resource::me_drive(),
                "/me/drive/root/subscriptions/socketIo",
            ),
            (
                Resource::drive("b!-Ab_9"),
                "/drives/b!-Ab_9/root/subscriptions/socketIo",
            ),
            (
                Resource::drive("1234ABCD"),
                "/drives/1234ABCD/root/subscriptions/socketIo",
            ),
            (
                Resource::drive_list("b!x"),
                "/drives/b!x/list/subscriptions/socketIo",
            ),
            (
                Resource::group_drive("02bd9fd6-8f93-4758-87c3-1fb73740a315"),
                "/groups/02bd9fd6-8f93-4758-87c3-1fb73740a315/drive/root/subscriptions/socketIo",
            ),
            (
                Resource::site_list("contoso.sharepoint.com,da60-1,2b-3", "l-1"),
                "/sites/contoso.sharepoint.com,da60-1,2b-3/lists/l-1/drive/root/subscriptions/socketIo",
            ),
        ];
        for (resource, expected) in rows {
            assert_eq!(resource.path().unwrap(), expected);
        }
    }

    #[test]
    fn ids_are_encoded_once() {
        let rows = [
            ("a'b", "a%27b"),
            ("ä", "%C3%A4"),
            ("a+b&c=d:e@f", "a%2Bb%26c%3Dd%3Ae%40f"),
            ("(x);$*", "%28x%29%3B%24%2A"),
            ("...", "..."),
        ];
        for (id, expected) in rows {
            let path = Resource::drive(id).path().unwrap();
            assert_eq!(
                path,
                format!("/drives/{expected}/root/subscriptions/socketIo")
            );
            // What we wrote survives the URL parser that carries it.
            let url = url::Url::parse(&format!("https://h/v1.0{path}")).unwrap();
            assert_eq!(url.path(), format!("/v1.0{path}"));
        }
    }

    #[test]
    fn unusable_ids_are_refused() {
        let illegal = |character| ResourceError::IllegalCharacter {
            what: "drive id",
            character,
        };
        let rows = [
            ("", ResourceError::Empty { what: "drive id" }),
            ("a/b", illegal('/')),
            ("a?b", illegal('?')),
            ("a#b", illegal('#')),
            ("b%21x", illegal('%')),
            ("a\\b", illegal('\\')),
            ("a b", illegal(' ')),
            ("a\r\nb", illegal('\r')),
            (".", ResourceError::DotSegment { what: "drive id" }),
            ("..", ResourceError::DotSegment { what: "drive id" }),
        ];
        for (id, expected) in rows {
            assert_eq!(Resource::drive(id).path(), Err(expected), "{id:?}");
        }
        assert_eq!(
            Resource::site_list("s", "").path(),
            Err(ResourceError::Empty { what: "list id" })
        );
        assert_eq!(
            Resource::group_drive("x".repeat(2049)).path(),
            Err(ResourceError::TooLong { what: "group id" })
        );
    }

    #[test]
    fn custom_paths_get_the_suffix_once() {
        let rows = [
            (
                "/sites/root/lists/l",
                "/sites/root/lists/l/subscriptions/socketIo",
            ),
            ("me/drive/root/", "/me/drive/root/subscriptions/socketIo"),
            (
                "/drives/b%21x/root/subscriptions/socketIo",
                "/drives/b%21x/root/subscriptions/socketIo",
            ),
            (
                "drives/x/root/subscriptions/socketio/",
                "/drives/x/root/subscriptions/socketio",
            ),
            (
                "me/drive/root:/My Documents:",
                "/me/drive/root:/My%20Documents:/subscriptions/socketIo",
            ),
            ("ä", "/%C3%A4/subscriptions/socketIo"),
            (
                "users/a@b.example/drive/root",
                "/users/a@b.example/drive/root/subscriptions/socketIo",
            ),
        ];
        for (path, expected) in rows {
            assert_eq!(Resource::custom(path).path().unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn unusable_custom_paths_are_refused() {
        let illegal = |character| ResourceError::IllegalCharacter {
            what: "path",
            character,
        };
        let dots = ResourceError::DotSegment { what: "path" };
        let rows = [
            ("", ResourceError::Empty { what: "path" }),
            ("/", ResourceError::Empty { what: "path" }),
            ("me/drive?x=1", illegal('?')),
            ("me/drive#x", illegal('#')),
            ("me\\drive", illegal('\\')),
            ("me/dri\nve", illegal('\n')),
            ("100%/x", illegal('%')),
            ("x/%2", illegal('%')),
            ("x/%zz", illegal('%')),
            ("me/../drives/x", dots.clone()),
            ("me/%2E%2e/x", dots.clone()),
            ("./me", dots),
            ("me//drive", ResourceError::EmptySegment),
            (
                "https://graph.microsoft.com/v1.0/me",
                ResourceError::EmptySegment,
            ),
            ("/v1.0/me/drive/root", ResourceError::VersionInPath),
            ("beta/me/drive/root", ResourceError::VersionInPath),
        ];
        for (path, expected) in rows {
            assert_eq!(Resource::custom(path).path(), Err(expected), "{path:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_path_is_never_changed_by_the_url_parser(id in "\\PC{0,40}") {
            for resource in [Resource::drive(&id), Resource::custom(&id)] {
                if let Ok(path) = resource.path() {
                    let url = url::Url::parse(&format!("https://h{path}")).unwrap();
                    proptest::prop_assert_eq!(url.path(), path);
                    proptest::prop_assert_eq!(url.query(), None);
                }
            }
        }
    }
}
