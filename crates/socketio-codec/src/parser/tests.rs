//! Parsers as such; what the formats do is tested with them.

use super::*;
use crate::{Args, Event, Json, Namespace};

/// `name:json:attachment count`, one message of each attachment behind it.
#[derive(Debug)]
struct Plain;

impl CustomParser for Plain {
    fn name(&self) -> &str {
        "plain"
    }

    fn supports(&self, revision: Revision) -> bool {
        revision == Revision::R5
    }

    fn encode(&self, packet: &Packet) -> Result<Parts, EncodeError> {
        match packet {
            Packet::Event { event, .. } => {
                let text = event.json().to_owned();
                let rest = event.attachments().iter().cloned().map(Part::Binary);
                Ok(Parts::new(Part::Text(text.into()), rest.collect()))
            }
            _ => Err(EncodeError::custom("only events")),
        }
    }

    fn decoder(&self, limits: &Limits, revision: Revision) -> Box<dyn CustomDecoder> {
        Box::new(PlainDecoder {
            limits: limits.clone(),
            revision,
            held: None,
        })
    }
}

#[derive(Debug)]
struct PlainDecoder {
    limits: Limits,
    revision: Revision,
    held: Option<ByteString>,
}

impl CustomDecoder for PlainDecoder {
    fn text(&mut self, text: ByteString) -> Result<Option<Packet>, DecodeError> {
        self.held = Some(text);
        Ok(None)
    }

    fn binary(&mut self, data: Bytes) -> Result<Option<Packet>, DecodeError> {
        let text = self.held.take().ok_or(DecodeError::UnexpectedBinary)?;
        if data.len() > self.limits.max_attachment_bytes {
            return Err(DecodeError::custom("too much"));
        }
        let event = Event::from_json(text, vec![data], self.revision)?;
        Ok(Some(Packet::Event {
            namespace: Namespace::root(),
            id: None,
            event,
        }))
    }

    fn is_assembling(&self) -> bool {
        self.held.is_some()
    }
}

fn event(event: Event) -> Packet {
    Packet::Event {
        namespace: Namespace::root(),
        id: None,
        event,
    }
}

#[test]
fn json_is_text_followed_by_attachments() {
    let data = Bytes::from_static(b"x");
    let packet = event(Event::new("a", &(&data, 1)).unwrap());
    let parts = Parser::default().encode(&packet).unwrap();
    let text = r#"51-["a",{"_placeholder":true,"num":0},1]"#;
    let expected = [Part::Text(text.into()), Part::Binary(data)];
    assert!(parts.iter().eq(&expected));

    let mut decoder = Parser::default().decoder(Limits::default(), Revision::R5);
    let [text, data] = expected;
    assert_eq!(decoder.part(text), Ok(None));
    assert!(decoder.is_assembling());
    assert_eq!(decoder.part(data), Ok(Some(packet)));
    assert!(!decoder.is_assembling());
}

