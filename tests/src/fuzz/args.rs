//! Arguments: the JSON that a peer sent, into the types that a program asks for.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_bytes::ByteBuf;
use serde_json::value::RawValue;
use socketio::Args;
use socketio_codec::{ByteString, Decoder, Json, Limits, Packet, Spread};

use super::value::Value;

/// What a program may ask for.
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "it is to be read, and not to be looked at")]
struct Record<'a> {
    text: &'a str,
    data: Option<Bytes>,
    #[serde(default)]
    more: BTreeMap<String, Choice>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "it is to be read, and not to be looked at")]
enum Choice {
    Unit,
    One(ByteBuf),
    Two(i8, char),
    Named {
        number: f32,
        next: Option<Box<Self>>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "it is to be read, and not to be looked at")]
enum Either {
    Number(u16),
    Data(Bytes),
    List(Vec<Self>),
    Text(String),
}

/// The first line is the JSON of the arguments, each other one an attachment.
pub fn args(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let Ok(text) = std::str::from_utf8(lines.next().unwrap_or_default()) else {
        return;
    };
    if let Ok(json) = Json::from_text(text) {
        assert_eq!(
            json.parse::<Value>().is_ok(),
            serde_json::from_str::<Value>(json.as_str()).is_ok()
        );
    }
    let attachments: Vec<_> = lines.map(Bytes::copy_from_slice).collect();
    let Ok(args) = Args::from_json(text, attachments) else {
        return;
    };
    check(&args);
    asked_for(&args);
}

/// Arguments are the same wherever they are looked at.
pub(super) fn check(args: &Args) {
    assert_eq!(args.detach(), *args);
    let raw: Vec<_> = args.iter_raw().collect();
    assert_eq!(raw.len(), args.len());
    let json = args.json();
    let json: Vec<&RawValue> = serde_json::from_str(&json).expect("the JSON has been checked");
    assert_eq!(json.len(), raw.len());
    for (one, other) in json.iter().zip(&raw) {
        assert_eq!(one.get(), *other);
    }
    if let Ok(values) = args.parse_each::<Value>() {
        assert_eq!(values.len(), args.len());
        written(&values);
    }
}

/// What was read can be written, and is the same when it is read again.
fn written(values: &[Value]) {
    let Ok(again) = Args::with_max_attachments(&Spread(values.to_vec()), usize::MAX) else {
        return;
    };
    assert_eq!(again.parse_each::<Value>().as_deref(), Ok(values));
    if !again.attachments().is_empty() {
        return;
    }
    // Through a packet, too.
    let text = ByteString::from(format!("37{}", again.json()));
    let packet = Decoder::new(Limits::default()).text(text);
    assert!(
        matches!(&packet, Ok(Some(Packet::Ack { args, .. })) if *args == again),
        "{packet:?}"
    );
}

/// Reading never panics, whatever is asked for.
fn asked_for(args: &Args) {
    drop(args.parse::<()>());
    drop(args.parse::<bool>());
    drop(args.parse::<(u8, i16, Option<u32>, f64)>());
    drop(args.parse::<u128>());
    drop(args.parse::<(char, String)>());
    drop(args.parse::<&str>());
    drop(args.parse::<(Bytes, Option<Bytes>)>());
    drop(args.parse::<&[u8]>());
    drop(args.parse::<ByteBuf>());
    drop(args.parse::<[Option<Value>; 3]>());
    drop(args.parse::<Record<'_>>());
    drop(args.parse::<Choice>());
    drop(args.parse::<Either>());
    drop(args.parse_each::<Either>());
    drop(args.parse::<BTreeMap<u64, Vec<Bytes>>>());
    drop(args.parse::<BTreeMap<bool, Option<Either>>>());
    drop(args.parse::<(serde_json::Value, serde::de::IgnoredAny)>());
    drop(args.parse::<&RawValue>());
}
