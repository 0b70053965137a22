//! Servers of the Model Context Protocol: one connection for each server of a run, by the official SDK. A server that hangs,
//! dies, floods or talks rubbish costs the call and not the run.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aikit_core::{ErrorKind, RunError, RunId};
use aikit_runtime::ports::{Mcp, McpEndpoint, McpToolInfo, McpWay};
use async_trait::async_trait;
use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};
use rmcp::{
    RoleClient, ServiceError,
    model::{CallToolRequestParams, CallToolResult, PaginatedRequestParams},
    service::{ClientInitializeError, RunningService, serve_client},
    transport::{
        StreamableHttpClientTransport, async_rw::AsyncRwTransport,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, process::ChildStderr, sync::OnceCell, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    http::{Network, innermost},
    process::{Group, Processes, not_started},
};

/// How long one message may be.
const MAX_MESSAGE: usize = 8 << 20;
/// How many tools a server may have.
const MAX_TOOLS: usize = 1000;
/// How long all that a server says of its tools may be.
const MAX_LIST: usize = 4 << 20;
/// How much of a server's last words is kept.
const LAST_WORDS: usize = 2000;
/// How long a connection may take to end in order.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that is made when it is first needed.
type Slot = Arc<OnceCell<Arc<Connection>>>;

/// Connections to servers.
pub struct McpServers {
    processes: Processes,
    network: Arc<Network>,
    connections: Mutex<HashMap<(RunId, String), Slot>>,
}

/// A connection. With it the server's program ends.
struct Connection {
    service: tokio::sync::RwLock<RunningService<RoleClient, ()>>,
    words: Words,
    _group: Option<Group>,
}

/// The last of what a server wrote to standard error.
#[derive(Clone, Default)]
struct Words(Arc<Mutex<String>>);

impl Words {
    fn listen(&self, mut stderr: ChildStderr) {
        let words = self.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
                let mut all = words.0.lock().unwrap_or_else(PoisonError::into_inner);
                all.push_str(&String::from_utf8_lossy(&buffer[..read]));
                let surplus = all.len().saturating_sub(LAST_WORDS);
                if let Some(start) = (surplus..all.len()).find(|&start| all.is_char_boundary(start)) {
                    all.drain(..start);
                }
            }
        });
    }

    /// The last lines, as the end of a sentence.
    fn said(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = all.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines[lines.len().saturating_sub(3)..].join(" / ");
        if last.is_empty() { last } else { format!("; it said: {last}") }
    }
}

impl McpServers {
    /// Servers that are programs of the workspace, and servers in the network.
    pub fn new(processes: Processes, network: Arc<Network>) -> Self {
        Self { processes, network, connections: Mutex::default() }
    }

    fn cell(&self, endpoint: &McpEndpoint) -> Slot {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.entry((endpoint.run, endpoint.server.clone())).or_default().clone()
    }

