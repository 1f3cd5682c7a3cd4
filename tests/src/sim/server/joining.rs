//! How namespaces are joined, refused and recovered.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::Value;

use super::Server;
use super::api::{Event, Revision, SessionId, Violation};
use super::client::{Joining, Member, Task};
use super::message::{self, Type};
use super::options::{Access, Namespace, Refusal};
use super::query;
use super::recovery::Recovered;

impl Server {
    /// Whether the root's CONNECT comes with the handshake: on the old server, if nothing can refuse it.
    pub(super) fn greets_with_connect(&self) -> bool {
        let root = self.options.namespaces.get("/");
        let guarded = root.is_some_and(Namespace::has_middleware);
        self.options.socket_io && self.options.revision == Revision::V3 && !guarded
    }

    /// In the old revision nobody asks to join the root.
    pub(super) fn joined_by_server(&mut self, id: SessionId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if client.revision == Revision::V3 {
            client.joining.push("/".to_owned());
            self.tasks.push_back(Task::Join(Joining {
                session: id,
                namespace: "/".to_owned(),
                auth: None,
                query: None,
            }));
        }
    }

    pub(super) fn ask_to_join(
        &mut self,
        now: Instant,
        session: SessionId,
        namespace: String,
        auth: Option<Value>,
        query: Option<String>,
    ) {
        let Some(client) = self.clients.get_mut(&session) else {
            return;
        };
        client.put_out.remove(&namespace);
        if client.joining.contains(&namespace) || client.behind_root.contains(&namespace) {
            self.wire.violation(Some(session), Violation::SecondConnect);
        }
        if !self.options.namespaces.contains_key(&namespace) {
            let invalid = Refusal {
                message: "Invalid namespace".to_owned(),
                data: None,
            };
            // The old server says it in its own way, the current one in the same way to all.
            let shape = self.options.revision;
            return self.refuse_join(now, session, &namespace, &invalid, shape);
        }
        let root_first = self.options.revision == Revision::V3 && namespace != "/";
        if root_first && client.member("/").is_none() {
            // Its query is lost: the reference server replays nothing but the name.
            return client.behind_root.push(namespace);
        }
        client.joining.push(namespace.clone());
        self.tasks.push_back(Task::Join(Joining {
            session,
            namespace,
            auth,
            query,
        }));
    }

    /// Asks who decides.
    pub(super) fn join(&mut self, now: Instant, joining: Joining) {
        if !self.is_open(joining.session) {
            return;
        }
        if let Some(recovered) = self.recover(now, &joining) {
            return self.connect(now, joining, Some(recovered));
        }
        let Some(namespace) = self.options.namespaces.get(&joining.namespace) else {
            return;
        };
        match namespace.delay {
            Some(delay) => self.delayed.push((now + delay, Task::Decide(joining))),
            None => self.decide(now, joining),
        }
    }

    /// What is left of an earlier connection, if the client shows the right papers.
    fn recover(&mut self, now: Instant, joining: &Joining) -> Option<Recovered> {
        let window = self.recovery_window()?;
        let auth = joining.auth.as_ref()?;
        let (private_id, offset) = (auth.get("pid")?.as_str()?, auth.get("offset")?.as_str()?);
        let room = self.rooms.entry(joining.namespace.clone()).or_default();
        room.restore(now, window, private_id, offset)
    }

    /// What the middleware says, now.
    pub(super) fn decide(&mut self, now: Instant, joining: Joining) {
        let Some(namespace) = self.options.namespaces.get(&joining.namespace) else {
            return;
        };
        if !self.is_open(joining.session) {
            return;
        }
        let refusal = match &namespace.access {
            Access::Open => None,
            Access::Refused(refusal) => Some(refusal.clone()),
            Access::RefusedTo(token, refusal) => joining.shows(token).then(|| refusal.clone()),
            Access::Never => return,
        };
        let Some(refusal) = refusal else {
            return self.connect(now, joining, None);
        };
        let Some(client) = self.clients.get_mut(&joining.session) else {
            return;
        };
        client.joining.retain(|name| *name != joining.namespace);
        let shape = client.revision;
        self.refuse_join(now, joining.session, &joining.namespace, &refusal, shape);
    }

