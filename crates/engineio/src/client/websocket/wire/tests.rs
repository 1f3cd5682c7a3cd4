//! Frames, in bytes: RFC 6455, sections 5.2 to 5.7.

use proptest::prelude::*;

use std::io::Cursor;

use super::*;

const LIMIT: usize = 70_000;

fn read_all(bytes: &[u8]) -> (Vec<Message>, Option<Fault>) {
    let (mut reader, mut buffer) = (Reader::new(LIMIT), BytesMut::from(bytes));
    let mut messages = Vec::new();
    loop {
        match reader.read(&mut buffer) {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, None),
            Err(fault) => return (messages, Some(fault)),
        }
    }
}

fn text(text: &str) -> Message {
    Message::Data(Frame::Text(text.into()))
}

fn binary(bytes: &'static [u8]) -> Message {
    Message::Data(Frame::Binary(Bytes::from_static(bytes)))
}

fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(length as u8),
        length @ 126..=65_535 => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

#[test]
fn what_a_server_may_send() {
    for (bytes, messages) in [
        (&b""[..], vec![]),
        (b"\x81", vec![]),
        (b"\x81\x05Hell", vec![]),
        (b"\x81\x05Hello", vec![text("Hello")]),
        (b"\x82\x02\xff\x00", vec![binary(b"\xff\x00")]),
        (b"\x81\x00\x82\x00", vec![text(""), binary(b"")]),
        (b"\x01\x03Hel\x80\x02lo", vec![text("Hello")]),
        (
            b"\x02\x00\x00\x01a\x00\x00\x80\x01b\x81\x01c",
            vec![binary(b"ab"), text("c")],
        ),
        // Control frames between fragments; a character in two of them.
        (
            b"\x01\x01\xc3\x89\x02ab\x8a\x00\x80\x01\xa9",
            vec![
                Message::Ping(Bytes::from_static(b"ab")),
                Message::Pong,
                text("é"),
            ],
        ),
        // A length need not be the shortest.
        (b"\x81\x7e\x00\x01a", vec![text("a")]),
        (b"\x81\x7f\0\0\0\0\0\0\0\x01a", vec![text("a")]),
        (b"\x88\x00", vec![Message::Close(Bytes::new())]),
        (
            b"\x88\x05\x03\xe8bye",
            vec![Message::Close(Bytes::from_static(b"\x03\xe8bye"))],
        ),
    ] {
        assert_eq!(read_all(bytes), (messages, None), "{bytes:02x?}");
    }
}

#[test]
fn what_a_server_must_not_send() {
    for (bytes, fault) in [
        (&b"\xc1\x00"[..], Fault::ReservedBits),
        (b"\x91\x00", Fault::ReservedBits),
        // At once, whatever is still to come.
        (b"this is plain text", Fault::Opcode(4)),
        (b"\x81\x81mask", Fault::Masked),
        (b"\x83\x00", Fault::Opcode(3)),
        (b"\x8b\x00", Fault::Opcode(11)),
        (b"\x09\x00", Fault::FragmentedControl),
        (b"\x08\x00", Fault::FragmentedControl),
        (b"\x80\x00", Fault::NothingToContinue),
        (b"\x00\x00", Fault::NothingToContinue),
        (b"\x01\x00\x81\x00", Fault::Unfinished),
        (b"\x01\x00\x02\x00", Fault::Unfinished),
        (b"\x81\x01\xff", Fault::NotUtf8),
        (b"\x01\x01\xc3\x80\x00", Fault::NotUtf8),
        (b"\x88\x01\x03", Fault::BadClose),
        (b"\x88\x03\x03\xe8\xff", Fault::BadClose),
        (b"\x88\x00\x81\x00", Fault::BehindClose),
        (b"\x88\x00\x89\x00", Fault::BehindClose),
        (b"\x82\x7f\0\0\0\0\0\x01\x11\x71", Fault::TooLong(LIMIT)),
        (
            b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
            Fault::TooLong(LIMIT),
        ),
    ] {
        let bytes = [bytes, b"x"].concat();
        assert_eq!(read_all(&bytes).1, Some(fault), "{bytes:02x?}");
    }
    let long = server_frame(0x89, &[0; 126]);
    assert_eq!(read_all(&long).1, Some(Fault::LongControl));
    let halves = [
        server_frame(0x02, &[0; LIMIT]),
        server_frame(0x80, b""),
        server_frame(0x02, &[0; LIMIT]),
        server_frame(0x80, b"x"),
    ];
    let (messages, fault) = read_all(&halves.concat());
    assert_eq!((messages.len(), fault), (1, Some(Fault::TooLong(LIMIT))));
}

/// What announces a length gets no memory for it where that is beyond the limit.
#[test]
fn nothing_is_reserved_for_what_is_too_long() {
    let mut buffer = BytesMut::from(&b"\x82\x7f\0\0\x7f\xff\xff\xff\xff\xff"[..]);
    assert!(Reader::new(LIMIT).read(&mut buffer).is_err());
    assert!(buffer.capacity() < 1024);
}

