//! Starting an emulator and keeping it running.

use std::{io, net::Ipv4Addr, ops::Deref, sync::Arc};

use axum::Router;
use tokio::{net::TcpListener, task::AbortHandle};

use crate::{
    config::EmulatorConfig,
    control::Control,
    control_api, graph, login,
    relay::{self, Relay},
    shared::Shared,
    wire::{End, LineId, Port},
};

/// A running emulator, which stops when it is dropped.
///
/// It owns the server and dereferences to its [`Control`].
#[derive(Debug)]
pub struct Emulator {
    control: Control,
    control_url: Option<String>,
    tasks: Vec<AbortHandle>,
}

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port could not be opened.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port that was asked for; 0 is any.
        port: u16,
        /// What the operating system says.
        source: io::Error,
    },
    /// The Socket.IO server does not accept our namespaces; a defect of this crate.
    #[error("cannot set up the relay: {0}")]
    Relay(String),
}

impl Emulator {
    /// Starts an emulator on 127.0.0.1. It is ready when this returns.
    ///
    /// Must be called inside a tokio runtime, which runs it.
    ///
    /// # Errors
    ///
    /// When a port is taken.
    pub async fn start(config: EmulatorConfig) -> Result<Self, StartError> {
        let listen = |port| move |source| StartError::Listen { port, source };
        let (port, inlet) = Port::bind(config.port).map_err(listen(config.port))?;
        let (relay, layer) = Relay::new(&config);
        let base_url = format!("http://{}", port.address());
        let shared = Shared::new(base_url, config.settings, relay);
        Relay::open(&shared).map_err(|error| StartError::Relay(error.to_string()))?;

        let mut emulator = Self {
            control: Control {
                shared: Arc::clone(&shared),
                port: Arc::new(port),
            },
            control_url: None,
            tasks: Vec::new(),
        };
        let app = Router::new()
            .merge(login::routes())
            .fallback(graph::answer)
            .with_state(Arc::clone(&shared))
            .layer(layer)
            .layer(axum::middleware::from_fn_with_state(
                Arc::clone(&shared),
                relay::guard,
            ))
            .layer(axum::middleware::from_fn_with_state(
                Arc::clone(&shared),
                graph::record,
            ))
            .into_make_service_with_connect_info::<LineId>();
        emulator.spawn(axum::serve(inlet, app).into_future());
        emulator
            .port
            .up(&shared)
            .await
            .map_err(listen(config.port))?;

        if let Some(port) = config.control_port {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .await
                .map_err(listen(port))?;
            let address = listener.local_addr().map_err(listen(port))?;
            emulator.control_url = Some(format!("http://{address}/control"));
            let api = control_api::router(emulator.control.clone());
            emulator.spawn(axum::serve(listener, api).into_future());
        }
        Ok(emulator)
    }

    /// The controls, as a handle that can be given away.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Where the HTTP control API is, such as `http://127.0.0.1:40124/control`, if there is one.
    #[must_use]
    pub fn control_url(&self) -> Option<&str> {
        self.control_url.as_deref()
    }

    fn spawn<F>(&mut self, task: F)
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        self.tasks.push(tokio::spawn(task).abort_handle());
    }
}

impl Deref for Emulator {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.control.port.stop();
        for task in &self.tasks {
            task.abort();
        }
        self.control.shared.lines.end_all(End::Drop);
    }
}
