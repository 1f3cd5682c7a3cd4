//! Frames, payloads and handshakes of Engine.IO, as a server may send them.

use std::time::Duration;

use bytes::Bytes;
use engineio::{ByteString, DecodeError, Frame, Handshake, Packet, Refusal, Version};
use engineio::{frame, payload};

/// The bytes as a text frame, as a binary frame and as a body of revision 4.
pub fn engineio_v4(data: &[u8]) {
    read(Version::V4, data);
}

/// The bytes as a text frame, as a binary frame and as a body of revision 3, in whose text form lengths count UTF-16
/// units and whose binary form begins with 0 or 1.
pub fn engineio_v3(data: &[u8]) {
    read(Version::V3, data);
}

fn read(version: Version, data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(text) = ByteString::try_from(bytes.clone()) {
        read_frame(version, Frame::Text(text));
    }
    read_frame(version, Frame::Binary(bytes.clone()));
    read_payload(version, &bytes);
}

/// What can be read can be written, and is the same when it is read again.
fn read_frame(version: Version, wire: Frame) {
    let Ok(packet) = frame::decode(version, wire) else {
        return;
    };
    let frame = frame::encode(version, packet.clone());
    assert_eq!(frame.len(), frame::encoded_len(version, &packet));
    assert_eq!(frame::decode(version, frame), Ok(packet.clone()));
    let text = frame::encode_as_text(version, &packet);
    assert!(matches!(text, Frame::Text(_)));
    assert_eq!(text.len(), packet.encoded_len(version));
    assert_eq!(frame::decode(version, text), Ok(packet));
}

/// An error is the last thing in a body, and swallows nothing of what came before it.
fn read_payload(version: Version, body: &Bytes) {
    let all: Vec<_> = payload::decode(version, body.clone(), usize::MAX).collect();
    assert!(!all.is_empty(), "a body without anything in it");
    assert!(all.len() <= body.len() + 1);
    let packets: Vec<Packet> = all.iter().cloned().map_while(Result::ok).collect();
    assert!(packets.len() + 1 >= all.len(), "an error in between");

    let cut = body.slice(..body.len() / 2);
    let some: Vec<_> = payload::decode(version, cut, usize::MAX).collect();
    let whole = some.len() - 1;
    assert_eq!(
        some.get(..whole),
        all.get(..whole),
        "half a body reads otherwise"
    );

    let most = packets.len() / 2;
    let limited: Vec<_> = payload::decode(version, body.clone(), most).collect();
    assert_eq!(limited.get(..most), all.get(..most));
    let rest = limited.get(most..).unwrap_or_default();
    if most < all.len() {
        assert_eq!(rest, [Err(DecodeError::TooManyPackets)]);
    }
    if let Some(last) = packets.len().checked_sub(1) {
        write_payload(version, &packets, last);
    }
}

fn write_payload(version: Version, packets: &[Packet], last: usize) {
    let body = payload::encode(version, packets);
    let again: Result<Vec<_>, _> = payload::decode(version, body.clone(), packets.len()).collect();
    assert_eq!(again.as_deref(), Ok(packets));
    let max = body.len() as u64;
    let fits = |max| payload::fitting(version, packets, Some(max));
    assert_eq!(fits(max), packets.len());
    assert_eq!(
        fits(max - 1),
        last.max(1),
        "a body was taken for a shorter one"
    );
    let alone: usize = packets
        .iter()
        .map(|packet| payload::encoded_len(version, packet))
        .sum();
    let separators = if version == Version::V4 { last } else { 0 };
    assert_eq!(body.len(), alone + separators);
}

/// The JSON of a handshake, and the body of an answer that is no success.
pub fn handshake(data: &[u8]) {
    if let Ok(json) = std::str::from_utf8(data)
        && let Ok(handshake) = Handshake::parse(json)
    {
        assert!((1..=512).contains(&handshake.sid.expose().len()));
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        assert!(handshake.ping_interval <= week && handshake.ping_timeout <= week);
        assert_eq!(format!("{:?}", handshake.sid), "Sid(..)");
    }
    for status in [400, 401, 503] {
        let refusal = Refusal::new(status, data);
        assert!(
            refusal.to_string().len() < 1024,
            "a peer's text without end"
        );
        assert!(!refusal.to_string().contains(char::is_control));
    }
    if let Some(refusal) = Refusal::from_http_inside_websocket(data) {
        assert!(!refusal.to_string().contains(char::is_control));
    }
}