    /// Forgets a connection that is of no use any more; the next call makes a new one.
    fn forget(&self, endpoint: &McpEndpoint) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.remove(&(endpoint.run, endpoint.server.clone()));
    }

    async fn connection(&self, endpoint: &McpEndpoint) -> Result<Arc<Connection>, RunError> {
        let cell = self.cell(endpoint);
        let made = cell.get_or_try_init(|| async { self.connect(endpoint).await.map(Arc::new) }).await;
        if made.is_err() {
            self.forget(endpoint);
        }
        made.cloned()
    }

    async fn connect(&self, endpoint: &McpEndpoint) -> Result<Connection, RunError> {
        let name = &endpoint.server;
        match &endpoint.way {
            McpWay::Program { argv, env } => {
                let program = argv.first().cloned().unwrap_or_default();
                let started = self.processes.spawn(argv, "", env);
                let (mut child, group) =
                    started.map_err(|error| not_started(ErrorKind::McpUnavailable, &program, &error))?;
                let words = Words::default();
                if let Some(stderr) = child.stderr.take() {
                    words.listen(stderr);
                }
                let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
                    return Err(unavailable(name, "its outputs cannot be read", &words));
                };
                let transport =
                    AsyncRwTransport::<RoleClient, _, _>::new_client(stdout, stdin).with_max_line_length(MAX_MESSAGE);
                // The child is waited for, so that nothing is left of it.
                tokio::spawn(async move { child.wait().await });
                let service = greet(endpoint, &words, serve_client((), transport)).await?;
                Ok(Connection { service: service.into(), words, _group: Some(group) })
            }
            McpWay::Http { url, headers, bearer, private } => {
                let words = Words::default();
                let address = Url::parse(url)
                    .map_err(|error| unavailable(name, &format!("`{url}` is no address: {error}"), &words))?;
                let mut custom = HashMap::new();
                for (key, value) in headers {
                    let header = HeaderName::from_bytes(key.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
                    let (key, value) = header.ok_or_else(|| {
                        unavailable(name, &format!("the header `{key}` holds characters that cannot be sent"), &words)
                    })?;
                    custom.insert(key, value);
                }
                let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                    .custom_headers(custom)
                    .max_sse_event_size(MAX_MESSAGE);
                if let Some(bearer) = bearer {
                    config = config.auth_header(bearer.reveal().trim());
                }
                let client = self.network.client(&address, *private)?;
                let transport = StreamableHttpClientTransport::with_client(client, config);
                let service = greet(endpoint, &words, serve_client((), transport)).await?;
                Ok(Connection { service: service.into(), words, _group: None })
            }
        }
    }

    /// What a request came to. A connection that broke is forgotten.
    fn answer<T>(
        &self,
        endpoint: &McpEndpoint,
        connection: &Connection,
        answer: Result<Result<T, ServiceError>, tokio::time::error::Elapsed>,
    ) -> Result<T, RunError> {
        let name = &endpoint.server;
        let error = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => {
                let seconds = endpoint.timeout.as_secs_f64();
                let message = format!("the MCP server `{name}` did not answer within {seconds} seconds");
                return Err(RunError::new(ErrorKind::ToolTimeout, message)
                    .with_help("raise `timeout` of the server under integration.mcp_servers"));
            }
        };
        Err(match error {
            ServiceError::McpError(said) => {
                let message = format!("the MCP server `{name}` refused: {} ({})", said.message, said.code.0);
                RunError::new(ErrorKind::ToolFailed, message).with_detail(json!({ "code": said.code.0 }))
            }
            ServiceError::UnexpectedResponse => {
                let message = format!("the MCP server `{name}` answered something else than it was asked");
                RunError::new(ErrorKind::McpInvalid, message)
            }
            ServiceError::Cancelled { .. } => RunError::cancelled(),
            other => {
                self.forget(endpoint);
                let why = match &other {
                    ServiceError::TransportClosed => "it closed the connection".to_owned(),
                    other => innermost(other),
                };
                unavailable(name, &why, &connection.words)
            }
        })
    }
}

/// The first exchange with a server.
async fn greet(
    endpoint: &McpEndpoint,
    words: &Words,
    greeting: impl Future<Output = Result<RunningService<RoleClient, ()>, ClientInitializeError>>,
) -> Result<RunningService<RoleClient, ()>, RunError> {
    let name = &endpoint.server;
    match timeout(endpoint.timeout, greeting).await {
        Ok(Ok(service)) => Ok(service),
        Err(_) => {
            let seconds = endpoint.timeout.as_secs_f64();
            let why = format!("it did not say that it is ready within {seconds} seconds");
            Err(unavailable(name, &why, words)
                .with_help("raise its `timeout`, or start it by hand to see what it does"))
        }
        Ok(Err(error)) => {
            // What a program says before it ends arrives behind its end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            Err(match &error {
                ClientInitializeError::ConnectionClosed(_) => unavailable(name, "it ended before it was ready", words),
                ClientInitializeError::TransportError { error, .. } => {
                    let cause: &(dyn Error + 'static) = error.error.as_ref();
                    unavailable(name, &innermost(cause), words)
                }
                other => {
                    let why: String = other.to_string().chars().take(300).collect();
                    let message = format!("the MCP server `{name}` does not speak the protocol: {why}");
                    RunError::new(ErrorKind::McpInvalid, message)
                }
            })
        }
    }
}

