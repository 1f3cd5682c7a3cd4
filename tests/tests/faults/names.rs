//! Servers that cannot be found or reached: a name without an address, a port where nobody listens, and one where
//! nobody answers. The first attempt says so; later ones go on until it has changed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conformance::{Case, Release, over_every_route, within};
use engineio::client::Http;
use engineio::{CloseReason, TransportErrorKind, Version};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use socketio::{Builder, ConnectError};

use crate::world::World;

over_every_route! { Release::Current, Version::V4 =>
    a_name_without_an_address,
    a_port_where_nobody_listens,
}

#[cfg(target_os = "linux")]
over_every_route! { Release::Current, Version::V4 => a_port_where_nobody_answers }

/// A name service that knows one name, at times.
#[derive(Clone, Default)]
struct Names(Arc<AtomicBool>);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let known = name.as_str() == "server.test" && self.0.load(Ordering::Relaxed);
        Box::pin(async move {
            // The port stays that of the URL.
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            match known {
                true => Ok(Box::new(std::iter::once(address)) as Addrs),
                false => Err("nobody has this name".into()),
            }
        })
    }
}

async fn a_name_without_an_address(case: Case) {
    let Some(world) = World::new(case).await else {
        return;
    };
    let names = Names::default();
    let resolver = names.clone();
    let http = Http::builder()
        .no_proxy()
        .customize(move |client| client.dns_resolver(Arc::new(resolver.clone())));
    let url = format!("http://server.test:{}/", world.proxy.port());
    let builder = || world.builder_to(&url).http(http.clone().build().unwrap());
    cannot_connect(builder(), "nobody has this name").await;

    let mut client = world.client_in_background(builder());
    client.fails_to_connect().await;
    names.0.store(true, Ordering::Relaxed);
    client.comes_back().await;

    // The name is lost again, and what is connected does not need it.
    names.0.store(false, Ordering::Relaxed);
    client.works().await;
    world.proxy.reset_all();
    client.shows("lost: Broken").await;
    client.fails_to_connect().await;
    names.0.store(true, Ordering::Relaxed);
    client.comes_back().await;
    world.end(client).await;
}

async fn a_port_where_nobody_listens(case: Case) {
    let Some(mut world) = World::new(case).await else {
        return;
    };
    world.proxy.refuse().await;
    cannot_connect(world.builder(), "refused").await;

    let mut client = world.client_in_background(world.builder());
    client.fails_to_connect().await;
    world.proxy.accept_again().await;
    client.comes_back().await;

    world.proxy.refuse().await;
    client.works().await;
    world.proxy.reset_all();
    client.shows("lost: Broken").await;
    client.fails_to_connect().await;
    world.proxy.accept_again().await;
    client.comes_back().await;
    world.end(client).await;
}

/// Neither accepted nor refused.
#[cfg(target_os = "linux")]
async fn a_port_where_nobody_answers(case: Case) {
    let Some(mut world) = World::new(case).await else {
        return;
    };
    let http = Http::builder()
        .no_proxy()
        .connect_timeout(Duration::from_millis(200));
    let impatient = |world: &World| world.builder().http(http.clone().build().unwrap());
    world.proxy.ignore().await;
    cannot_connect(impatient(&world), "in time").await;

    let mut client = world.client_in_background(impatient(&world));
    client.fails_to_connect().await;
    world.proxy.accept_again().await;
    client.comes_back().await;
    world.end(client).await;
}

/// The first attempt is the only one, and says whom to blame.
async fn cannot_connect(builder: Builder, words: &str) {
    let error = within("an outcome", builder.connect()).await.unwrap_err();
    assert!(error.is_retryable());
    let ConnectError::Engine(CloseReason::Transport(error)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.kind, TransportErrorKind::Connect, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}
