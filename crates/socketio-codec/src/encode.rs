//! Packet to text.
//!
//! `type [attachments "-"] [namespace ","] [id] [json]`, where the namespace `/` is left out.

use std::fmt::Write;

use crate::{Args, Json, Namespace, Packet};

impl Packet {
    /// Appends the text of the packet. The [`attachments`](Self::attachments) follow it as binary
    /// messages. This is the JSON format, whatever the packet came in; see
    /// [`Parser`](crate::Parser) for the others, and for a check that a packet from one of them can
    /// be told apart in this one.
    ///
    /// ```
    /// use socketio_codec::{Event, Namespace, Packet};
    ///
    /// let packet = Packet::Event {
    ///     namespace: Namespace::try_from("/chat")?,
    ///     id: Some(12),
    ///     event: Event::new("say", "hello")?,
    /// };
    /// let mut text = String::new();
    /// packet.encode(&mut text);
    /// assert_eq!(text, r#"2/chat,12["say","hello"]"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode(&self, out: &mut String) {
        match self {
            Self::Connect {
                namespace,
                query,
                payload,
            } => {
                out.push('0');
                match query.as_ref().filter(|query| !query.is_empty()) {
                    Some(query) => {
                        out.push_str(namespace.as_str());
                        out.push('?');
                        out.push_str(query.as_str());
                        out.push(',');
                    }
                    None => push_namespace(out, namespace),
                }
                push_json(out, payload.as_ref());
            }
            Self::Disconnect { namespace } => {
                out.push('1');
                push_namespace(out, namespace);
            }
            Self::Event {
                namespace,
                id,
                event,
            } => {
                push_type(out, '2', '5', event.attachments().len());
                push_namespace(out, namespace);
                if let Some(id) = id {
                    push_number(out, *id);
                }
                out.push_str(event.json());
            }
            Self::Ack {
                namespace,
                id,
                args,
            } => {
                push_type(out, '3', '6', args.attachments().len());
                push_namespace(out, namespace);
                push_number(out, *id);
                push_args(out, args);
            }
            Self::ConnectError { namespace, payload } => {
                out.push('4');
                push_namespace(out, namespace);
                push_json(out, payload.as_ref());
            }
        }
    }

    /// The length of its text, exactly but for the query of a CONNECT.
    pub(crate) fn encoded_len(&self) -> usize {
        let namespace = match self.namespace() {
            root if root.is_root() => 0,
            other => other.as_str().len() + 1,
        };
        let attachments = match self.attachments().len() {
            0 => 0,
            count => decimal_len(count as u64) + 1,
        };
        let (id, json) = match self {
            Self::Event { id, event, .. } => (*id, event.json().len()),
            Self::Ack { id, args, .. } => (Some(*id), 1 + args.tail().len()),
            Self::Connect { payload, .. } | Self::ConnectError { payload, .. } => {
                (None, payload.as_ref().map_or("", Json::as_str).len())
            }
            Self::Disconnect { .. } => (None, 0),
        };
        1 + attachments + namespace + id.map_or(0, decimal_len) + json
    }
}

fn decimal_len(number: u64) -> usize {
    number.checked_ilog10().unwrap_or_default() as usize + 1
}

fn push_type(out: &mut String, text: char, binary: char, attachments: usize) {
    if attachments == 0 {
        out.push(text);
    } else {
        out.push(binary);
        push_number(out, attachments);
        out.push('-');
    }
}

fn push_namespace(out: &mut String, namespace: &Namespace) {
    if !namespace.is_root() {
        out.push_str(namespace.as_str());
        out.push(',');
    }
}

fn push_json(out: &mut String, json: Option<&Json>) {
    out.push_str(json.map_or("", Json::as_str));
}

/// The array without the name of the event that the arguments may have come with.
fn push_args(out: &mut String, args: &Args) {
    out.push('[');
    out.push_str(args.tail());
}

