//! Why a delta query failed, and what to do about it.

use std::time::Duration;

use crate::delta::link::{DeltaLink, DeltaLinkError};
use crate::error::{ErrorAnswer, GraphError, TransportFailure};
use crate::resource::ResourceError;
use crate::token::TokenError;

/// Why there is no (further) page of changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The resource has no path.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// The resource is a custom path that is no drive and no list: Graph has no delta query for it.
    #[error("there is no delta query for this path: it is neither a drive's root nor a list")]
    UnsupportedResource,
    /// There is no token provider.
    #[error("no token provider was given")]
    NoToken,
    /// The HTTP stack cannot be set up.
    #[error("HTTP cannot be set up: {0}")]
    Http(String),
    /// The token provider has no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The request failed.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The link is too old, or the service has lost track: all has to be read again, and compared
    /// with what the program knows.
    #[error("Microsoft Graph asks to start over: {answer}")]
    Resync {
        /// How the program's own state is to be brought in line.
        how: ResyncMode,
        /// Where to start over; `None` if the answer did not tell, or if the link leads away from
        /// the cloud: then ask for everything, with no link at all.
        restart: Option<DeltaLink>,
        /// What the service said.
        answer: ErrorAnswer,
    },
    /// A link leads away from the cloud. Nothing was sent there.
    #[error(
        "{origin} leads to another scheme, host or port than the Graph base URL, and is not followed"
    )]
    ForeignLink {
        /// Whose link it is.
        origin: LinkOrigin,
    },
    /// An answer has a link that is none.
    #[error("the answer of Microsoft Graph has an unusable link: {0}")]
    BadLink(DeltaLinkError),
    /// A successful answer has neither a link to the next page nor one to go on from later.
    #[error("the answer of Microsoft Graph is no page of changes: it has no link to go on from")]
    NoLink,
    /// The `value` of a successful answer is not a list.
    #[error("the answer of Microsoft Graph is no page of changes: its value is not a list")]
    NoChanges,
    /// A link to the next page is one that was followed before.
    #[error("Microsoft Graph sends the pages of changes in a circle")]
    PageLoop,
    /// There are more pages than the limit.
    #[error("there are more than {limit} pages of changes")]
    TooManyPages {
        /// The limit.
        limit: usize,
    },
    /// There are more changes than [`Changes::collect`](crate::Changes::collect) gathers.
    #[error("there are more than {limit} changes; read them by the page")]
    TooManyChanges {
        /// The limit.
        limit: usize,
    },
}

/// How to bring what a program knows of a drive in line after [`DeltaError::Resync`].
///
/// In each case the restarted query enumerates everything that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResyncMode {
    /// `resyncChangesApplyDifferences`: the service's version counts, deletions included, if it was
    /// up to date when the program last synced. What the program has and the enumeration has not is
    /// gone.
    ApplyDifferences,
    /// `resyncChangesUploadDifferences`: what the service does not have is to be uploaded, and where
    /// both have a version and it is unknown which is newer, both are to be kept.
    UploadDifferences,
    /// `resyncRequired`, or no known code: start over.
    Required,
}

/// Where a link came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkOrigin {
    /// The program gave it.
    Given,
    /// An answer had it.
    Answer,
}

impl std::fmt::Display for LinkOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Given => "the delta link that was given",
            Self::Answer => "a link in the answer of Microsoft Graph",
        })
    }
}

impl DeltaError {
    /// Whether asking for the same page again later may help; see [`DeltaError::retry_after`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Graph(error) => error.is_retryable(),
            Self::Token(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// How long the service asks to wait before that, if it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Graph(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl From<TransportFailure> for DeltaError {
    fn from(failure: TransportFailure) -> Self {
        Self::Graph(failure.into())
    }
}

impl ResyncMode {
    /// What the codes of an error answer ask for; the most special one is that of the innermost error.
    pub(super) fn of_codes<'a>(codes: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        codes.into_iter().fold(None, |found, code| {
            let code = code.to_ascii_lowercase();
            match code.as_str() {
                "resyncchangesapplydifferences" | "resyncapplydifferences" => {
                    Some(Self::ApplyDifferences)
                }
                "resyncchangesuploaddifferences" | "resyncuploaddifferences" => {
                    Some(Self::UploadDifferences)
                }
                "resyncrequired" => found.or(Some(Self::Required)),
                _ => found,
            }
        })
    }
}
