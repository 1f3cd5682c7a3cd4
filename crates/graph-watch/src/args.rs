//! The command line.

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use graph_notifications::{EngineIo, Recipe, Resource, TransportMode};

const AFTER_HELP: &str = "\
Examples:
  graph-watch demo
  graph-watch drive 'b!AbC…' --token-command './print-access-token'
  graph-watch me --token-file token.txt --json --count 1 --timeout 600
  graph-watch drive 'b!AbC…' --changes --json
  graph-watch me --login CLIENT_ID --login-cache ~/.graph-watch.json
  printf %s \"$NOTIFICATION_URL\" | graph-watch url -

With --json, standard output is one object a line:
  {\"event\":\"resync\",\"reason\":\"started\"}            anything may have changed: run a delta query
  {\"event\":\"notification\",\"data\":{…}}              something changed: run a delta query
  {\"event\":\"notification\",\"data\":null,\"raw\":\"…\"}   the same, with a payload that is not JSON
  {\"event\":\"down\",\"reason\":\"…\",\"retry_in_ms\":900}  nothing is announced at the moment
  {\"event\":\"renewed\"}                              a fresh connection has taken over
With --changes also, where each field but deleted and kind may be null:
  {\"event\":\"change\",\"id\":\"…\",\"name\":\"…\",\"deleted\":false,\"kind\":\"file\",\"parent_id\":\"…\",\"size\":1,
   \"e_tag\":\"…\",\"last_modified\":\"2026-01-02T03:04:05Z\"}     kind: file, folder, root, package, other
  {\"event\":\"changes_unknown\",\"reason\":\"…\",\"retry_in_ms\":900}   they are asked for again
  {\"event\":\"changes_lost\",\"reason\":\"…\"}          Graph wants a new start: look at everything

Exit status:
    0  done: as many notifications as --count asked for, or the reader of the output went away
    1  internal error, or the output cannot be written
    2  the command line is wrong
    3  a URL, an identifier or a file given as input is unusable
    4  no access token could be had; the sign-in was declined, refused, or its code ran out
    5  Microsoft Graph refuses the token (401) or the access (403)
    6  Microsoft Graph does not find the resource, or does not support notifications for it
    7  no connection to Microsoft Graph, to the sign-in or to the notification service
    8  the answer of Microsoft Graph or of the sign-in service is unusable
    9  the --timeout is over
   10  the notification service refuses the notificationUrl
   11  Microsoft Graph or the sign-in service is busy or in trouble
  130  interrupted by Ctrl-C (143: by SIGTERM)";

/// Prints changes in OneDrive and SharePoint drives and lists as they happen.
///
/// Microsoft Graph says that something changed, not what: run a delta query after each resync and each notification, or let
/// --changes do it.
#[derive(Debug, Parser)]
#[command(version, after_long_help = AFTER_HELP, after_help = "Exit status, JSON lines and examples: --help")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show it at work: no account needed, everything happens on this machine.
    Demo(RunArgs),
    /// Connect to a notificationUrl that another program has got.
    Url(UrlArgs),
    /// Watch the signed-in user's drive.
    Me(WatchArgs),
    /// Watch a drive.
    Drive {
        /// The drive's id, as Graph shows it.
        #[arg(value_name = "ID")]
        drive: String,
        #[command(flatten)]
        watch: WatchArgs,
    },
    /// Watch the list behind a drive.
    List {
        /// The drive's id, as Graph shows it.
        #[arg(value_name = "DRIVE_ID")]
        drive: String,
        #[command(flatten)]
        watch: WatchArgs,
    },
    /// Watch a group's drive.
    Group {
        /// The group's id.
        #[arg(value_name = "ID")]
        group: String,
        #[command(flatten)]
        watch: WatchArgs,
    },
    /// Watch a list of a SharePoint site.
    SiteList {
        /// The site's id: host name and two GUIDs with commas between.
        site: String,
        /// The list's id.
        list: String,
        #[command(flatten)]
        watch: WatchArgs,
    },
    /// Watch any path, such as /sites/ID/lists/ID, for what Graph offers without saying so.
    Path {
        /// The path, without API version; /subscriptions/socketIo is added where it is missing.
        path: String,
        #[command(flatten)]
        watch: WatchArgs,
    },
}

#[derive(Args)]
pub(crate) struct UrlArgs {
    /// The notificationUrl, in quotes; - reads it from standard input.
    ///
    /// The URL is a credential: whoever has it receives the notifications. As an argument it can be seen by other users
    /// of this machine and stays in the shell's history, so prefer standard input.
    #[arg(value_name = "NOTIFICATION_URL")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

impl std::fmt::Debug for UrlArgs {
    /// Nothing: the URL is a credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UrlArgs").finish_non_exhaustive()
    }
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    /// Where Microsoft Graph is, for the national clouds and the emulator.
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://graph.microsoft.com"
    )]
    pub(crate) graph_url: String,
    /// Use the beta version of Graph instead of v1.0.
    #[arg(long)]
    pub(crate) beta: bool,
    /// Say what changed, too: run a delta query after each resync and each notification.
    ///
    /// It begins with the present: what changed before the start is not told.
    #[arg(long)]
    pub(crate) changes: bool,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Where the access token comes from. It is never an argument, because arguments can be seen by others.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct TokenArgs {
    /// Take the access token from this environment variable.
    ///
    /// This is the default, with the variable GRAPH_TOKEN.
    #[arg(long, value_name = "NAME")]
    pub(crate) token_env: Option<String>,
    /// Take the access token from this file, read anew whenever one is needed.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Take the access token from the output of this shell command, run anew whenever one is needed.
    #[arg(long, value_name = "CMD")]
    pub(crate) token_command: Option<String>,
}

impl std::fmt::Debug for TokenArgs {
    /// Nothing: a command may have a secret in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenArgs").finish_non_exhaustive()
    }
}

/// Signing in on the spot, in place of an access token from elsewhere.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Sign in by device code, as this application.
    ///
    /// Standard error shows a page and a short code: open the page in a browser on any machine or phone, and enter the
    /// code there. New access tokens are then got by themselves, for as long as it runs.
    ///
    /// CLIENT_ID is the application (client) id of an app registration in Microsoft Entra that has "Allow public client
    /// flows" switched on and the delegated permission Files.Read.All.
    #[arg(long, help_heading = "Signing in", value_name = "CLIENT_ID", conflicts_with_all = ["token_env", "token_file", "token_command"])]
    pub(crate) login: Option<String>,
    /// Who may sign in: a tenant's id or domain, organizations, consumers, or common for everybody.
    #[arg(
        long,
        help_heading = "Signing in",
        value_name = "TENANT",
        default_value = "common",
        requires = "login"
    )]
    pub(crate) tenant: String,
    /// Remember the sign-in in this file, and ask nobody the next time.
    ///
    /// The file holds a refresh token, which is as good as a password. It is made so that only its owner can read it
    /// (mode 0600), and is written anew whenever the token changes. Delete it to forget the sign-in.
    #[arg(
        long,
        help_heading = "Signing in",
        value_name = "FILE",
        requires = "login"
    )]
    pub(crate) login_cache: Option<PathBuf>,
    /// Ask for this delegated permission instead of Files.Read.All; may be repeated.
    #[arg(
        long,
        help_heading = "Signing in",
        value_name = "SCOPE",
        requires = "login"
    )]
    pub(crate) login_scope: Vec<String>,
    /// Where to sign in, if --graph-url is none of Microsoft's.
    #[arg(
        long,
        help_heading = "Signing in",
        value_name = "URL",
        requires = "login"
    )]
    pub(crate) login_url: Option<String>,
}

