//! Formats of one's own that misbehave.

use socketio::codec::{
    ByteString, CustomDecoder, CustomParser, DecodeError, Decoder, EncodeError, Limits as Codec,
    Packet, Parser, Part, Parts, Revision,
};

use super::*;

/// JSON that fails where it is told to.
#[derive(Debug)]
struct Moody;

impl CustomParser for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn encode(&self, packet: &Packet) -> Result<Parts, EncodeError> {
        let mut text = String::new();
        packet.encode(&mut text);
        assert!(!text.contains("panic"), "as told");
        match text.contains("fail") {
            true => Err(EncodeError::custom("as told")),
            // Raw where JSON has an escape sequence.
            false => Ok(Part::Text(text.replace("\\u001e", "\u{1e}").into()).into()),
        }
    }

    fn decoder(&self, limits: &Codec, revision: Revision) -> Box<dyn CustomDecoder> {
        Box::new(MoodyDecoder(Decoder::with_revision(
            limits.clone(),
            revision,
        )))
    }
}

#[derive(Debug)]
struct MoodyDecoder(Decoder);

impl CustomDecoder for MoodyDecoder {
    fn text(&mut self, text: ByteString) -> Result<Option<Packet>, DecodeError> {
        assert!(!text.contains("panic"), "as told");
        match text.contains("fail") {
            true => Err(DecodeError::custom("as told")),
            false => self.0.text(text),
        }
    }

    fn binary(&mut self, data: Bytes) -> Result<Option<Packet>, DecodeError> {
        self.0.binary(data)
    }
}

/// Whatever goes wrong in the decoder costs the link, and nothing else.
#[tokio::test]
async fn a_parser_that_fails_or_panics_costs_the_link() {
    for text in [r#"2["fail"]"#, r#"2["panic"]"#] {
        let server = Server::start().await;
        let client = server.client("").parser(Parser::custom(Moody));
        let (socket, mut events, mut peer) = server.joined_by(client).await;
        let ack = tokio::spawn({
            let socket = socket.clone();
            async move { socket.emit_with_ack("asked", (), LONG).await }
        });
        peer.expect(r#"20["asked"]"#).await;
        peer.send(text).await;
        peer.expect_close().await;
        let Event::Disconnected {
            reason, retry_in, ..
        } = next(&mut events).await
        else {
            panic!()
        };
        assert!(matches!(reason, DisconnectReason::Decode(_)), "{reason}");
        assert!(retry_in.is_some());
        let ack = within(ack).await.unwrap();
        assert_eq!(ack.unwrap_err(), AckError::Disconnected);
        let _peer = server.rejoined().await;
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
    }
}

/// And in the encoder, the packet.
#[tokio::test]
async fn what_a_parser_cannot_write_is_not_sent() {
    let server = Server::start().await;
    let client = server.client("").parser(Parser::custom(Moody));
    let (socket, _events, mut peer) = server.joined_by(client).await;
    for name in ["fail", "panic", "a\u{1e}b"] {
        let refused = within(socket.emit(name, ())).await;
        assert!(matches!(refused, Err(EmitError::Encode(_))), "{refused:?}");
    }
    within(socket.emit("last", ())).await.unwrap();
    peer.expect(r#"2["last"]"#).await;
}
