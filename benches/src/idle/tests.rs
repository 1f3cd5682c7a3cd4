use std::time::Duration;

use tokio::time::{interval, timeout};

use super::holder::{Holder, Kind, Target};
use super::server::{Seen, Server, Settings};
use super::tls::Identity;

const CONNECTIONS: u64 = 20;

async fn wait_for(server: &Server, what: impl Fn(&Seen) -> bool) -> Seen {
    let look = async {
        let mut glances = interval(Duration::from_millis(5));
        loop {
            glances.tick().await;
            let seen = server.seen();
            if what(&seen) {
                return seen;
            }
        }
    };
    let seen = timeout(Duration::from_secs(30), look).await;
    seen.unwrap_or_else(|_| panic!("{:?}", server.seen()))
}

fn settings(identity: Option<&Identity>) -> Settings {
    let mut settings = Settings::new(Duration::from_millis(100));
    settings.identity = identity.cloned();
    settings
}

fn holder(kind: Kind, server: &Server, identity: Option<&Identity>) -> Holder {
    let mut target = Target::new(kind, server.port());
    target.certificate = identity.map(|identity| identity.certificate().to_owned());
    Holder::new(&target).unwrap()
}

#[tokio::test]
async fn idle_connections_answer_heartbeats() {
    let identity = Identity::generate().unwrap();
    for kind in [Kind::Raw, Kind::Ours] {
        for identity in [None, Some(&identity)] {
            let server = Server::start(&settings(identity)).unwrap();
            let holder = holder(kind, &server, identity);
            holder.open(20).await.unwrap();
            let seen = wait_for(&server, |seen| seen.pongs >= 2 * CONNECTIONS).await;
            let joined = match kind {
                Kind::Raw => 0,
                _ => CONNECTIONS,
            };
            assert_eq!((seen.open, seen.joined), (CONNECTIONS, joined), "{kind:?}");
            assert_eq!(seen.accepted, CONNECTIONS);
        }
    }
}

#[tokio::test]
async fn all_return_to_a_server_that_was_away() {
    let mut settings = settings(None);
    let server = Server::start(&settings).unwrap();
    settings.port = server.port();
    let holder = holder(Kind::Ours, &server, None);
    holder.open(20).await.unwrap();
    drop(server);
    let lost = async {
        let mut glances = interval(Duration::from_millis(5));
        while holder.told().lost < CONNECTIONS {
            glances.tick().await;
        }
    };
    timeout(Duration::from_secs(30), lost).await.unwrap();
    let server = Server::start(&settings).unwrap();
    wait_for(&server, |seen| seen.joined == CONNECTIONS).await;
}

#[tokio::test]
async fn no_connection_to_nobody() {
    let server = Server::start(&settings(None)).unwrap();
    let target = Target::new(Kind::Ours, server.port());
    drop(server);
    for kind in [Kind::Raw, Kind::Ours] {
        let target = Target {
            kind,
            ..target.clone()
        };
        assert!(Holder::new(&target).unwrap().open(1).await.is_err());
    }
}
