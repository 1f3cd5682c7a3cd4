//! The demo: the whole path from a Graph request to printed notifications, against an emulator in this process.

use std::{num::NonZeroU64, time::Duration};

use graph_emulator::{Control, Emulator, EmulatorConfig, Notification};
use graph_notifications::{
    BaseUrl, Cloud, ExposeSecret, Http, PlainHttp, Resource, StaticToken, Subscription,
    SubscriptionRequest, TokenProvider, TokenRequest, UrlOptions, Watch,
};
use tokio::{task::AbortHandle, time::MissedTickBehavior};

use crate::{
    args::RunArgs,
    exit::Failure,
    output::Output,
    run::{self, Ending},
};

const DEFAULT_COUNT: NonZeroU64 = NonZeroU64::MIN.saturating_add(4);
/// How long a credential of the emulator lives, so that a run of the default length sees one replaced.
const LIFETIME: Duration = Duration::from_secs(3);
/// A run of fewer notifications does not wait for that.
const LEAST_COUNT_WITH_RENEWAL: u64 = 3;
const BETWEEN_CHANGES: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: RunArgs, output: &mut Output, ending: Ending) -> Result<(), Failure> {
    let count = args.count.unwrap_or(DEFAULT_COUNT);
    let mut config = EmulatorConfig::default();
    config.settings.lifetime_ms = u64::try_from(LIFETIME.as_millis()).ok();
    let emulator = Emulator::start(config).await.map_err(Failure::internal)?;

    // What the system's settings say about proxies must not come between a machine and itself.
    let http = Http::builder()
        .no_proxy()
        .build()
        .map_err(Failure::internal)?;
    let cloud = Cloud::Custom(BaseUrl::parse(emulator.graph_url(), PlainHttp::OnLoopback)?);
    let token = StaticToken::new(emulator.token())?;
    let mut request = SubscriptionRequest::new(Resource::me_drive());
    request.cloud = cloud.clone();
    request.url_options = UrlOptions::default().plain_http(PlainHttp::OnLoopback);
    let granted = request
        .send(&http, &token.token(TokenRequest::any()).await?)
        .await?;
    for line in introduction(&emulator, &request.url()?, &granted) {
        output.remark(&line)?;
    }

    let watch = Watch::builder(Resource::me_drive())
        .token(token)
        .cloud(cloud)
        .allow_http_on_loopback()
        .http(http)
        .transport(args.transport())
        .engine_io(args.engine_io())
        .start();
    let _changes = Changes::start(emulator.control(), count);
    run::run(watch, None, output, Some(count), ending).await?;
    for line in conclusion(&emulator, output.notifications()) {
        output.remark(&line)?;
    }
    Ok(())
}

fn introduction(emulator: &Emulator, request_url: &str, granted: &Subscription) -> Vec<String> {
    let url = &granted.notification_url;
    let origin = emulator.graph_url();
    let query = url.query().expose_secret();
    let name = query.split_once('=').map_or("", |(name, _)| name);
    let (length, namespace) = (query.len(), url.namespace());
    vec![
        format!("An emulator of Microsoft Graph and its notification service runs at {origin}."),
        format!("GET {request_url}"),
        format!("  notificationUrl  {origin}{namespace}/callback?{name}=[redacted]"),
        format!("  connect to       {origin}/socket.io/"),
        format!("  namespace        {namespace}"),
        format!(
            "  query            {name}=[redacted], {length} bytes, a credential that lives {} s",
            LIFETIME.as_secs()
        ),
        "Something changes every second:".to_owned(),
    ]
}

fn conclusion(emulator: &Emulator, notifications: u64) -> Vec<String> {
    let counts = emulator.counts();
    let (connections, websockets) = (counts.joined.total, counts.websockets.total);
    vec![
        format!(
            "{notifications} notifications, over {connections} connections ({websockets} by WebSocket), each with a \
             credential of its own."
        ),
        "next: graph-watch drive ID --token-command CMD, or graph-watch --help".to_owned(),
    ]
}

/// Makes changes for as long as it lives.
struct Changes(AbortHandle);

impl Changes {
    fn start(control: Control, count: NonZeroU64) -> Self {
        Self(tokio::spawn(make_changes(control, count)).abort_handle())
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn make_changes(control: Control, count: NonZeroU64) {
    control.wait_for_connections(1).await;
    let mut change = tokio::time::interval(BETWEEN_CHANGES);
    change.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        change.tick().await;
        // Even a fast run tells the whole story: the last change waits until a credential has been replaced.
        let is_last = control.counts().notifications + 1 == count.get();
        if is_last && count.get() >= LEAST_COUNT_WITH_RENEWAL {
            control
                .wait_until(|counts| counts.joined.total >= 2 && counts.joined.now == 1)
                .await;
        }
        control.notify(&Notification::default());
    }
}
