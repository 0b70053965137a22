//! The five sockets over ZeroMQ. Exactly one task owns each.

mod gate;
mod heartbeat;
mod router;
mod subscribers;
mod walk;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zeromq::{RepSocket, RouterSocket, Socket};

use self::{
    gate::{Door, Flow, RunDir},
    subscribers::Subscribers,
};
use crate::{
    connection::ConnectionInfo,
    kernel::{KernelError, KernelOptions},
    message::{Channel, Header, Outgoing},
    transport::{Inbox, Transport, Weight},
    wire::Wire,
};

/// The sockets of a running kernel.
pub struct Sockets {
    wire: Arc<Wire>,
    ports: Value,
    dir: Arc<RunDir>,
    shell: Line,
    control: Line,
    stdin: Line,
    subscribers: Arc<Subscribers>,
    /// What [`Sockets::serve`] takes.
    bound: Mutex<Option<Bound>>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// The sending side of a router socket.
struct Line {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    flow: Arc<Flow>,
}

/// Sockets that listen and are not served yet.
struct Bound {
    routers: Vec<(Channel, Door, RouterSocket, mpsc::UnboundedReceiver<Outgoing>)>,
    heartbeat: (Door, RepSocket),
    iopub: Door,
}

impl Sockets {
    /// Listens on every channel. The connection comes back with the ports that the system chose.
    pub async fn bind(info: &ConnectionInfo, options: &KernelOptions) -> Result<(Self, ConnectionInfo), KernelError> {
        let wire = Arc::new(Wire::new(info, &options.username, options.limits.message)?);
        let dir = RunDir::create(&options.run_dir)
            .map_err(|reason| KernelError::RunDir { path: options.run_dir.display().to_string(), reason })?;
        let binder = Binder { info, dir: &dir, limit: options.limits.message };
        let mut info = info.clone();
        let mut routers = Vec::new();
        let mut router = async |channel, name, port: &mut u16| -> Result<Line, KernelError> {
            let door = binder.door(name, port).await?;
            let socket: RouterSocket = binder.private(name).await?;
            let (outgoing, receiver) = mpsc::unbounded_channel();
            routers.push((channel, door, socket, receiver));
            Ok(Line { outgoing, flow: Arc::default() })
        };
        let shell = router(Channel::Shell, "shell", &mut info.shell_port).await?;
        let control = router(Channel::Control, "control", &mut info.control_port).await?;
        let stdin = router(Channel::Stdin, "stdin", &mut info.stdin_port).await?;
        let iopub = binder.door("iopub", &mut info.iopub_port).await?;
        let heartbeat = (binder.door("heartbeat", &mut info.hb_port).await?, binder.private("heartbeat").await?);
        let sockets = Self {
            subscribers: Arc::new(Subscribers::new(wire.clone(), options.limits)),
            wire,
            ports: info.ports(),
            dir: Arc::new(dir),
            shell,
            control,
            stdin,
            bound: Mutex::new(Some(Bound { routers, heartbeat, iopub })),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        };
        Ok((sockets, info))
    }

    /// Starts the tasks that own the sockets. What arrives goes to `inbox`.
    pub fn serve(&self, inbox: Arc<dyn Inbox>) {
        let Some(bound) = self.bound.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        for (channel, door, socket, outgoing) in bound.routers {
            let flow = self.line(channel).flow.clone();
            let inner = self.dir.socket(door.terms().0);
            self.tasks.spawn(door.serve(inner, flow.clone(), self.closing.clone()));
            let (wire, inbox, closing) = (self.wire.clone(), inbox.clone(), self.closing.clone());
            self.tasks.spawn(router::serve(socket, channel, wire, inbox, outgoing, flow, closing));
        }
        let (door, socket) = bound.heartbeat;
        let inner = self.dir.socket(door.terms().0);
        self.tasks.spawn(door.serve(inner, Arc::default(), self.closing.clone()));
        self.tasks.spawn(heartbeat::serve(socket, self.closing.clone()));
        let subscribers = self.subscribers.clone();
        self.tasks.spawn(subscribers.serve(bound.iopub, self.dir.clone(), self.closing.clone()));
    }

    fn line(&self, channel: Channel) -> &Line {
        match channel {
            Channel::Shell => &self.shell,
            Channel::Control => &self.control,
            Channel::Stdin => &self.stdin,
        }
    }
}

/// Opens doors and the private sockets behind them.
struct Binder<'a> {
    info: &'a ConnectionInfo,
    dir: &'a RunDir,
    limit: usize,
}

impl Binder<'_> {
    async fn door(&self, channel: &'static str, port: &mut u16) -> Result<Door, KernelError> {
        let opened = Door::open(channel, self.info, *port, self.limit).await;
        let (door, chosen) = opened.map_err(|error| KernelError::Bind {
            channel,
            endpoint: self.info.endpoint(*port),
            reason: error.to_string(),
        })?;
        *port = chosen;
        Ok(door)
    }

    async fn private<S: Socket>(&self, name: &'static str) -> Result<S, KernelError> {
        let mut socket = S::new();
        let endpoint = format!("ipc://{}", self.dir.socket(name).display());
        match socket.bind(&endpoint).await {
            Ok(_) => Ok(socket),
            Err(error) => Err(KernelError::Bind { channel: name, endpoint, reason: error.to_string() }),
        }
    }
}

#[async_trait]
impl Transport for Sockets {
    fn send(&self, channel: Channel, message: Outgoing) {
        let line = self.line(channel);
        line.flow.queued.fetch_add(1, Ordering::Relaxed);
        // The receiver goes when the socket is closed; then nobody is left to hear.
        line.outgoing.send(message).ok();
    }

    fn publish(&self, message: &Outgoing, weight: Weight) {
        self.subscribers.publish(message, weight);
    }

    async fn settle(&self) {
        self.subscribers.settle().await;
    }

    async fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let lines = [&self.shell, &self.control, &self.stdin];
        let drained = || lines.iter().all(|line| line.flow.is_drained()) && self.subscribers.is_drained();
        while !drained() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn header(&self, msg_type: &str) -> Header {
        self.wire.header(msg_type)
    }

    fn ports(&self) -> Value {
        self.ports.clone()
    }

    async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
