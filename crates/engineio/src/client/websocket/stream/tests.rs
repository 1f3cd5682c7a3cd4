//! Both ends of a stream in memory.

use std::task::Waker;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt as _, DuplexStream};

use super::*;

fn pair(room: usize) -> (Messages<DuplexStream>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(room);
    (Messages::new(ours, 1 << 20), theirs)
}

async fn next(messages: &mut Messages<DuplexStream>) -> Option<Result<Message, String>> {
    let next = std::future::poll_fn(|cx| messages.poll_next(cx)).await;
    next.map(|result| result.map_err(|error| error.to_string()))
}

async fn flush(messages: &mut Messages<DuplexStream>) -> io::Result<()> {
    std::future::poll_fn(|cx| messages.poll_flush(cx)).await
}

/// The first byte and the unmasked payload of a short frame.
async fn read_frame(stream: &mut DuplexStream) -> (u8, Vec<u8>) {
    let mut header = [0; 6];
    stream.read_exact(&mut header).await.unwrap();
    let mut payload = vec![0; usize::from(header[1] & 0x7f)];
    stream.read_exact(&mut payload).await.unwrap();
    for (position, byte) in payload.iter_mut().enumerate() {
        *byte ^= header[2 + position % 4];
    }
    (header[0], payload)
}

#[tokio::test]
async fn pings_are_answered_and_closing_is_acknowledged() {
    let (mut messages, mut peer) = pair(4096);
    peer.write_all(b"\x89\x01p\x88\x05\x0f\xa0bye")
        .await
        .unwrap();
    assert_eq!(
        next(&mut messages).await,
        Some(Ok(Message::Ping(Bytes::from_static(b"p"))))
    );
    assert!(matches!(
        next(&mut messages).await,
        Some(Ok(Message::Close(_)))
    ));
    // Nothing follows a close frame.
    messages.send(&Frame::Text("late".into()));
    messages.close();
    flush(&mut messages).await.unwrap();
    assert_eq!(read_frame(&mut peer).await, (0x8a, b"p".to_vec()));
    assert_eq!(read_frame(&mut peer).await, (0x88, b"\x0f\xa0".to_vec()));
    drop(peer);
    flush(&mut messages).await.unwrap();
    assert_eq!(next(&mut messages).await, None);
    assert_eq!(next(&mut messages).await, None);
}