fn unavailable(server: &str, why: &str, words: &Words) -> RunError {
    let message = format!("the MCP server `{server}` cannot be used: {why}{}", words.said());
    RunError::new(ErrorKind::McpUnavailable, message).with_detail(json!({ "server": server }))
}

/// A result as a value: what is structured as it is, else the text, else what there is.
fn value(server: &str, tool: &str, result: CallToolResult) -> Result<Value, RunError> {
    let failed = result.is_error == Some(true);
    let content: Vec<Value> = result.content.iter().filter_map(|block| serde_json::to_value(block).ok()).collect();
    let texts: Vec<&str> = content.iter().filter_map(|block| block.get("text")?.as_str()).collect();
    if failed {
        let said = texts.join("\n");
        let said = if said.is_empty() { "it did not say why" } else { said.as_str() };
        let message = format!("{server}/{tool}: {said}");
        return Err(RunError::new(ErrorKind::ToolFailed, message).with_detail(json!({ "content": content })));
    }
    Ok(match result.structured_content {
        Some(structured) => structured,
        None if texts.len() == content.len() => Value::String(texts.join("\n")),
        None => Value::Array(content),
    })
}

#[async_trait]
impl Mcp for McpServers {
    async fn tools(&self, endpoint: &McpEndpoint, cancel: &CancellationToken) -> Result<Vec<McpToolInfo>, RunError> {
        let list = async {
            let connection = self.connection(endpoint).await?;
            let (mut found, mut cursor, mut bytes) = (Vec::new(), None, 0);
            loop {
                let page = {
                    let service = connection.service.read().await;
                    let page = Some(PaginatedRequestParams::default().with_cursor(cursor.take()));
                    timeout(endpoint.timeout, service.list_tools(page)).await
                };
                let page = self.answer(endpoint, &connection, page)?;
                for tool in page.tools {
                    let input = Value::Object(tool.input_schema.as_ref().clone());
                    let description = tool.description.unwrap_or_default().into_owned();
                    bytes += input.to_string().len() + description.len() + tool.name.len();
                    found.push(McpToolInfo { name: tool.name.into_owned(), description, input });
                }
                if found.len() > MAX_TOOLS || bytes > MAX_LIST {
                    let message = format!(
                        "the MCP server `{}` has more than {MAX_TOOLS} tools, or says too much of them",
                        endpoint.server
                    );
                    return Err(RunError::new(ErrorKind::McpInvalid, message));
                }
                match page.next_cursor {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
            found.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(found)
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(RunError::cancelled()),
            found = list => found,
        }
    }

    async fn call(
        &self,
        endpoint: &McpEndpoint,
        tool: &str,
        args: Value,
        cancel: &CancellationToken,
    ) -> Result<Value, RunError> {
        let call = async {
            let connection = self.connection(endpoint).await?;
            let mut params = CallToolRequestParams::new(tool.to_owned());
            if let Value::Object(args) = args {
                params = params.with_arguments(args);
            }
            let answer = {
                let service = connection.service.read().await;
                timeout(endpoint.timeout, service.call_tool(params)).await
            };
            value(&endpoint.server, tool, self.answer(endpoint, &connection, answer)?)
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(RunError::cancelled()),
            done = call => done,
        }
    }

    async fn close(&self, run: RunId) {
        let ended: Vec<_> = {
            let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            let keys: Vec<_> = connections.keys().filter(|(of, _)| *of == run).cloned().collect();
            keys.into_iter().filter_map(|key| connections.remove(&key)).collect()
        };
        for connection in ended.iter().filter_map(|cell| cell.get()) {
            // One that does not end in order ends with its program.
            let _ = connection.service.write().await.close_with_timeout(FAREWELL).await;
        }
    }
}
