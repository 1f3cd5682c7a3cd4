//! Both ends of a stream in memory.

use std::task::Waker;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt as _, DuplexStream};

use super::*;

fn pair(room: usize) -> (Messages<DuplexStream>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(room);
    (Messages::new(ours, 1 << 20, 4096), theirs)
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
async fn a_full_socket_is_not_ready_and_what_it_took_does_not_keep_its_memory() {
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
    assert!(!messages.output.try_reclaim(100_000));
    drop(reading.await.unwrap().unwrap());
}
