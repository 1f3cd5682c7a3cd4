use super::*;
use futures_util::FutureExt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Wake;
use tokio::runtime::Builder;

/// Tells whether it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Flag {
    fn is_set(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    future.now_or_never()
}

/// What can be received now.
fn received<T>(receiver: &mut Receiver<T>) -> Vec<T> {
    std::iter::from_fn(|| now(poll_fn(|cx| receiver.poll_recv(cx)))).collect()
}

#[test]
fn items_are_received_in_the_order_in_which_they_were_sent() {
    let (sender, mut receiver) = bounded(5);
    for number in 0..3 {
        assert_eq!(sender.try_send(number), Ok(()));
    }
    let mut next = || now(poll_fn(|cx| receiver.poll_recv(cx)));
    assert_eq!(next(), Some(0));
    // Behind those that were taken together with the first.
    assert_eq!(now(sender.send(3)), Some(Ok(())));
    let permit = now(sender.reserve()).unwrap().unwrap();
    assert_eq!(permit.send(4), Ok(()));
    assert_eq!(received(&mut receiver), [1, 2, 3, 4]);
}

/// One that cannot be carried out yet, such as the last of many that the socket took nothing of, must not make all of
/// the room look taken.
#[test]
fn what_was_received_gives_its_room_back_before_all_of_its_batch_was() {
    let (sender, mut receiver) = bounded(64);
    for number in 0..64 {
        assert_eq!(sender.try_send(number), Ok(()));
    }
    for number in 0..63 {
        assert_eq!(now(poll_fn(|cx| receiver.poll_recv(cx))), Some(number));
    }
    let room = std::iter::from_fn(|| sender.try_send(64).ok());
    assert_eq!((room.count(), receiver.len()), (63, 64));
}

#[test]
fn no_more_wait_than_there_is_room_for_wherever_they_are() {
    let (sender, mut receiver) = bounded(2);
    assert_eq!(sender.try_send(0), Ok(()));
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(sender.try_send(2), Err(Refused::Full));
    assert_eq!(now(sender.send(2)), None);
    assert_eq!(receiver.len(), 2);
    // Both are taken out, and one is still there.
    assert_eq!(now(poll_fn(|cx| receiver.poll_recv(cx))), Some(0));
    assert_eq!(receiver.len(), 1);
    assert_eq!(sender.try_send(2), Ok(()));
    assert_eq!(sender.try_send(3), Err(Refused::Full));
    assert_eq!(receiver.len(), 2);
    assert_eq!(received(&mut receiver), [1, 2]);
}

#[test]
fn room_that_is_reserved_is_taken_until_it_is_given_back() {
    let (sender, mut receiver) = bounded(1);
    let permit = now(sender.reserve()).unwrap().unwrap();
    assert_eq!(sender.try_send(0), Err(Refused::Full));
    drop(permit);
    assert_eq!(sender.try_send(0), Ok(()));
    assert!(now(sender.reserve()).is_none());
    assert_eq!(received(&mut receiver), [0]);
    // Used once, it comes back once.
    let permit = now(sender.reserve()).unwrap().unwrap();
    assert_eq!(permit.send(1), Ok(()));
    assert_eq!(sender.try_send(2), Err(Refused::Full));
}