    fn refuse_join(
        &mut self,
        now: Instant,
        id: SessionId,
        namespace: &str,
        refusal: &Refusal,
        shape: Revision,
    ) {
        let message = Value::from(refusal.message.as_str());
        let json = match (shape, &refusal.data) {
            (Revision::V4, Some(data)) => format!(r#"{{"message":{message},"data":{data}}}"#),
            (Revision::V4, None) => format!(r#"{{"message":{message}}}"#),
            (Revision::V3, Some(data)) => data.to_string(),
            (Revision::V3, None) => message.to_string(),
        };
        let frame = message::encode(Type::ConnectError, namespace, &json);
        self.write(now, id, vec![frame]);
    }

    fn connect(&mut self, now: Instant, joining: Joining, recovered: Option<Recovered>) {
        let Joining {
            session: id,
            namespace,
            auth,
            query,
        } = joining;
        let was_there = recovered.is_some();
        let socket_id = self.socket_id(id, &namespace, recovered.as_ref());
        let private_id = self.recovery_window().map(|_| {
            let shown = auth.as_ref().filter(|_| was_there);
            let shown = shown.and_then(|auth| auth.get("pid")?.as_str());
            shown.map_or_else(|| self.ids.next(), str::to_owned)
        });
        // What was missed comes before the answer.
        for args in recovered
            .map(|recovered| recovered.missed)
            .unwrap_or_default()
        {
            let frames = message::encode_args(Type::Event, &namespace, None, &args);
            self.write(now, id, frames);
        }
        self.answer_connect(now, id, &namespace, &socket_id, private_id.as_deref());
        let number = self.next_member;
        self.next_member += 1;
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.connect_by = None;
        client.joining.retain(|name| *name != namespace);
        client.remove(&namespace);
        client.members.push(Member {
            namespace: namespace.clone(),
            id: socket_id.clone(),
            private_id,
            number,
            asked: BTreeSet::new(),
        });
        let waiting = match namespace.as_str() {
            "/" => std::mem::take(&mut client.behind_root),
            _ => Vec::new(),
        };
        for namespace in waiting {
            self.ask_to_join(now, id, namespace, None, None);
        }
        self.wire.events.push_back(Event::Connected {
            session: id,
            namespace,
            id: socket_id,
            auth,
            query,
            recovered: was_there,
        });
    }

    fn socket_id(&mut self, id: SessionId, namespace: &str, earlier: Option<&Recovered>) -> String {
        let Some(session) = self.sessions.get(&id) else {
            return String::new();
        };
        match (earlier, session.revision, namespace) {
            (Some(earlier), ..) => earlier.id.clone(),
            (None, Revision::V4, _) => self.ids.next(),
            (None, Revision::V3, "/") => session.sid.clone(),
            (None, Revision::V3, _) => format!("{namespace}#{}", session.sid),
        }
    }

    fn answer_connect(
        &mut self,
        now: Instant,
        id: SessionId,
        namespace: &str,
        socket_id: &str,
        private_id: Option<&str>,
    ) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let json = match (client.revision, private_id) {
            (Revision::V3, _) => String::new(),
            (Revision::V4, None) => format!(r#"{{"sid":"{socket_id}"}}"#),
            (Revision::V4, Some(pid)) => format!(r#"{{"sid":"{socket_id}","pid":"{pid}"}}"#),
        };
        // What is said with the handshake is never said again.
        if namespace != "/" || !self.greets_with_connect() {
            let frame = message::encode(Type::Connect, namespace, &json);
            self.write(now, id, vec![frame]);
        }
    }
}

impl Joining {
    /// Whether the client shows this token, in its payload or in its query.
    fn shows(&self, token: &str) -> bool {
        let auth = self.auth.as_ref().and_then(|auth| auth.get("token"));
        let query = query::fields(self.query.as_deref().unwrap_or_default());
        match auth {
            Some(shown) => shown.as_str() == Some(token),
            None => query.contains(&("token".to_owned(), token.to_owned())),
        }
    }
}
