//! Plays a script: line by line, with nothing left over in between.

use std::time::{Duration, Instant};

use engineio::{Action, Endpoint, Input};

use super::model::{Model, describe};
use super::names::Names;
use super::settings::{ModelSettings, duration};
use super::subject::{Subject, Wanted};
use super::wire::read_input;
use super::{Actor, Failure, Line, Script};

/// More steps than anything takes within one wait.
const MAX_STEPS: usize = 10_000;

/// The script is the server.
pub(super) fn with_script(script: &Script) -> Result<(), Failure> {
    Player::new(script, None)?.play(&script.lines)
}

/// The model server is the server, and the script knows what it says.
pub(super) fn with_model(script: &Script, model: &ModelSettings) -> Result<(), Failure> {
    Player::new(script, Some(Model::new(model)))?.play(&script.lines)
}

struct Player {
    now: Instant,
    endpoint: Endpoint,
    subject: Subject,
    model: Option<Model>,
    under_way: UnderWay,
    names: Names,
}

/// What the client waits for: only that can a script answer.
#[derive(Debug, Default)]
struct UnderWay {
    get: bool,
    post: bool,
    websocket: bool,
}

impl UnderWay {
    fn wanted(&mut self, wanted: &Wanted) {
        match wanted {
            Wanted::Act(Action::Get(_)) => self.get = true,
            Wanted::Act(Action::Post(..)) => self.post = true,
            Wanted::Act(Action::OpenWebSocket(_)) => self.websocket = true,
            Wanted::Act(Action::DropGet) => self.get = false,
            Wanted::Act(Action::DropWebSocket) => self.websocket = false,
            Wanted::Act(_) => {}
            Wanted::Drop => *self = Self::default(),
        }
    }

    fn answers(&mut self, input: &Input) -> Result<(), Failure> {
        let awaited = match input {
            Input::GetDone(_) => std::mem::take(&mut self.get),
            Input::PostDone(_) => std::mem::take(&mut self.post),
            Input::WebSocketRefused(_) | Input::WebSocketClosed(_) | Input::WebSocketFailed(_) => {
                std::mem::take(&mut self.websocket)
            }
            _ => self.websocket,
        };
        match awaited {
            true => Ok(()),
            false => Err("the client does not wait for that".to_owned()),
        }
    }
}

impl Player {
    #[expect(clippy::disallowed_methods, reason = "the origin of simulated time")]
    fn new(script: &Script, model: Option<Model>) -> Result<Self, Failure> {
        let now = Instant::now();
        Ok(Self {
            now,
            // The path of Socket.IO is the client's, whatever is spoken there.
            endpoint: script.client.target.endpoint().clone(),
            subject: Subject::new(script.client.clone(), now),
            model,
            under_way: UnderWay::default(),
            names: Names::default(),
        })
    }

    fn play(mut self, lines: &[Line]) -> Result<(), Failure> {
        for line in lines {
            let step = self.step(line.actor, &line.text);
            step.map_err(|what| format!("line {}: {what}{}", line.number, self.left()))?;
        }
        self.quiet().map_err(|what| format!("at the end: {what}"))?;
        let unheard = self.model.iter().flat_map(Model::unheard).next();
        match unheard {
            Some(said) => Err(format!("at the end: the server says: S>C {said}")),
            None => Ok(()),
        }
    }

    fn step(&mut self, actor: Actor, text: &str) -> Result<(), Failure> {
        match actor {
            Actor::ClientToServer => return self.client_does(text),
            Actor::Told => return self.user_is_told(text),
            // Without the model its application has nobody to speak through.
            Actor::Server if self.model.is_none() => return Ok(()),
            _ => {}
        }
        self.quiet()?;
        match actor {
            Actor::Time => self.wait(duration(text)?, true),
            Actor::Sleep => self.wait(duration(text)?, false),
            _ => {
                self.happens(actor, text)?;
                // What is due at once need not be waited for.
                self.wait(Duration::ZERO, true)
            }
        }
    }

    fn happens(&mut self, actor: Actor, text: &str) -> Result<(), Failure> {
        match (actor, &mut self.model) {
            (Actor::User, _) => self.subject.user(self.now, text),
            (Actor::Server, Some(model)) => model.acts(self.now, text),
            (Actor::ServerToClient, Some(model)) => {
                let said = model.says(self.now, text)?;
                let said = said.ok_or("the server does not say that")?;
                if !self.names.matches(text, &said) {
                    return Err(format!("the server says: S>C {said}"));
                }
                let input = read_input(&said)?;
                self.under_way.answers(&input)?;
                self.subject.handle_input(self.now, input)
            }
            (Actor::ServerToClient, None) => {
                let input = read_input(&self.names.fill(text))?;
                self.under_way.answers(&input)?;
                self.subject.handle_input(self.now, input)
            }
            _ => Ok(()),
        }
    }

    /// Nothing has happened that the script does not name.
    fn quiet(&self) -> Result<(), Failure> {
        if let Some(wanted) = self.subject.wanted.front() {
            let wanted = describe(wanted, &self.endpoint);
            return Err(format!("not in the script: C>S {wanted}"));
        }
        match self.subject.told.front() {
            Some(told) => Err(format!("not in the script: told {told}")),
            None => Ok(()),
        }
    }

    fn client_does(&mut self, text: &str) -> Result<(), Failure> {
        let wanted = self.subject.wanted.pop_front();
        let wanted = wanted.ok_or("the client does nothing")?;
        let did = describe(&wanted, &self.endpoint);
        if !self.names.matches(text, &did) {
            return Err(format!("the client did: C>S {did}"));
        }
        self.under_way.wanted(&wanted);
        match &mut self.model {
            Some(model) => model.take(self.now, wanted, &self.endpoint),
            None => Ok(()),
        }
    }

    fn user_is_told(&mut self, text: &str) -> Result<(), Failure> {
        let told = self
            .subject
            .told
            .pop_front()
            .ok_or("the user is told nothing")?;
        if self.names.matches(text, &told) {
            Ok(())
        } else {
            Err(format!("the user was told: {told}"))
        }
    }

    /// What the script has not named yet, for whoever writes one.
    fn left(&self) -> String {
        let wanted = self.subject.wanted.iter();
        let wanted = wanted.map(|wanted| format!("C>S {}", describe(wanted, &self.endpoint)));
        let told = self.subject.told.iter().map(|told| format!("told {told}"));
        let said = self.model.iter().flat_map(Model::unheard);
        let said = said.map(|said| format!("S>C {said}"));
        let lines = wanted.chain(told).chain(said);
        lines
            .map(|line| format!("\n    still to come: {line}"))
            .collect()
    }

    /// Time passes for both, or for a client that does not notice.
    fn wait(&mut self, time: Duration, awake: bool) -> Result<(), Failure> {
        let end = self.now + time;
        for _ in 0..MAX_STEPS {
            let model = self.model.as_ref().and_then(Model::poll_timeout);
            let client = self.subject.poll_timeout().filter(|_| awake);
            let next = client.into_iter().chain(model).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return Ok(());
            };
            self.now = self.now.max(next);
            if awake {
                self.subject.handle_timeout(self.now);
            }
            if let Some(model) = &mut self.model {
                model.handle_timeout(self.now)?;
            }
        }
        Err("time stands still".to_owned())
    }
}
