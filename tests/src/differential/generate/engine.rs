//! Engine.IO packets and payloads: to be read, and to be written.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use engineio::Version;

use super::Truth;
use super::dice::Dice;
use crate::differential::case::{Form, Frame, Input, Message};

const TEXTS: &[&str] = &[
    "",
    "a",
    "probe",
    "hello",
    "é€😀",
    "0{\"sid\":\"x\"}",
    "20[\"a\"]",
    "51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
    "1:2",
    ":",
    "😀",
    "\u{fffd}",
    "\0",
    "b4",
    "4",
    "\u{feff}",
    "{\"sid\":\"x\",\"upgrades\":[],\"pingInterval\":1,\"pingTimeout\":1}",
    "\u{10ffff}",
    "\u{d7ff}\u{e000}",
];

const BAD_PACKETS: &[&str] = &[
    "",
    "7",
    "8x",
    "9",
    "a",
    "-",
    " 4",
    "４",
    "٣",
    "é",
    "😀",
    "\u{feff}4a",
    "b@@",
    "bA",
    "bAB==",
    "bAAAA=",
    "b=",
    "b====",
    "bA_-A",
    "bQQ",
    "bQQ=",
    "bQUI",
    "bQUJD\n",
    "b QUJD",
    "b4@@",
    "b4A",
    "b4AB==",
    "b4AAAA=",
    "b4=",
    "b4A_-A",
    "b4QQ",
    "b4QQ=",
    "b4QR",
    "b4QUI",
    "b4QUJD\n",
    "b4 QUJD",
    "b2AQID",
    "b0",
    "b9QUJD",
    "bxQUJD",
    "b",
    "b4",
    "b4QUJD=QUJD",
    "bQUJD=QUJD",
    "B4",
    "\n",
    "40\u{1e}",
];

const BAD_LENGTHS: &[&str] = &[
    "",
    " ",
    "-1",
    "+2",
    " 2",
    "2 ",
    "0x2",
    "2.0",
    "2e0",
    "0b10",
    "02",
    "0000000002",
    "00000000002",
    "99",
    "4294967298",
    "18446744073709551618",
    "Infinity",
    "NaN",
    "٢",
    "２",
    "\n2",
    "\u{a0}2",
    "1",
    "3",
    "0",
    "00",
    "2.5",
    "\u{feff}2",
    "\u{85}2",
];

/// One packet as it is written by the protocol, before it is framed.
#[derive(Debug)]
enum Packet {
    Text(String),
    Binary(Vec<u8>),
}

pub(super) fn input(dice: &mut Dice, version: Version) -> Input {
    let truth = Truth::any(dice);
    if dice.one_in(3) {
        return frame(dice, truth, version);
    }
    let octets = version == Version::V3 && dice.one_in(3);
    let count = 1 + dice.few();
    let mut packets: Vec<_> = (0..count).map(|_| packet(dice, version, octets)).collect();
    let bad = (truth == Truth::NearlyValid).then(|| dice.below(count));
    if let Some(bad) = bad
        && dice.coin()
    {
        packets[bad] = Packet::Text(dice.pick(BAD_PACKETS).to_owned());
    }
    let mut bytes = match (version, octets) {
        (Version::V3, true) => binary_form(dice, &packets, bad),
        (Version::V3, false) => counted(dice, &packets, bad),
        _ => separated(&packets),
    };
    if truth == Truth::NearlyValid && dice.one_in(8) {
        let extra = dice.pick(&[
            &b"\x1e"[..],
            b"4",
            b":",
            b"2:",
            b"0:",
            b"\0",
            b"\x01",
            b"\x00\xff",
            b"\x01\x01\xff",
            b"\x00\x01\xff4",
            b"2:40",
            b"\xff",
            b"\xed\xa0\x80",
        ]);
        if dice.coin() {
            bytes.extend_from_slice(extra);
        } else {
            bytes.splice(0..0, extra.iter().copied());
        }
    }
    match truth {
        Truth::Damaged if !octets && dice.coin() => {
            bytes = dice
                .damage_text(&String::from_utf8_lossy(&bytes))
                .into_bytes();
        }
        Truth::Damaged => bytes = dice.damage_bytes(&bytes),
        Truth::NearlyValid if dice.one_in(30) => bytes.clear(),
        Truth::Valid | Truth::NearlyValid => {}
    }
    // A content type that lies.
    let octets =
        octets != (version == Version::V3 && truth == Truth::NearlyValid && dice.one_in(20));
    Input::Body { bytes, octets }
}