/// What is printed, and when it ends.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct RunArgs {
    /// Print JSON, one object a line, and nothing else on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// End after this many notifications (the demo: after 5).
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<NonZeroU64>,
    /// End after this many seconds, with exit status 9.
    #[arg(long, value_name = "SECS")]
    timeout: Option<NonZeroU64>,
    /// How to connect.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = TransportArg::Websocket)]
    transport: TransportArg,
    /// Which revision of Engine.IO to speak; auto finds out.
    #[arg(long, value_enum, value_name = "REVISION", default_value_t = EngineIoArg::Four)]
    engine_io: EngineIoArg,
}

impl RunArgs {
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
            .map(|seconds| Duration::from_secs(seconds.get()))
    }

    pub(crate) fn transport(&self) -> TransportMode {
        match self.transport {
            TransportArg::Websocket => TransportMode::WebSocket,
            TransportArg::Polling => TransportMode::Polling,
            TransportArg::Upgrade => TransportMode::Upgrade,
        }
    }

    pub(crate) fn engine_io(&self) -> EngineIo {
        match self.engine_io {
            EngineIoArg::Three => EngineIo::V3,
            EngineIoArg::Four => EngineIo::V4,
            EngineIoArg::Auto => EngineIo::Auto,
        }
    }
}

/// How connections are made.
#[derive(Args)]
pub(crate) struct NetworkArgs {
    /// How to read the notificationUrl.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = RecipeArg::Auto)]
    recipe: RecipeArg,
    /// Trust the certificates in this PEM file, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Send everything through this proxy instead of the system's.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Allow plain http to this machine (localhost, 127.0.0.1, ::1), as the emulator needs it.
    #[arg(long)]
    pub(crate) allow_http: bool,
    /// Give up when this many attempts in a row have failed after the first (by default: never).
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
}

