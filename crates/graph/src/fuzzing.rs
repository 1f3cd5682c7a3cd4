//! Answers read without HTTP, for the fuzz targets. No part of the API.

use std::fmt::Display;
use std::time::SystemTime;

use crate::resource::Resource;
use crate::subscription::{Answer, SubscriptionRequest};
use crate::{delta, login};

/// What each reader says of an answer that it cannot use.
///
/// `header` stands for each header that is read, `secret` for whatever the request had of them.
#[must_use]
pub fn errors(status: u16, header: &str, body: &[u8], secret: &str) -> Vec<String> {
    let answer = Answer {
        status,
        retry_after: Some(header),
        date: Some(header),
        request_id: Some(header),
        body: Some(body),
    };
    let request = SubscriptionRequest::new(Resource::me_drive());
    let now = SystemTime::UNIX_EPOCH;
    let subscription = error(request.read(&answer, now, &[secret]));
    let page = delta::fuzzed(&answer, header, secret);
    let login = login::fuzzed(status, body, secret);
    subscription.into_iter().chain(page).chain(login).collect()
}

pub(crate) fn error<T, E: Display>(result: Result<T, E>) -> Option<String> {
    result.err().map(|error| error.to_string())
}
