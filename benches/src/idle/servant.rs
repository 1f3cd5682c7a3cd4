//! Processes of this program beside the first one: each does one thing, so that its memory and its processor time are
//! those of that. They take orders as lines of JSON, and end with their standard input.

use std::io::{self, BufRead as _, BufReader, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

use super::holder::{Holder, Target, Told};
use super::memory::Memory;
use super::server::{Seen, Server, Settings};
use crate::clock::process_cpu;

/// The argument that makes a servant of this program.
pub const ARGUMENT: &str = "servant";

/// What a servant is for: the first line that it is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Role {
    Server(Settings),
    Holder(Target),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Order {
    Open(usize),
    Told,
    Cpu,
    Seen,
}

/// A line of a servant: the answer, or what went wrong.
type Answer<T> = Result<T, String>;

/// A process, which is killed when this is dropped.
#[derive(Debug)]
struct Servant {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Servant {
    fn start(role: &Role) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut servant = Self {
            child,
            orders,
            answers: BufReader::new(answers),
        };
        write_line(&mut servant.orders, role)?;
        Ok(servant)
    }

    fn ask<T: DeserializeOwned>(&mut self, order: Order) -> io::Result<T> {
        write_line(&mut self.orders, &order)?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::Error::other("a process of this program has ended"));
        }
        let answer: Answer<T> = serde_json::from_str(&line)?;
        answer.map_err(io::Error::other)
    }
}

impl Drop for Servant {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A [`Server`] in a process of its own. Dropping it kills that.
#[derive(Debug)]
pub struct ServerProcess {
    servant: Servant,
    port: u16,
}

impl ServerProcess {
    /// Starts one; it listens already.
    ///
    /// # Errors
    ///
    /// When there can be no such process, or what its server says.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let mut servant = Servant::start(&Role::Server(settings.clone()))?;
        let port = servant.answer()?;
        Ok(Self { servant, port })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// See [`Server::seen`].
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub fn seen(&mut self) -> io::Result<Seen> {
        self.servant.ask(Order::Seen)
    }
}

/// A [`Holder`] in a process of its own. Dropping it kills that.
#[derive(Debug)]
pub struct HolderProcess(Servant);

impl HolderProcess {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// When there can be no such process, or what its holder says.
    pub fn start(target: &Target) -> io::Result<Self> {
        let mut servant = Servant::start(&Role::Holder(target.clone()))?;
        let () = servant.answer()?;
        Ok(Self(servant))
    }

    /// See [`Holder::open`].
    ///
    /// # Errors
    ///
    /// What one of the connections says.
    pub fn open(&mut self, connections: usize) -> io::Result<()> {
        self.0.ask(Order::Open(connections))
    }

    /// See [`Holder::told`].
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub fn told(&mut self) -> io::Result<Told> {
        self.0.ask(Order::Told)
    }

    /// The processor time that it has spent so far.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub fn cpu(&mut self) -> io::Result<Duration> {
        self.0.ask(Order::Cpu)
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory::of(&self.0.child)
    }
}

/// What a servant does: it never returns before its standard input ends.
///
/// # Errors
///
/// When what it is told makes no sense, or there is nobody to tell an answer.
pub fn serve() -> io::Result<()> {
    let mut lines = stdin().lines();
    let Some(role) = lines.next() else {
        return Ok(());
    };
    let orders = lines.map(|line| -> io::Result<Order> { Ok(serde_json::from_str(&line?)?) });
    match serde_json::from_str(&role?)? {
        Role::Server(settings) => be_server(&settings, orders),
        Role::Holder(target) => be_holder(&target, orders),
    }
}

fn be_server(
    settings: &Settings,
    orders: impl Iterator<Item = io::Result<Order>>,
) -> io::Result<()> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let server = runtime.block_on(async { Server::start(settings) });
    answer(server.as_ref().map(Server::port))?;
    let server = server?;
    for order in orders {
        match order? {
            Order::Seen => answer(Ok::<_, io::Error>(server.seen()))?,
            other => answer(Err::<(), _>(not_for_this(other)))?,
        }
    }
    runtime.shutdown_background();
    Ok(())
}

fn be_holder(target: &Target, orders: impl Iterator<Item = io::Result<Order>>) -> io::Result<()> {
    // One thread for all of them, because the costs are those of one core.
    let runtime = worker()?;
    let holder = Holder::new(target).map(std::sync::Arc::new);
    answer(holder.as_ref().map(|_| ()))?;
    let holder = holder?;
    for order in orders {
        match order? {
            Order::Open(connections) => {
                // By that thread, too, as everything that is then held.
                let opener = holder.clone();
                let opening = runtime.spawn(async move { opener.open(connections).await });
                let opened = runtime.block_on(opening).map_err(io::Error::other);
                answer(opened.and_then(|opened| opened))?;
            }
            Order::Told => answer(Ok::<_, io::Error>(holder.told()))?,
            Order::Cpu => answer(Ok::<_, io::Error>(process_cpu()))?,
            other => answer(Err::<(), _>(not_for_this(other)))?,
        }
    }
    runtime.shutdown_background();
    Ok(())
}

fn worker() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
}

fn not_for_this(order: Order) -> io::Error {
    io::Error::other(format!("not for this process: {order:?}"))
}

fn answer<T: Serialize, E: std::fmt::Display>(answer: Result<T, E>) -> io::Result<()> {
    let answer: Answer<T> = answer.map_err(|error| error.to_string());
    write_line(&mut stdout(), &answer)
}

fn write_line(to: &mut impl io::Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}