impl std::fmt::Debug for NetworkArgs {
    /// Nothing: the URL of a proxy has a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkArgs").finish_non_exhaustive()
    }
}

impl NetworkArgs {
    pub(crate) fn recipe(&self) -> Recipe {
        match self.recipe {
            RecipeArg::Auto => Recipe::Auto,
            RecipeArg::Split => Recipe::Split,
            RecipeArg::Direct => Recipe::Direct,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TransportArg {
    /// WebSocket at once, the only way that the live service is known to support.
    Websocket,
    /// HTTP long-polling only.
    Polling,
    /// HTTP long-polling, then the upgrade to a WebSocket.
    Upgrade,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EngineIoArg {
    #[value(name = "3")]
    Three,
    #[value(name = "4")]
    Four,
    Auto,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RecipeArg {
    /// Split at /callback? where the URL has it, else direct.
    Auto,
    /// The namespace is the path before /callback.
    Split,
    /// The namespace is the whole path.
    Direct,
}

/// What a command watches, once `demo` and `url` are out of the way.
pub(crate) enum Watched {
    Demo(RunArgs),
    Url(UrlArgs),
    Resource(Resource, Box<WatchArgs>),
}

impl From<Command> for Watched {
    fn from(command: Command) -> Self {
        let (resource, watch) = match command {
            Command::Demo(run) => return Self::Demo(run),
            Command::Url(url) => return Self::Url(url),
            Command::Me(watch) => (Resource::me_drive(), watch),
            Command::Drive { drive, watch } => (Resource::drive(drive), watch),
            Command::List { drive, watch } => (Resource::drive_list(drive), watch),
            Command::Group { group, watch } => (Resource::group_drive(group), watch),
            Command::SiteList { site, list, watch } => (Resource::site_list(site, list), watch),
            Command::Path { path, watch } => (Resource::custom(path), watch),
        };
        Self::Resource(resource, Box::new(watch))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lines_that_are_accepted_and_lines_that_are_not() {
        for (line, accepted) in [
            ("demo", true),
            (
                "demo --json --count 3 --timeout 60 --transport upgrade",
                true,
            ),
            ("demo --token-env X", false),
            ("url https://h/n?x", true),
            ("url -", true),
            ("url", false),
            ("url - --token-env X", false),
            ("me", true),
            (
                "me --token-env X --beta --graph-url http://localhost --allow-http",
                true,
            ),
            ("me --token-env X --token-file y", false),
            ("me --token-file y --token-command z", false),
            ("me --token secret", false),
            ("drive b!x --changes", true),
            ("url - --changes", false),
            ("demo --changes", false),
            ("me --login id", true),
            (
                "me --login id --tenant t --login-cache f --login-scope a --login-scope b --login-url u",
                true,
            ),
            ("me --login", false),
            ("me --login id --token-env X", false),
            ("me --login id --token-file X", false),
            ("me --tenant t", false),
            ("me --login-cache f", false),
            ("demo --login id", false),
            ("url - --login id", false),
            (
                "me --recipe direct --transport polling --engine-io auto --retries 0 --ca-file x --proxy y",
                true,
            ),
            ("me --recipe sideways", false),
            ("me --transport carrier-pigeon", false),
            ("me --engine-io 5", false),
            ("me --count 0", false),
            ("me --timeout 0", false),
            ("me --timeout -1", false),
            ("me surplus", false),
            ("drive b!x", true),
            ("drive", false),
            ("list b!x", true),
            ("group g", true),
            ("site-list a,b,c l", true),
            ("site-list a,b,c", false),
            ("path /sites/s/lists/l", true),
            ("", false),
            ("unknown", false),
        ] {
            let parsed =
                Cli::try_parse_from(["graph-watch"].into_iter().chain(line.split_whitespace()));
            assert_eq!(parsed.is_ok(), accepted, "{line}: {parsed:?}");
        }
    }
}