#[test]
fn who_waits_for_room_is_served_in_turn() {
    let (sender, mut receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = pin!(sender.send(1));
    let mut second = pin!(sender.send(2));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    assert_eq!(received(&mut receiver), [0]);
    // The room is the first one's, whoever comes before it is polled.
    assert_eq!(sender.try_send(3), Err(Refused::Full));
    assert!(second.as_mut().poll(&mut cx).is_pending());
    assert_eq!(first.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(received(&mut receiver), [1]);
    assert_eq!(second.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(received(&mut receiver), [2]);
}

#[test]
fn who_stops_waiting_sends_nothing_and_leaves_the_room_to_the_next() {
    let (sender, mut receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let flag = Arc::new(Flag::default());
    let waker = flag.clone().into();
    let mut cx = Context::from_waker(&waker);
    let mut first = Box::pin(sender.send(1));
    let mut second = Box::pin(sender.send(2));
    let mut third = Box::pin(sender.reserve());
    assert!(
        first
            .poll_unpin(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    assert!(
        second
            .poll_unpin(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    assert!(third.poll_unpin(&mut cx).is_pending());
    // One while it waits, one when the room is its own already.
    drop(second);
    assert_eq!(received(&mut receiver), [0]);
    assert!(!flag.is_set());
    drop(first);
    assert!(flag.is_set());
    let Poll::Ready(Ok(permit)) = third.poll_unpin(&mut cx) else {
        panic!("there is room");
    };
    assert_eq!(permit.send(3), Ok(()));
    assert_eq!(received(&mut receiver), [3]);
}

#[test]
fn the_task_is_woken_by_the_first_item_after_it_found_none() {
    let (sender, mut receiver) = unbounded();
    let (old, new) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
    for flag in [&old, &new] {
        let waker = flag.clone().into();
        assert!(
            receiver
                .poll_recv(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    sender.try_send(0).unwrap();
    assert!(!old.is_set());
    assert!(new.is_set());
    sender.try_send(1).unwrap();
    assert!(!new.is_set());
    assert_eq!(received(&mut receiver), [0, 1]);
}

#[test]
fn who_waits_for_room_is_woken_by_the_end() {
    let (sender, mut receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let flag = Arc::new(Flag::default());
    let waker = flag.clone().into();
    let mut cx = Context::from_waker(&waker);
    let mut waiting = pin!(sender.send(1));
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    assert_eq!(receiver.end().collect::<Vec<_>>(), [0]);
    assert!(flag.is_set());
    assert_eq!(waiting.as_mut().poll(&mut cx), Poll::Ready(Err(Closed)));
}

#[test]
fn the_task_learns_when_the_last_sender_is_gone() {
    let (sender, mut receiver) = unbounded();
    let flag = Arc::new(Flag::default());
    let waker = flag.clone().into();
    let other = sender.clone();
    assert!(
        receiver
            .poll_recv(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(sender);
    assert!(!flag.is_set());
    assert!(!receiver.is_finished());
    other.try_send(0).unwrap();
    assert!(flag.is_set());
    other.try_send(1).unwrap();
    drop(other);
    // What was sent before is still there.
    assert!(!receiver.is_finished());
    let mut next = || now(poll_fn(|cx| receiver.poll_recv(cx)));
    assert_eq!(next(), Some(0));
    assert!(!receiver.is_finished());
    assert_eq!(received(&mut receiver), [1]);
    assert!(receiver.is_finished());

    let (sender, mut receiver) = unbounded::<()>();
    assert!(
        receiver
            .poll_recv(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(sender);
    assert!(flag.is_set());
    assert!(receiver.is_finished());
}

#[test]
fn an_empty_channel_keeps_no_memory() {
    let (sender, mut receiver) = bounded(4);
    for number in 0..4 {
        sender.try_send(number).unwrap();
    }
    assert_eq!(received(&mut receiver), [0, 1, 2, 3]);
    assert_eq!(receiver.taken.capacity(), 0);
    assert_eq!(receiver.channel.lock().items.capacity(), 0);
}

#[test]
fn a_channel_that_has_ended_does_not_keep_the_task() {
    let (sender, mut receiver) = unbounded::<()>();
    let flag = Arc::new(Flag::default());
    let waker = flag.clone().into();
    let mut cx = Context::from_waker(&waker);
    assert!(receiver.poll_recv(&mut cx).is_pending());
    assert_eq!(Arc::strong_count(&flag), 3);
    drop(receiver);
    assert_eq!(Arc::strong_count(&flag), 2);
    assert!(sender.is_closed());
}

#[test]
fn behind_the_end_nothing_is_accepted() {
    let (sender, mut receiver) = bounded(4);
    sender.try_send(0).unwrap();
    sender.try_send(1).unwrap();
    assert_eq!(now(poll_fn(|cx| receiver.poll_recv(cx))), Some(0));
    sender.try_send(2).unwrap();
    let permit = now(sender.reserve()).unwrap().unwrap();
    assert!(!sender.is_closed());
    assert_eq!(receiver.end().collect::<Vec<_>>(), [1, 2]);
    assert!(sender.is_closed());
    assert_eq!(permit.send(3), Err(Closed));
    assert_eq!(now(sender.send(3)), Some(Err(Closed)));
    assert_eq!(sender.try_send(3), Err(Refused::Closed));
    assert_eq!(now(sender.reserve()).unwrap().err(), Some(Closed));
    assert_eq!(receiver.end().count(), 0);
    assert!(received(&mut receiver).is_empty());
}

#[test]
fn what_nobody_received_is_dropped_with_the_receiver() {
    let (sender, mut receiver) = bounded(4);
    let item = Arc::new(());
    for _ in 0..3 {
        sender.try_send(item.clone()).unwrap();
    }
    assert!(now(poll_fn(|cx| receiver.poll_recv(cx))).is_some());
    sender.try_send(item.clone()).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&item), 1);
    assert!(sender.is_closed());
    assert_eq!(sender.try_send(item), Err(Refused::Closed));
}

/// Four threads send in four ways while a fifth one ends it.
#[test]
fn what_was_accepted_is_received() {
    const ROUNDS: usize = 5_000;
    let start = Barrier::new(5);
    let accepted = AtomicUsize::new(0);
    let rounds: Vec<_> = (0..ROUNDS).map(|_| bounded(8)).collect();
    let senders: Vec<_> = rounds.iter().map(|(sender, _)| sender.clone()).collect();
    let send = |way: usize| {
        for sender in &senders {
            start.wait();
            let mut kept = None;
            for turn in 0..8 {
                let sent = match way {
                    0 => now(sender.send(())),
                    1 => Some(sender.try_send(()).map_err(|_| Closed)),
                    2 => now(sender.reserve()).map(|room| room?.send(())),
                    _ if turn == 0 => {
                        kept = now(sender.reserve()).and_then(Result::ok);
                        None
                    }
                    _ => kept.take().map(|permit| permit.send(())),
                };
                accepted.fetch_add(usize::from(sent == Some(Ok(()))), Ordering::SeqCst);
            }
            start.wait();
        }
    };
    let mut received = 0;
    std::thread::scope(|scope| {
        for way in 0..4 {
            scope.spawn(move || send(way));
        }
        for (_, mut receiver) in rounds {
            start.wait();
            received += receiver.end().count();
            start.wait();
        }
    });
    assert_eq!(received, accepted.into_inner());
    assert!(received > 0);
}

/// Each side waits for the other again and again: a wake-up that is lost would be waited for for ever.
#[test]
fn senders_and_the_task_wake_each_other_and_each_keeps_its_order() {
    const SENDERS: usize = 3;
    const ITEMS: usize = 10_000;
    let runtime = || Builder::new_current_thread().build().unwrap();
    let (sender, mut receiver) = bounded(2);
    let senders: [_; SENDERS] = std::array::from_fn(|_| sender.clone());
    drop(sender);
    std::thread::scope(|scope| {
        for (way, sender) in senders.into_iter().enumerate() {
            scope.spawn(move || {
                runtime().block_on(async move {
                    for number in 0..ITEMS {
                        match (way + number) % 2 {
                            0 => sender.send((way, number)).await.unwrap(),
                            _ => {
                                let permit = sender.reserve().await.unwrap();
                                permit.send((way, number)).unwrap();
                            }
                        }
                    }
                });
            });
        }
        runtime().block_on(async {
            let mut expected = [0; SENDERS];
            let mut next = |cx: &mut Context<'_>| match receiver.poll_recv(cx) {
                Poll::Pending if receiver.is_finished() => Poll::Ready(None),
                next => next.map(Some),
            };
            while let Some((way, number)) = poll_fn(|cx| next(cx)).await {
                assert_eq!(number, expected[way]);
                expected[way] += 1;
            }
            assert_eq!(expected, [ITEMS; SENDERS]);
        });
    });
}
