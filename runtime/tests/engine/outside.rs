//! The ways out of an engine, in memory and under the test's control.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aikit_core::{ErrorKind, RunError, RunId};
use aikit_runtime::ports::{
    FileInfo, Files, Http, HttpAnswer, HttpRequest, Mcp, McpEndpoint, McpToolInfo, McpWay, ProgramEnd, ProgramRequest,
    Programs, Reach,
};
use aikit_spec::plan::path_fits;
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Status, headers, body.
type Page = (u16, Vec<(&'static str, String)>, String);

/// A network whose answers are `URL → status, headers, body`; the first answers of a list are given first.
#[derive(Default)]
pub struct FakeHttp {
    pub pages: Mutex<BTreeMap<String, Vec<Page>>>,
    pub requests: Mutex<Vec<HttpRequest>>,
    running: AtomicUsize,
    /// The most requests that were under way at one time.
    pub most: AtomicUsize,
}

impl FakeHttp {
    pub fn page(&self, url: &str, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.pages.lock().unwrap().entry(url.into()).or_default().push((status, headers, body.into()));
    }

    pub fn urls(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|request| request.url.clone()).collect()
    }
}

#[async_trait]
impl Http for FakeHttp {
    async fn send(&self, request: HttpRequest, _: &CancellationToken) -> Result<HttpAnswer, RunError> {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        let url = request.url.clone();
        self.requests.lock().unwrap().push(request);
        let mut pages = self.pages.lock().unwrap();
        let Some(answers) = pages.get_mut(&url) else {
            let error = RunError::new(ErrorKind::ToolFailed, format!("{url} cannot be reached"));
            return Err(error.with_detail(json!({ "sent": false })));
        };
        let (status, headers, body) = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(HttpAnswer { status, headers, body: body.into_bytes() })
    }
}

/// Programs that say what they were given; `false` fails and `sleep` never ends.
#[derive(Default)]
pub struct FakePrograms(pub Mutex<Vec<ProgramRequest>>);

#[async_trait]
impl Programs for FakePrograms {
    async fn run(&self, request: ProgramRequest, cancel: &CancellationToken) -> Result<ProgramEnd, RunError> {
        self.0.lock().unwrap().push(request.clone());
        let end = |code, out: String, err: &str| ProgramEnd {
            exit_code: Some(code),
            stdout: out.into_bytes(),
            stderr: err.as_bytes().to_vec(),
            truncated: false,
        };
        match request.argv[0].as_str() {
            "sleep" => {
                cancel.cancelled().await;
                Err(RunError::cancelled())
            }
            "false" => Ok(end(1, String::new(), "no such luck\n")),
            _ => Ok(end(0, format!("{:?} in `{}`", request.argv, request.cwd), "")),
        }
    }
}

/// A server whose tools can change.
#[derive(Default)]
pub struct FakeMcp {
    pub tools: Mutex<Vec<McpToolInfo>>,
    pub listed: AtomicUsize,
    pub called: Mutex<Vec<(String, Value)>>,
    pub closed: Mutex<Vec<RunId>>,
    pub secrets: Mutex<Vec<String>>,
}

impl FakeMcp {
    pub fn has(&self, name: &str, description: &str) {
        let input = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        let info = McpToolInfo { name: name.into(), description: description.into(), input };
        self.tools.lock().unwrap().push(info);
    }
}

#[async_trait]
impl Mcp for FakeMcp {
    async fn tools(&self, endpoint: &McpEndpoint, _: &CancellationToken) -> Result<Vec<McpToolInfo>, RunError> {
        self.listed.fetch_add(1, Ordering::SeqCst);
        if let McpWay::Program { env, .. } = &endpoint.way {
            self.secrets.lock().unwrap().extend(env.iter().map(|(name, value)| format!("{name}={}", value.reveal())));
        }
        Ok(self.tools.lock().unwrap().clone())
    }

    async fn call(&self, _: &McpEndpoint, tool: &str, args: Value, _: &CancellationToken) -> Result<Value, RunError> {
        self.called.lock().unwrap().push((tool.into(), args.clone()));
        match tool {
            "broken" => Err(RunError::new(ErrorKind::McpUnavailable, "the server died")),
            _ => Ok(json!({ "did": tool, "n": args["n"] })),
        }
    }

    async fn close(&self, run: RunId) {
        self.closed.lock().unwrap().push(run);
    }
}

/// A workspace in memory.
#[derive(Default)]
pub struct FakeFiles(pub Mutex<BTreeMap<String, Vec<u8>>>, pub Mutex<Vec<String>>);

impl FakeFiles {
    pub fn put(&self, path: &str, text: &str) {
        self.0.lock().unwrap().insert(path.into(), text.into());
    }
}

#[async_trait]
impl Files for FakeFiles {
    async fn list(&self, pattern: &str) -> Result<Vec<FileInfo>, RunError> {
        let files = self.0.lock().unwrap();
        let fits = files.iter().filter(|(path, _)| path_fits(pattern, path));
        Ok(fits.map(|(path, bytes)| FileInfo { path: path.clone(), bytes: bytes.len() as u64 }).collect())
    }

    async fn read(&self, path: &str, _: u64) -> Result<Vec<u8>, RunError> {
        self.1.lock().unwrap().push(path.into());
        let found = self.0.lock().unwrap().get(path).cloned();
        found.ok_or_else(|| RunError::new(ErrorKind::ToolFailed, format!("`{path}` cannot be read")))
    }

    async fn write(&self, path: &str, bytes: &[u8]) -> Result<(), RunError> {
        self.0.lock().unwrap().insert(path.into(), bytes.to_vec());
        Ok(())
    }
}

/// All of them.
#[derive(Clone, Default)]
pub struct Outside {
    pub http: Arc<FakeHttp>,
    pub programs: Arc<FakePrograms>,
    pub mcp: Arc<FakeMcp>,
    pub files: Arc<FakeFiles>,
}

impl Outside {
    pub fn reach(&self) -> Reach {
        Reach { http: self.http.clone(), programs: self.programs.clone(), mcp: self.mcp.clone() }
    }
}
