//! The `notification` event in all the shapes that clients have met.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::subscription::Subscription;

/// The list that every subscription is for, as far as notifications tell.
const RESOURCE: &str = "4fa00000-0000-4000-8000-00000000f11e";

/// One notification to send; the default is the shape that is most common in the field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Notification {
    /// What it says.
    pub payload: Payload,
    /// Whether the argument is a string that contains JSON, or the JSON itself.
    pub encoding: Encoding,
    /// How many times it is sent; 1 by default, more are duplicates of one notification.
    pub copies: u32,
}

impl Default for Notification {
    fn default() -> Self {
        Self {
            payload: Payload::Value,
            encoding: Encoding::Text,
            copies: 1,
        }
    }
}

impl Notification {
    /// A notification that says this, as a string that contains JSON.
    #[must_use]
    pub fn new(payload: Payload) -> Self {
        Self {
            payload,
            ..Self::default()
        }
    }

    /// The same with another encoding.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// The same, sent this many times.
    #[must_use]
    pub fn copies(mut self, copies: u32) -> Self {
        self.copies = copies;
        self
    }

    /// The argument of the event for one subscriber.
    pub(crate) fn argument(&self, number: u64, subscription: &Subscription) -> Value {
        let payload = match &self.payload {
            Payload::Value => json!({ "value": [{
                "subscriptionId": subscription.id,
                "clientState": subscription.client_state,
                "expirationDateTime": subscription.expiration_date_time(),
                "resource": RESOURCE,
                "tenantId": "4fa00000-0000-4000-8000-00000000cafe",
                "siteUrl": "/sites/emulator",
                "webId": "4fa00000-0000-4000-8000-00000000beef",
                "emulatorNumber": number,
            }] }),
            Payload::Flat => json!({
                "clientState": subscription.client_state,
                "subscriptionId": subscription.id,
                "subscriptionExpirationDateTime": subscription.expiration_date_time(),
                "userId": "00000000emulator",
                "resource": RESOURCE,
                "emulatorNumber": number,
            }),
            Payload::Unreadable(text) => return Value::String(text.clone()),
            Payload::Custom(value) => value.clone(),
        };
        match self.encoding {
            Encoding::Text => Value::String(payload.to_string()),
            Encoding::Object => payload,
        }
    }
}

/// What a notification says. The first two carry its number as `emulatorNumber`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Payload {
    /// `{"value":[{…}]}`.
    Value,
    /// `{"subscriptionId":…,…}` without the list.
    Flat,
    /// This text as the argument, whatever it is, for payloads that cannot be read.
    Unreadable(String),
    /// This JSON.
    Custom(Value),
}

/// How a payload becomes the argument of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// A string that contains JSON, the usual case.
    Text,
    /// The JSON itself.
    Object,
}

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sent {
    /// Its number: 1 for the first of an emulator, then one more each.
    pub number: u64,
    /// How many clients it was handed to, none of which has acknowledged anything.
    pub receivers: usize,
}