fn frame(dice: &mut Dice, truth: Truth, version: Version) -> Input {
    let frame = match (truth, packet(dice, version, true)) {
        (Truth::NearlyValid, _) => Frame::Text(dice.pick(BAD_PACKETS).to_owned()),
        (Truth::Damaged, Packet::Text(text)) => Frame::Text(dice.damage_text(&text)),
        (Truth::Damaged, Packet::Binary(bytes)) => Frame::Binary(dice.damage_bytes(&bytes)),
        (Truth::Valid, Packet::Text(text)) => Frame::Text(text),
        (Truth::Valid, Packet::Binary(bytes)) => Frame::Binary(bytes),
    };
    Input::Frames(vec![frame])
}

fn packet(dice: &mut Dice, version: Version, may_be_binary: bool) -> Packet {
    match dice.below(4) {
        0 if may_be_binary && dice.coin() => {
            let mut bytes = dice.bytes(8);
            if version == Version::V3 {
                bytes.insert(0, 4);
            }
            Packet::Binary(bytes)
        }
        0 => {
            let prefix = if version == Version::V3 { "b4" } else { "b" };
            Packet::Text(format!("{prefix}{}", BASE64_STANDARD.encode(dice.bytes(8))))
        }
        1 => Packet::Text(format!(
            "{}{}",
            dice.pick(&["0", "1", "2", "3", "5", "6"]),
            data(dice)
        )),
        _ => Packet::Text(format!("4{}", data(dice))),
    }
}

fn data(dice: &mut Dice) -> String {
    match dice.below(3) {
        0 => String::new(),
        1 => dice.pick(TEXTS).to_owned(),
        _ => dice.text(),
    }
}

fn separated(packets: &[Packet]) -> Vec<u8> {
    let texts: Vec<_> = packets
        .iter()
        .map(|packet| match packet {
            Packet::Text(text) => text.as_str(),
            Packet::Binary(_) => "b",
        })
        .collect();
    texts.join("\u{1e}").into_bytes()
}

fn counted(dice: &mut Dice, packets: &[Packet], bad: Option<usize>) -> Vec<u8> {
    let mut body = String::new();
    for (index, packet) in packets.iter().enumerate() {
        let Packet::Text(text) = packet else { continue };
        if bad == Some(index) && dice.coin() {
            // Wrong, or right in an odd way: the packet is two units long.
            let (length, text) = match dice.below(4) {
                0 => (text.len().to_string(), text.as_str()),
                1 => (text.chars().count().to_string(), text.as_str()),
                _ => (dice.pick(BAD_LENGTHS).to_owned(), "4a"),
            };
            body.push_str(&format!("{length}:{text}"));
        } else {
            body.push_str(&format!("{}:{text}", text.encode_utf16().count()));
        }
    }
    body.into_bytes()
}

fn binary_form(dice: &mut Dice, packets: &[Packet], bad: Option<usize>) -> Vec<u8> {
    let mut body = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        let (mut kind, bytes) = match packet {
            Packet::Text(text) => (0, text.as_bytes()),
            Packet::Binary(bytes) => (1, bytes.as_slice()),
        };
        let mut length = bytes.len().to_string().into_bytes();
        length.iter_mut().for_each(|digit| *digit -= b'0');
        if bad == Some(index) {
            match dice.below(6) {
                0 => kind = dice.pick(&[0, 1, 2, 0x34, 0xff]),
                1 => length = dice.bytes(3),
                2 => length.insert(0, 0),
                3 => length.splice(0..0, [0; 11]).for_each(drop),
                4 => length.clear(),
                _ => {}
            }
        }
        body.push(kind);
        body.extend_from_slice(&length);
        if bad != Some(index) || !dice.one_in(6) {
            body.push(0xff);
        }
        body.extend_from_slice(bytes);
    }
    body
}

/// Packets as a client may send them.
pub(super) fn message(dice: &mut Dice, version: Version) -> Message {
    let form = match (version, dice.below(3)) {
        (_, 0) => Form::Frames,
        (Version::V3, 1) => Form::Octets,
        _ => Form::Text,
    };
    let packets = (0..=dice.few()).map(|_| match dice.below(8) {
        0 => ("close", None),
        1 => ("upgrade", None),
        2 => ("noop", None),
        3 => ("ping", text(dice, form)),
        4 => ("pong", text(dice, form)),
        5 => ("message", Some(Frame::Binary(dice.bytes(9)))),
        _ => ("message", text(dice, form)),
    });
    let packets = packets.collect();
    Message::Engine { packets, form }
}

fn text(dice: &mut Dice, form: Form) -> Option<Frame> {
    let mut text = data(dice);
    if form == Form::Text {
        // Nothing escapes the separator; a client refuses to send it there.
        text = text.replace('\u{1e}', "");
    }
    Some(Frame::Text(text))
}