#[test]
fn json_is_read_in_the_revision_asked_for() {
    let reserved = || ByteString::from(r#"2["connect"]"#);
    let decoder = |revision| Parser::json().decoder(Limits::default(), revision);
    assert!(decoder(Revision::R4).text(reserved()).is_ok());
    assert!(decoder(Revision::R5).text(reserved()).is_err());
}

#[test]
fn a_custom_parser_is_asked_for_everything() {
    let parser = Parser::custom(Plain);
    assert_eq!(parser.name(), "plain");
    assert!(!parser.supports(Revision::R4) && parser.supports(Revision::R5));
    let packet = event(Event::new("a", &Bytes::from_static(b"x")).unwrap());
    let limits = Limits {
        max_attachment_bytes: 1,
        ..Limits::default()
    };
    let mut decoder = parser.decoder(limits, Revision::R5);
    let parts: Vec<Part> = parser.encode(&packet).unwrap().into_iter().collect();
    let [text, data] = parts.as_slice() else {
        panic!("{parts:?}")
    };
    assert_eq!(decoder.part(text.clone()), Ok(None));
    assert!(decoder.is_assembling());
    assert_eq!(decoder.part(data.clone()), Ok(Some(packet)));

    decoder.part(text.clone()).unwrap();
    let error = decoder.binary(Bytes::from_static(b"xx")).unwrap_err();
    assert_eq!(error.to_string(), "too much");
    let packet = Packet::Disconnect {
        namespace: Namespace::root(),
    };
    let error = parser.encode(&packet).unwrap_err();
    assert_eq!(error.to_string(), "only events");
}

#[test]
fn parsers_are_the_same_or_not() {
    let custom = Parser::custom(Plain);
    assert_eq!(Parser::json(), Parser::default());
    assert!(Parser::json().is_json() && !custom.is_json());
    assert_eq!(custom, custom.clone());
    assert_ne!(custom, Parser::custom(Plain));
    assert_ne!(custom, Parser::json());
    assert_eq!(format!("{custom:?}"), r#"Parser("plain")"#);
    #[cfg(feature = "msgpack")]
    {
        assert_eq!(Parser::msgpack(), Parser::msgpack());
        assert_ne!(Parser::msgpack(), Parser::json());
        assert!(!Parser::msgpack().is_json());
        assert!(!Parser::msgpack().supports(Revision::R4));
        assert_eq!(format!("{:?}", Parser::msgpack()), r#"Parser("msgpack")"#);
    }
}

#[test]
fn parts_show_their_sizes_only() {
    let parts = Parts::new(
        Part::Text("secret".into()),
        vec![Bytes::from_static(b"12345").into()],
    );
    assert_eq!(
        format!("{parts:?}"),
        "Parts { first: Text(6 bytes), rest: [Binary(5 bytes)] }"
    );
}

#[test]
fn what_a_parser_gives_is_checked() {
    let data = || vec![Bytes::from_static(b"x")];
    let placeholder = r#"[{"_placeholder":true,"num":0}]"#;
    let args = Args::from_json(placeholder, data()).unwrap();
    assert_eq!(args, Args::new(&Bytes::from_static(b"x")).unwrap());
    // Without attachments an object is an object.
    assert_eq!(Args::from_json(placeholder, vec![]).unwrap().len(), 1);
    let deep = format!("[{}{}]", "[".repeat(128), "]".repeat(128));
    assert!(Args::from_json(deep.as_str(), vec![]).is_ok());
    for (text, attachments, error) in [
        ("", vec![], illegal(0, "an array")),
        (" {}", vec![], illegal(1, "an array")),
        ("  [1,]", vec![], DecodeError::InvalidJson { offset: 5 }),
        ("[1] 2", vec![], DecodeError::InvalidJson { offset: 4 }),
        (
            r#" [1,{"_placeholder":true,"num":1}]"#,
            data(),
            DecodeError::IllegalPlaceholder { offset: 4 },
        ),
        (
            &deep,
            data(),
            DecodeError::TooDeep {
                offset: 128,
                limit: 128,
            },
        ),
    ] {
        assert_eq!(Args::from_json(text, attachments), Err(error), "{text}");
    }
    let spaced = Event::from_json(" [ \"a\" , 1 ]\n", vec![], Revision::R5).unwrap();
    assert_eq!((spaced.name(), spaced.args().len()), ("a", 1));
    for (text, error) in [
        (" [null]", DecodeError::IllegalEventName { offset: 2 }),
        ("[]", DecodeError::IllegalEventName { offset: 1 }),
        (
            " [\"connect\"]",
            DecodeError::ReservedEventName {
                offset: 2,
                name: "connect",
            },
        ),
        ("[", DecodeError::InvalidJson { offset: 1 }),
    ] {
        assert_eq!(
            Event::from_json(text, vec![], Revision::R5),
            Err(error),
            "{text}"
        );
    }
    assert!(Event::from_json("[\"connect\"]", vec![], Revision::R4).is_ok());
    assert_eq!(Json::from_text("\n \"x\" ").unwrap().as_str(), "\"x\"");
    assert_eq!(
        Json::from_text(" [1"),
        Err(DecodeError::InvalidJson { offset: 3 })
    );
}

fn illegal(offset: usize, expected: &'static str) -> DecodeError {
    DecodeError::IllegalPayload { offset, expected }
}

/// Panics at everything.
#[derive(Debug)]
struct Broken;

impl CustomParser for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    fn supports(&self, _: Revision) -> bool {
        panic!("no")
    }

    fn encode(&self, _: &Packet) -> Result<Parts, EncodeError> {
        panic!("no")
    }

    fn decoder(&self, _: &Limits, revision: Revision) -> Box<dyn CustomDecoder> {
        match revision {
            Revision::R4 => panic!("no"),
            _ => Box::new(BrokenDecoder(false)),
        }
    }
}

#[derive(Debug)]
struct BrokenDecoder(bool);

impl CustomDecoder for BrokenDecoder {
    fn text(&mut self, _: ByteString) -> Result<Option<Packet>, DecodeError> {
        assert!(!self.0, "used again after a panic");
        self.0 = true;
        panic!("no")
    }

    fn binary(&mut self, _: Bytes) -> Result<Option<Packet>, DecodeError> {
        assert!(self.0, "used again after a panic");
        Ok(None)
    }

    fn is_assembling(&self) -> bool {
        panic!("no")
    }
}

#[test]
fn a_panic_in_a_custom_parser_is_an_error() {
    let parser = Parser::custom(Broken);
    assert!(!parser.supports(Revision::R5));
    let packet = Packet::Disconnect {
        namespace: Namespace::root(),
    };
    let panicked = "the parser has panicked";
    let error = parser.encode(&packet).unwrap_err();
    assert_eq!(error, EncodeError::custom(panicked));
    let panicked = Err(DecodeError::custom(panicked));
    for revision in [Revision::R4, Revision::R5] {
        let mut decoder = parser.decoder(Limits::default(), revision);
        assert!(!decoder.is_assembling());
        assert_eq!(decoder.text("x".into()), panicked);
        // It is not asked again.
        assert_eq!(decoder.binary(Bytes::new()), panicked);
    }
}