#[tokio::test]
async fn our_close_frame_goes_once_and_pings_behind_it_are_not_answered() {
    let (mut messages, mut peer) = pair(4096);
    messages.close();
    messages.close();
    messages.send(&Frame::Text("late".into()));
    peer.write_all(b"\x89\x01p\x88\x00").await.unwrap();
    assert!(matches!(
        next(&mut messages).await,
        Some(Ok(Message::Ping(_)))
    ));
    assert!(matches!(
        next(&mut messages).await,
        Some(Ok(Message::Close(_)))
    ));
    flush(&mut messages).await.unwrap();
    drop(messages);
    assert_eq!(read_frame(&mut peer).await, (0x88, vec![]));
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_end_without_a_close_frame_is_a_failure_and_the_last() {
    let (mut messages, mut peer) = pair(4096);
    peer.write_all(b"\x81\x01a\x81\x05Hel").await.unwrap();
    drop(peer);
    assert!(matches!(
        next(&mut messages).await,
        Some(Ok(Message::Data(_)))
    ));
    let broken = Some(Err("it ended without a closing handshake".to_owned()));
    assert_eq!(next(&mut messages).await, broken);
    assert_eq!(next(&mut messages).await, None);
}

#[tokio::test]
async fn what_was_sent_before_a_write_failed_is_still_read() {
    let (mut messages, mut peer) = pair(4096);
    peer.write_all(b"\x81\x01a").await.unwrap();
    drop(peer);
    messages.send(&Frame::Text("b".into()));
    flush(&mut messages).await.unwrap_err();
    messages.send(&Frame::Text("c".into()));
    assert!(messages.output.is_empty());
    assert!(matches!(
        next(&mut messages).await,
        Some(Ok(Message::Data(_)))
    ));
}

#[tokio::test]
async fn a_full_socket_is_not_ready_and_what_it_took_keeps_its_memory_until_something_small_follows()
 {
    let (mut messages, mut peer) = pair(1024);
    let large = Frame::Binary(vec![0; 100_000].into());
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(messages.poll_ready(cx).is_ready());
    messages.send(&large);
    assert!(messages.poll_ready(cx).is_pending());
    let reading = tokio::spawn(async move {
        let mut read = vec![0; 100_014];
        peer.read_exact(&mut read).await.map(|_| peer)
    });
    std::future::poll_fn(|cx| messages.poll_ready(cx))
        .await
        .unwrap();
    flush(&mut messages).await.unwrap();
    let peer = reading.await.unwrap().unwrap();
    // It is kept for another large one, and given back when a small one follows.
    let place = messages.output.as_ptr().wrapping_sub(100_014);
    assert!(messages.output.try_reclaim(100_014));
    assert_eq!(messages.output.as_ptr(), place);
    messages.send(&Frame::Text("2".into()));
    flush(&mut messages).await.unwrap();
    assert!(!messages.output.try_reclaim(100_000));
    drop(peer);
}

/// A long upload may keep the socket busy for hours, and a server that pings all that time gets its answers in between.
#[tokio::test]
async fn an_answer_is_one_although_there_is_always_more_to_write() {
    let (mut messages, mut peer) = pair(1024);
    let cx = &mut Context::from_waker(Waker::noop());
    let chunk = Frame::Binary(vec![0; 30_000].into());
    messages.send(&chunk);
    for _ in 0..3 {
        peer.write_all(b"\x89\x00\x89\x00").await.unwrap();
        for _ in 0..2 {
            let ping = next(&mut messages).await;
            assert!(matches!(ping, Some(Ok(Message::Ping(_)))));
        }
        assert!(messages.poll_flush(cx).is_pending());
        assert_eq!(messages.unanswered_pings(), 2);
        messages.send(&chunk);
        // What was there before the second chunk, and some of that.
        for _ in 0..31_000 {
            assert!(messages.poll_flush(cx).is_pending());
            peer.read_exact(&mut [0]).await.unwrap();
        }
        assert_eq!(messages.unanswered_pings(), 0);
    }
}

/// Both sides write while neither can: whoever waits is woken, and nothing is lost or comes twice.
#[tokio::test]
async fn all_comes_through_a_narrow_stream_in_both_directions() {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::{Message as Theirs, protocol::Role};

    const COUNT: usize = 100;
    let size = |number: usize| (number * 7919) % 700;
    for room in [1, 64, 5000] {
        let (mut messages, peer) = pair(room);
        let server = tokio::spawn(async move {
            let socket = WebSocketStream::from_raw_socket(peer, Role::Server, None).await;
            let (mut sink, mut stream) = socket.split();
            let write = async {
                for number in 0..COUNT {
                    let payload = number.to_string().into_bytes();
                    sink.feed(Theirs::Ping(payload.into())).await.unwrap();
                    let data = vec![7; size(number)];
                    sink.send(Theirs::Binary(data.into())).await.unwrap();
                }
            };
            let read = async {
                let (mut read, mut pongs) = (0, 0);
                while read < COUNT || pongs < COUNT {
                    match stream.next().await.unwrap().unwrap() {
                        Theirs::Binary(bytes) => {
                            assert_eq!(bytes.len(), size(read));
                            read += 1;
                        }
                        Theirs::Pong(payload) => {
                            assert_eq!(payload, pongs.to_string());
                            pongs += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            };
            tokio::join!(write, read);
            sink.close().await.unwrap();
            while stream.next().await.is_some() {}
        });
        let (mut sent, mut read) = (0, 0);
        let closed = std::future::poll_fn(|cx| {
            loop {
                while sent < COUNT && messages.poll_ready(cx).is_ready() {
                    messages.send(&Frame::Binary(vec![9; size(sent)].into()));
                    sent += 1;
                }
                assert!(!matches!(messages.poll_flush(cx), Poll::Ready(Err(_))));
                match ready!(messages.poll_next(cx)).unwrap().unwrap() {
                    Message::Data(frame) => {
                        assert_eq!(frame.len(), size(read));
                        read += 1;
                    }
                    Message::Close(_) => return Poll::Ready(()),
                    Message::Ping(_) | Message::Pong => {}
                }
            }
        });
        let within = std::time::Duration::from_secs(30);
        tokio::time::timeout(within, closed).await.unwrap();
        assert_eq!((sent, read), (COUNT, COUNT));
        flush(&mut messages).await.unwrap();
        drop(messages);
        server.await.unwrap();
    }
}

/// Not where frames follow each other so closely that there is always the start of one left, nor behind long ones: what
/// came in a buffer for those would keep all of it alive.
#[tokio::test]
async fn no_message_keeps_more_than_a_small_buffer_alive() {
    let (mut messages, mut peer) = pair(1 << 20);
    let frame = |len: usize| {
        let length = u16::try_from(len).unwrap().to_be_bytes();
        [&[0x82, 126], &length[..], &vec![7; len]].concat()
    };
    let lens = [60_000, 300, 5, 511, 512, 513, 20_000, 1, 7 * 1024, 100];
    let lens: Vec<usize> = lens
        .into_iter()
        .chain((0..200).map(|n| n * 7 % 512))
        .collect();
    let stream: Vec<_> = lens.iter().map(|len| frame(*len)).collect();
    peer.write_all(&stream.concat()).await.unwrap();
    for len in lens {
        let Some(Ok(Message::Data(Frame::Binary(payload)))) = next(&mut messages).await else {
            panic!("{len}");
        };
        assert_eq!(payload.len(), len);
        // With the buffer out of the way, and those before it gone, it alone keeps what it is a part of.
        messages.input = BytesMut::from(&messages.input[..]);
        let mut kept = payload.try_into_mut().unwrap();
        kept.clear();
        assert!(!kept.try_reclaim((8 << 10).max(len) + 1), "{len}");
    }
}
