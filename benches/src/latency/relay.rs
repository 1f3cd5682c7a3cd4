//! A network that is far away: a relay that holds back all bytes for a fixed time.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::monotonic;

/// A running relay, in threads, whose sleep is more exact than that of timers. Dropping it stops it from accepting.
#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts one in front of a server. Each way takes so long.
    ///
    /// On the loopback interface, a connection stands at once. Through a network it takes a round trip, and then the
    /// client speaks: so the first that a client sends is held back for one round trip more.
    pub(super) fn start(server: SocketAddr, way: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = stopping.clone();
        let accepting = thread::Builder::new().spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                // A client whose server is gone sees its connection end.
                relay(client, server, way).ok();
            }
        })?;
        Ok(Self {
            address,
            stopping,
            accepting: Some(accepting),
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Somebody has to come, for it to see that.
        if TcpStream::connect(self.address).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            accepting.join().ok();
        }
    }
}

fn relay(client: TcpStream, server: SocketAddr, way: Duration) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let opened = monotonic() + 2 * way;
    forward(client.try_clone()?, server.try_clone()?, way, opened);
    forward(server, client, way, Duration::ZERO);
    Ok(())
}

/// When it is due, and what: nothing at the end.
type Part = (Duration, Vec<u8>);

/// One direction: a thread reads, and another one writes what has been on its way for long enough. Nothing leaves before
/// the connection is `opened`.
fn forward(mut from: TcpStream, to: TcpStream, way: Duration, opened: Duration) {
    let (send, sent) = mpsc::channel::<Part>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut buffer).unwrap_or(0);
            let part = buffer.get(..length).unwrap_or_default();
            let due = monotonic().max(opened) + way;
            if send.send((due, part.to_vec())).is_err() || length == 0 {
                return;
            }
        }
    });
    thread::spawn(move || deliver(&sent, to));
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own, which has to wait for the time and nothing else"
)]
fn deliver(sent: &Receiver<Part>, mut to: TcpStream) {
    while let Ok((due, part)) = sent.recv() {
        thread::sleep(due.saturating_sub(monotonic()));
        if part.is_empty() || to.write_all(&part).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Write).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_takes_two_round_trips_and_the_next_one_takes_one() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = server.local_addr().unwrap();
        let echo = thread::spawn(move || {
            let (socket, _) = server.accept().unwrap();
            io::copy(&mut &socket, &mut &socket).unwrap();
        });
        let way = Duration::from_millis(2);
        let relay = Relay::start(address, way).unwrap();
        let before = monotonic();
        let mut client = TcpStream::connect(relay.address()).unwrap();
        let mut ask = || {
            client.write_all(b"x").unwrap();
            let mut answer = [0];
            client.read_exact(&mut answer).unwrap();
            monotonic() - before
        };
        // It may take longer on a machine that is busy; never shorter.
        let (first, second) = (ask(), ask());
        assert!(
            first >= 4 * way && second >= first + 2 * way,
            "{first:?} {second:?}"
        );
        drop(client);
        echo.join().unwrap();
    }
}
