//! Scenarios as scripts of frames: what the client and its server say, in the order in which they say it.
//!
//! A script is a fenced block ` ```session ` of a Markdown file. Its first line sets the client up; then each line is one
//! thing that happens, and nothing else may happen:
//!
//! | line | meaning |
//! |---|---|
//! | `client engine v4 polling …` | sets up the client: [`settings`] |
//! | `model 4.8 …` | the model server says what the `S>C` lines say: [`settings`] |
//! | `user …` | the client's user does something: [`subject`] |
//! | `told …` | the client's user is told something: [`subject`] |
//! | `C>S …` | the client does something with the network: [`wire`] |
//! | `S>C …` | the client gets something from the network: [`wire`] |
//! | `server …` | the application of the model server does something: [`model`] |
//! | `after 25s` | time passes, for both |
//! | `asleep 25s` | time passes, and the client's process sleeps: its timers do not run |
//! | `# …` | a remark |
//!
//! `$NAME` stands for an identifier that the server makes up, of twenty characters. Before each `S>C`, `user`, `server`,
//! `after` and `asleep`, and at the end, the lines above must have named everything that the client did and told: a
//! script is the whole truth. What the client does is in order, and so is what it tells; at one point in time the two are
//! not compared with each other.
//!
//! Played alone, a script is the server: the client gets its `S>C` lines word for word. A script with a `model` line is
//! played once more against the model server, and its `S>C` lines are then what that server must say. So a script of
//! a well-behaved server cannot be wrong about it, but for when: what it has said by then may have been on its way.

mod args;
pub mod model;
mod names;
mod play;
pub mod settings;
pub mod subject;
#[cfg(test)]
mod tests;
pub mod wire;

use settings::{ClientSettings, ModelSettings};

/// One block of a file.
#[derive(Debug)]
pub struct Script {
    /// The headline above it.
    pub title: String,
    client: ClientSettings,
    model: Option<ModelSettings>,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    /// In the file, counted from 1.
    number: usize,
    actor: Actor,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    User,
    Told,
    ClientToServer,
    ServerToClient,
    Server,
    Time,
    Sleep,
}

impl Actor {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "user" => Self::User,
            "told" => Self::Told,
            "C>S" => Self::ClientToServer,
            "S>C" => Self::ServerToClient,
            "server" => Self::Server,
            "after" => Self::Time,
            "asleep" => Self::Sleep,
            _ => return None,
        })
    }
}

/// What is wrong with a script, or with who plays it, and in which line of the file.
pub type Failure = String;

impl Script {
    /// All scripts of a Markdown file.
    ///
    /// # Errors
    ///
    /// A line that cannot be read, or no script at all.
    pub fn all(markdown: &str) -> Result<Vec<Self>, Failure> {
        let mut scripts = Vec::new();
        let mut title = String::new();
        let mut lines = (1..).zip(markdown.lines());
        while let Some((number, line)) = lines.next() {
            if let Some(headline) = line.strip_prefix('#') {
                headline
                    .trim_start_matches('#')
                    .trim()
                    .clone_into(&mut title);
            } else if line.trim_end() == "```session" {
                let body = lines.by_ref().take_while(|(_, line)| *line != "```");
                let script = Self::read(title.clone(), body);
                scripts.push(script.map_err(|what| format!("script of line {number}: {what}"))?);
            } else if line.starts_with("```") {
                return Err(format!("line {number}: a block that is no session"));
            }
        }
        if scripts.is_empty() {
            return Err("no session".to_owned());
        }
        Ok(scripts)
    }

    fn read<'a>(
        title: String,
        body: impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<Self, Failure> {
        let mut client = None;
        let mut model = None;
        let mut lines = Vec::new();
        for (number, line) in body {
            let line = line.trim_start();
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim_start();
            let at = |what: Failure| format!("line {number}: {what}");
            match word {
                "" | "#" => {}
                "client" => client = Some(ClientSettings::read(rest).map_err(at)?),
                "model" => model = Some(ModelSettings::read(rest).map_err(at)?),
                word => lines.push(Line {
                    number,
                    actor: Actor::from_word(word)
                        .ok_or_else(|| at(format!("nobody is called {word:?}")))?,
                    text: rest.to_owned(),
                }),
            }
        }
        let alone = model.is_none();
        if let Some(line) = lines
            .iter()
            .find(|line| alone && line.actor == Actor::Server)
        {
            return Err(format!("line {}: there is no model server", line.number));
        }
        Ok(Self {
            title,
            client: client.ok_or("no client")?,
            model,
            lines,
        })
    }

    /// Plays it: the script is the server. With a `model` line it is then played against the model server, too.
    ///
    /// # Errors
    ///
    /// The first line that is not what happens.
    ///
    /// # Panics
    ///
    /// When a rule of the client is broken that holds everywhere: see [`Client`](super::client::Client).
    pub fn play(&self) -> Result<(), Failure> {
        play::with_script(self).map_err(|what| format!("{:?}: {what}", self.title))?;
        if let Some(model) = &self.model {
            play::with_model(self, model)
                .map_err(|what| format!("{:?}, against the model server: {what}", self.title))?;
        }
        Ok(())
    }
}
