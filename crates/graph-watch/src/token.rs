//! Where access tokens come from: an environment variable, a file, or a command's output.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use graph_notifications::{AccessToken, BoxFuture, TokenError, TokenProvider, TokenRequest};
use tokio::{io::AsyncReadExt, process::Command};

use crate::{args::TokenArgs, exit::Failure};

/// The variable that is asked when the command line names no source.
const DEFAULT_VARIABLE: &str = "GRAPH_TOKEN";

/// More than any token has; what a wrong file or a runaway command gives beyond it is not read.
const MAX_BYTES: u64 = 128 * 1024;

/// Asks its source anew for every token.
#[derive(Debug, Clone)]
pub(crate) struct TokenSource(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    /// What has worked once and fails now may work again later; what fails the first time is a mistake.
    has_worked: AtomicBool,
}

#[derive(Debug)]
enum Kind {
    /// An environment does not change, so it is read at the start.
    Environment(AccessToken),
    File(PathBuf),
    Command(String),
}

impl TokenSource {
    pub(crate) fn new(args: TokenArgs) -> Result<Self, Failure> {
        let kind = match args {
            TokenArgs {
                token_file: Some(path),
                ..
            } => Kind::File(path),
            TokenArgs {
                token_command: Some(command),
                ..
            } => Kind::Command(command),
            TokenArgs { token_env, .. } => {
                Kind::Environment(from_environment(token_env.as_deref())?)
            }
        };
        Ok(Self(Arc::new(Inner {
            kind,
            has_worked: AtomicBool::new(false),
        })))
    }
}

impl TokenProvider for TokenSource {
    fn token(&self, _request: TokenRequest) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(async {
            let token = match &self.0.kind {
                Kind::Environment(token) => return Ok(token.clone()),
                Kind::File(path) => read_file(path).await,
                Kind::Command(command) => run(command).await,
            };
            match token.and_then(|token| token_from(&token)) {
                Ok(token) => {
                    self.0.has_worked.store(true, Ordering::Relaxed);
                    Ok(token)
                }
                Err(reason) if self.0.has_worked.load(Ordering::Relaxed) => {
                    Err(TokenError::unavailable(reason))
                }
                Err(reason) => Err(TokenError::refused(reason)),
            }
        })
    }
}

fn from_environment(name: Option<&str>) -> Result<AccessToken, Failure> {
    let variable = name.unwrap_or(DEFAULT_VARIABLE);
    match std::env::var(variable) {
        Ok(token) => token_from(token.as_bytes()).map_err(|reason| {
            Failure::token(format!("the environment variable {variable}: {reason}"))
        }),
        Err(std::env::VarError::NotPresent) => {
            let what = format!("no access token: the environment variable {variable} is not set");
            Err(Failure::token(what))
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            let what = format!("no access token: the environment variable {variable} is not text");
            Err(Failure::token(what))
        }
    }
}

/// The token in what a source gave: white space around it belongs to the file or the command.
fn token_from(bytes: &[u8]) -> Result<AccessToken, String> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err("what it holds is too long for an access token".to_owned());
    }
    let text = str::from_utf8(bytes).map_err(|_| "what it holds is not text".to_owned())?;
    AccessToken::new(text.trim()).map_err(|error| error.to_string())
}

async fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display().to_string();
    let path = path.to_owned();
    // It may be a pipe or on a network, so not on a thread of the runtime.
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    });
    match read.await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(format!("the file {shown} cannot be read: {error}")),
        Err(_) => Err(format!("reading the file {shown} was stopped")),
    }
}

/// What the command prints. It inherits standard error, where it may explain itself, but no input.
async fn run(command: &str) -> Result<Vec<u8>, String> {
    let mut child = shell(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("the token command cannot be started: {error}"))?;
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(MAX_BYTES + 1).read_to_end(&mut bytes).await;
        read.map_err(|error| format!("the output of the token command cannot be read: {error}"))?;
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Ok(bytes);
    }
    match child.wait().await {
        Ok(status) if status.success() => Ok(bytes),
        Ok(status) => Err(format!("the token command failed: {status}")),
        Err(error) => Err(format!("the token command was lost: {error}")),
    }
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.raw_arg("/C").raw_arg(command);
    shell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(kind: Kind) -> TokenSource {
        TokenSource(Arc::new(Inner {
            kind,
            has_worked: AtomicBool::new(false),
        }))
    }

    #[test]
    fn white_space_around_a_token_is_not_the_token() {
        for good in ["abc", "abc\n", "  abc\r\n"] {
            assert!(token_from(good.as_bytes()).is_ok(), "{good:?}");
        }
        for bad in [&b""[..], b"\n", b"Bearer abc", b"a\nb", b"\xff"] {
            assert!(token_from(bad).is_err(), "{bad:?}");
        }
        assert!(token_from(&vec![b'x'; 200_000]).is_err());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_source_is_asked_each_time_and_forgiven_once_it_has_worked() {
        let file = std::env::temp_dir().join(format!("graph-watch-token-{}", std::process::id()));
        let command = format!("cat '{}' 2>/dev/null", file.display());
        for kind in [Kind::File(file.clone()), Kind::Command(command)] {
            let source = source(kind);
            let ask = async || source.token(TokenRequest::any()).await;
            std::fs::remove_file(&file).ok();
            assert!(matches!(ask().await, Err(TokenError::Refused(_))));
            std::fs::write(&file, "first\n").unwrap();
            assert!(ask().await.is_ok());
            std::fs::write(&file, "not a token").unwrap();
            assert!(matches!(ask().await, Err(TokenError::Unavailable(_))));
            std::fs::write(&file, "second").unwrap();
            assert!(ask().await.is_ok());
        }
        std::fs::remove_file(&file).ok();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_errors_of_a_command_do_not_show_what_it_printed() {
        for command in ["echo PLANTED; exit 3", "printf 'PLANTED b'", "yes PLANTED"] {
            let source = source(Kind::Command(command.to_owned()));
            let error = source.token(TokenRequest::any()).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("PLANTED"), "{error}");
        }
    }
}