fn push_number(out: &mut String, number: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{number}");
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::{EncodeError, Event, Parser, Part, Query};

    fn namespace(name: &str) -> Namespace {
        name.parse().unwrap()
    }

    fn json(value: &Value) -> Option<Json> {
        Some(Json::from_serialize(value).unwrap())
    }

    #[test]
    fn packets_are_written_as_the_reference_implementation_does() -> Result<(), EncodeError> {
        let connect = |name, payload| Packet::Connect {
            namespace: namespace(name),
            query: None,
            payload,
        };
        let connect_with = |name, query| Packet::Connect {
            namespace: namespace(name),
            query: Some(Query::try_from(query).unwrap()),
            payload: None,
        };
        let disconnect = |name| Packet::Disconnect {
            namespace: namespace(name),
        };
        let event = |name, id, event| Packet::Event {
            namespace: namespace(name),
            id,
            event,
        };
        let ack = |name, id, args| Packet::Ack {
            namespace: namespace(name),
            id,
            args,
        };
        let refusal = |name, payload| Packet::ConnectError {
            namespace: namespace(name),
            payload,
        };
        let data = |content: &'static str| Bytes::from_static(content.as_bytes());
        for (packet, text, attachments) in [
            (connect("/", None), "0", &[][..]),
            (
                connect("/", json(&json!({"token": "x"}))),
                r#"0{"token":"x"}"#,
                &[],
            ),
            (connect("/", json(&json!({}))), "0{}", &[]),
            (connect("/a", None), "0/a,", &[]),
            (connect("/a", json(&json!({}))), "0/a,{}", &[]),
            (connect("/a", json(&json!({"x": 1}))), r#"0/a,{"x":1}"#, &[]),
            (connect("/a?x=1", None), "0/a?x=1,", &[]),
            (
                connect_with("/admin", "token=ok&x=a%20b"),
                "0/admin?token=ok&x=a%20b,",
                &[],
            ),
            (connect_with("/a", "x=1,2"), "0/a?x=1%2C2,", &[]),
            (connect_with("/a", ""), "0/a,", &[]),
            (connect_with("/", "x=1"), "0/?x=1,", &[]),
            (disconnect("/"), "1", &[]),
            (disconnect("/a"), "1/a,", &[]),
            (
                event("/", None, Event::new("a", &(1, ()))?),
                r#"2["a",1,null]"#,
                &[],
            ),
            (
                event("/", Some(0), Event::new("a", &())?),
                r#"20["a"]"#,
                &[],
            ),
            (
                event(
                    "/a",
                    Some(12),
                    Event::new("a", &json!({"d": "1970-01-01T00:00:00.000Z"}))?,
                ),
                r#"2/a,12["a",{"d":"1970-01-01T00:00:00.000Z"}]"#,
                &[],
            ),
            (
                event("/", Some(u64::MAX), Event::new("é\u{1}\u{7f}", "😀")?),
                "218446744073709551615[\"é\\u0001\u{7f}\",\"😀\"]",
                &[],
            ),
            (ack("/", 5, Args::default()), "35[]", &[]),
            (ack("/", 5, Args::new(&())?), "35[]", &[]),
            (ack("/a", 5, Args::new(&1)?), "3/a,5[1]", &[]),
            // Arguments of an event, sent back.
            (
                ack("/", 5, Event::new("a", &(1, 2))?.into_args()),
                "35[1,2]",
                &[],
            ),
            (ack("/", 5, Event::new("a", &())?.into_args()), "35[]", &[]),
            (
                refusal("/", json(&json!({"message": "x"}))),
                r#"4{"message":"x"}"#,
                &[],
            ),
            (refusal("/a", json(&json!("x"))), r#"4/a,"x""#, &[]),
            (
                event(
                    "/a",
                    Some(3),
                    Event::new("a", &(data("x"), json_with(data("y")), data("z")))?,
                ),
                concat!(
                    r#"53-/a,3["a",{"_placeholder":true,"num":0},"#,
                    r#"{"b":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":2}]"#
                ),
                &["x", "y", "z"],
            ),
            (
                ack("/", 3, Args::new(&data(""))?),
                r#"61-3[{"_placeholder":true,"num":0}]"#,
                &[""],
            ),
            (
                ack("/", 3, Event::new("a", &data("x"))?.into_args()),
                r#"61-3[{"_placeholder":true,"num":0}]"#,
                &["x"],
            ),
        ] {
            let mut out = String::from("before ");
            packet.encode(&mut out);
            assert_eq!(out, format!("before {text}"));
            assert_eq!(packet.attachments(), attachments, "{text}");
            let has_query = matches!(&packet, Packet::Connect { query: Some(_), .. });
            assert!(has_query || packet.encoded_len() == text.len(), "{text}");

            let parts = Parser::json().encode(&packet).unwrap();
            let message = parts.iter().next();
            assert_eq!(message, Some(&Part::Text(text.into())));
            assert_eq!(Parser::json().encode_owned(packet), Ok(parts), "{text}");
        }
        Ok(())
    }

    fn json_with(data: Bytes) -> impl serde::Serialize {
        std::collections::BTreeMap::from([("b", vec![data])])
    }
}
