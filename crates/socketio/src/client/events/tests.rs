//! Both ends of the queue, polled by hand.

use super::*;
use crate::event::Message;
use engineio::Transport;
use std::sync::atomic::AtomicBool;
use std::task::{Wake, Waker};

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn event() -> Event {
    Event::Upgraded(Transport::WebSocket)
}

fn read(inbox: &mut Inbox) -> bool {
    inbox
        .poll_next(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

#[test]
fn the_task_is_woken_when_half_of_a_full_queue_has_been_read() {
    let (mut mailbox, mut inbox) = mailbox(4, usize::MAX, Overflow::Backpressure);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    let cx = &mut Context::from_waker(&waker);
    for _ in 0..4 {
        assert!(!mailbox.is_full());
        mailbox.push(event());
    }
    assert!(mailbox.is_full());
    assert!(!read(&mut inbox), "a batch is handed over as a whole");
    mailbox.flush();
    assert!(mailbox.poll_room(cx).is_pending());
    assert!(read(&mut inbox));
    assert!(!mailbox.is_full() && mailbox.poll_room(cx).is_pending());
    assert!(!flag.0.load(Ordering::SeqCst));
    assert!(read(&mut inbox));
    assert!(flag.0.load(Ordering::SeqCst));
    assert!(mailbox.poll_room(cx).is_ready());
}

/// The first of two is read while the second is about to be handed over.
#[test]
fn the_task_is_woken_whenever_the_reader_reads() {
    let (mut mailbox, mut inbox) = mailbox(2, usize::MAX, Overflow::Backpressure);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    mailbox.push(event());
    mailbox.flush();
    mailbox.push(event());
    assert!(mailbox.is_full());
    let room = mailbox.poll_room(&mut Context::from_waker(&waker));
    assert!(room.is_pending());
    assert!(read(&mut inbox));
    mailbox.flush();
    assert!(read(&mut inbox) && flag.0.load(Ordering::SeqCst));
}

#[test]
fn what_has_been_read_is_not_in_the_queue_any_more() {
    let (mut mailbox, mut inbox) = mailbox(1000, usize::MAX, Overflow::Disconnect);
    for _ in 0..999 {
        mailbox.push(event());
    }
    mailbox.flush();
    assert!(read(&mut inbox));
    mailbox.push(event());
    assert!(!mailbox.is_full(), "{:?}", inbox.queue.depth());
    mailbox.push(event());
    assert!(mailbox.is_full());
}

#[test]
fn a_queue_of_one_works_and_one_of_none_is_one() {
    for limit in [0, 1] {
        let (mut mailbox, mut inbox) = mailbox(limit, usize::MAX, Overflow::Backpressure);
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(!mailbox.is_full());
        mailbox.push(event());
        mailbox.flush();
        assert!(mailbox.is_full() && mailbox.poll_room(cx).is_pending());
        assert!(read(&mut inbox));
        assert!(!mailbox.is_full() && mailbox.poll_room(cx).is_ready());
    }
}

#[test]
fn the_words_of_a_server_count_as_bytes() {
    let message = "x".repeat(24);
    let data = socketio_codec::Json::from_serialize(&message).ok();
    for event in [
        Event::ConnectError {
            error: ConnectError::Refused {
                message: message.clone(),
                data: None,
            },
            retry_in: None,
        },
        Event::Disconnected {
            reason: DisconnectReason::Refused {
                message: String::new(),
                data,
            },
            retry_in: None,
        },
    ] {
        let (mut mailbox, _inbox) = mailbox(100, 24, Overflow::Backpressure);
        mailbox.push(event);
        assert!(mailbox.is_full());
    }
}

#[test]
fn a_queue_is_full_of_bytes_too_and_wakes_when_half_of_them_are_gone() {
    let (mut mailbox, mut inbox) = mailbox(100, 24, Overflow::Backpressure);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    let cx = &mut Context::from_waker(&waker);
    for _ in 0..3 {
        assert!(!mailbox.is_full());
        let event = socketio_codec::Event::new("x", &"1").unwrap();
        assert_eq!(event.json().len(), 9);
        mailbox.push(Event::Message(Message { event, ack: None }));
    }
    assert!(mailbox.is_full());
    mailbox.flush();
    assert!(read(&mut inbox));
    assert!(mailbox.poll_room(cx).is_pending() && !flag.0.load(Ordering::SeqCst));
    assert!(read(&mut inbox));
    assert!(flag.0.load(Ordering::SeqCst));
    assert!(mailbox.poll_room(cx).is_ready());
    assert!(read(&mut inbox) && !mailbox.is_full());
}

#[test]
fn a_reader_that_has_gone_is_never_full_and_wakes_the_task() {
    let (mut mailbox, inbox) = mailbox(1, usize::MAX, Overflow::Backpressure);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    let cx = &mut Context::from_waker(&waker);
    mailbox.push(event());
    assert!(mailbox.poll_room(cx).is_pending());
    drop(inbox);
    assert!(flag.0.load(Ordering::SeqCst));
    assert!(!mailbox.is_full() && mailbox.poll_room(cx).is_ready());
    mailbox.flush();
    mailbox.push(event());
    assert!(mailbox.batch.is_empty());
}

#[test]
fn what_was_handed_over_can_be_read_when_the_task_is_gone() {
    let (mut mailbox, mut inbox) = mailbox(4, usize::MAX, Overflow::Backpressure);
    mailbox.push(event());
    mailbox.push(event());
    mailbox.flush();
    drop(mailbox);
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(matches!(inbox.poll_next(cx), Poll::Ready(Some(_))));
    assert!(matches!(inbox.poll_next(cx), Poll::Ready(Some(_))));
    assert!(matches!(inbox.poll_next(cx), Poll::Ready(None)));
}

fn message(number: usize) -> Event {
    let event = socketio_codec::Event::new("x", &number).unwrap();
    Event::Message(Message { event, ack: None })
}

fn told(inbox: &mut Inbox) -> Vec<String> {
    let cx = &mut Context::from_waker(Waker::noop());
    std::iter::from_fn(|| match inbox.poll_next(cx) {
        Poll::Ready(Some(Event::Message(message))) => Some(message.json().to_owned()),
        Poll::Ready(Some(event)) => Some(format!("{event:?}")),
        Poll::Ready(None) | Poll::Pending => None,
    })
    .collect()
}

#[test]
fn the_oldest_are_dropped_and_counted_where_they_were() {
    let (mut mailbox, mut inbox) = mailbox(3, usize::MAX, Overflow::DropOldest);
    for number in 0..10 {
        mailbox.push(message(number));
    }
    mailbox.flush();
    assert_eq!(inbox.queue.depth().0, 3);
    let expected = ["Lagged(7)", r#"["x",7]"#, r#"["x",8]"#, r#"["x",9]"#];
    assert_eq!(told(&mut inbox), expected);
    mailbox.push(message(10));
    mailbox.flush();
    assert_eq!(told(&mut inbox), [r#"["x",10]"#]);
    assert_eq!((inbox.queue.depth(), inbox.queue.dropped()), ((0, 0), 7));
}

#[test]
fn what_was_not_sent_is_one_event_however_often_it_is_told() {
    let (mut mailbox, mut inbox) = mailbox(3, usize::MAX, Overflow::Backpressure);
    let unsent = |events, error| Event::Unsent { events, error };
    for _ in 0..5 {
        mailbox.push(unsent(2, EmitError::Disconnected));
        mailbox.flush();
    }
    for _ in 0..5 {
        mailbox.push(unsent(1, EmitError::NotAcknowledged));
        mailbox.flush();
        mailbox.push(unsent(1, EmitError::Disconnected));
    }
    mailbox.flush();
    let cx = &mut Context::from_waker(Waker::noop());
    for expected in [
        unsent(15, EmitError::Disconnected),
        unsent(5, EmitError::NotAcknowledged),
    ] {
        assert_eq!(inbox.poll_next(cx), Poll::Ready(Some(expected)));
    }
    assert!(inbox.poll_next(cx).is_pending());
}

#[test]
fn the_oldest_are_dropped_from_under_a_reader_that_has_begun() {
    let (mut mailbox, mut inbox) = mailbox(3, usize::MAX, Overflow::DropOldest);
    for number in 0..3 {
        mailbox.push(message(number));
    }
    mailbox.flush();
    assert!(read(&mut inbox));
    for number in 3..9 {
        mailbox.push(message(number));
        mailbox.flush();
    }
    let expected = ["Lagged(5)", r#"["x",6]"#, r#"["x",7]"#, r#"["x",8]"#];
    assert_eq!(told(&mut inbox), expected);
}

#[test]
fn the_oldest_are_dropped_for_their_bytes_too_but_never_the_newest() {
    let (mut mailbox, mut inbox) = mailbox(100, 30, Overflow::DropOldest);
    for number in 0..10 {
        mailbox.push(message(number));
    }
    mailbox.flush();
    assert_eq!(told(&mut inbox).len(), 1 + 30 / r#"["x",1]"#.len());
    let event = socketio_codec::Event::new("x", &"y".repeat(100)).unwrap();
    mailbox.push(Event::Message(Message { event, ack: None }));
    mailbox.flush();
    assert_eq!(told(&mut inbox).len(), 1);
}