/// It is read in place, and nothing that follows keeps its memory alive.
#[test]
fn a_long_message_has_its_memory_to_itself() {
    let long = server_frame(0x82, &[b'6'; LIMIT]);
    let (mut reader, mut buffer) = (Reader::new(LIMIT), BytesMut::from(&long[..2000]));
    assert_eq!(reader.read(&mut buffer), Ok(None));
    // What is read fits in behind what is there, and no more does.
    assert_eq!(reader.missing(&buffer), Some(long.len() - 2000));
    assert_eq!(buffer.capacity() - buffer.len(), long.len() - 2000);
    let place = buffer.as_ptr();
    buffer.extend_from_slice(&long[2000..]);
    let Ok(Some(Message::Data(Frame::Binary(payload)))) = reader.read(&mut buffer) else {
        panic!("it is there");
    };
    assert_eq!((payload.len(), payload.as_ptr()), (LIMIT, place));
    assert_eq!((buffer.capacity(), reader.missing(&buffer)), (0, None));
}

#[test]
fn codes_of_close_frames() {
    for (payload, code) in [
        (&[][..], None),
        (&[3], None),
        (&[3, 0xe8], Some(1000)),
        (&[0x0f, 0xa0, b'x'], Some(4000)),
        (&[3, 0xed], Some(1002)),
        (&[3, 0xee], Some(1002)),
        (&[0, 0], Some(1002)),
        (&[0xff, 0xff], Some(1002)),
    ] {
        assert_eq!(close_code(payload), code, "{payload:?}");
    }
}

/// Reads what a client wrote, as a server does.
fn unmasked(bytes: &[u8]) -> (OpCode, Vec<u8>, &[u8]) {
    let mut cursor = Cursor::new(bytes);
    let (header, length) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
    assert!(header.is_final);
    let mask = header.mask.unwrap();
    let (payload, rest) = bytes[cursor.position() as usize..].split_at(length as usize);
    let mut payload = payload.to_vec();
    for (position, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[position % 4];
    }
    (header.opcode, payload, rest)
}

#[test]
fn what_a_client_sends_is_masked_and_whole() {
    for length in [0, 1, 7, 8, 9, 125, 126, 127, 65_535, 65_536] {
        let payload: Vec<u8> = (0..length).map(|number| number as u8).collect();
        let mut output = BytesMut::new();
        write_data(&Frame::Binary(payload.clone().into()), &mut output);
        write_data(&Frame::Text("é".into()), &mut output);
        write_pong(b"p", &mut output);
        write_close(Some(1000), &mut output);
        write_close(None, &mut output);
        let (opcode, read, rest) = unmasked(&output);
        assert!(
            opcode == OpCode::Data(Data::Binary) && read == payload,
            "{length}"
        );
        let header = match length {
            0..=125 => 6,
            126..=65_535 => 8,
            _ => MAX_HEADER,
        };
        assert_eq!(output.len() - rest.len(), header + length);
        let (opcode, read, rest) = unmasked(rest);
        assert_eq!((opcode, &*read), (OpCode::Data(Data::Text), "é".as_bytes()));
        let (opcode, read, rest) = unmasked(rest);
        assert_eq!(
            (opcode, &*read),
            (OpCode::Control(Control::Pong), &b"p"[..])
        );
        let (opcode, read, rest) = unmasked(rest);
        assert_eq!(
            (opcode, &*read),
            (OpCode::Control(Control::Close), &b"\x03\xe8"[..])
        );
        assert_eq!(
            unmasked(rest),
            (OpCode::Control(Control::Close), vec![], &[][..])
        );
    }
}

#[test]
fn each_frame_has_a_mask_of_its_own() {
    let masks: std::collections::HashSet<_> = (0..100)
        .map(|_| {
            let mut output = BytesMut::new();
            write_pong(b"", &mut output);
            output.split_off(2)
        })
        .collect();
    // Two of a hundred are the same once in 800 000 runs.
    assert!(masks.len() >= 99);
}

proptest! {
    #[test]
    fn pieces_make_no_difference(bytes: Vec<u8>, cuts in prop::collection::vec(0usize..40, 0..20)) {
        let (expected, fault) = read_all(&bytes);
        let (mut reader, mut buffer) = (Reader::new(LIMIT), BytesMut::new());
        let mut messages = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            rest = after;
            buffer.extend_from_slice(piece);
            loop {
                match reader.read(&mut buffer) {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(found) => {
                        prop_assert_eq!(Some(found), fault);
                        prop_assert_eq!(messages, expected);
                        return Ok(());
                    }
                }
            }
        }
        prop_assert_eq!((messages, None), (expected, fault));
    }

    #[test]
    fn fragments_make_one_message(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..9)) {
        let last = parts.len() - 1;
        let frames = parts.iter().enumerate().flat_map(|(number, part)| {
            let opcode = if number == 0 { 0x02 } else { 0x00 };
            server_frame(opcode | if number == last { 0x80 } else { 0 }, part)
        });
        let (messages, fault) = read_all(&frames.collect::<Vec<_>>());
        let whole = Frame::Binary(parts.concat().into());
        prop_assert_eq!((messages, fault), (vec![Message::Data(whole)], None));
    }
}
