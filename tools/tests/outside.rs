//! The ways out of the machine against what is really there: folders, processes, sockets, servers.

use std::{fs, path::Path, sync::Arc, time::Duration};

use aikit_core::{ErrorKind, RunError, RunId};
use aikit_runtime::ports::{
    Files, Http, HttpAnswer, HttpRequest, Mcp, McpEndpoint, McpWay, ProgramEnd, ProgramRequest, Programs, Secret,
};
use aikit_tools::{
    http::Network,
    mcp::McpServers,
    process::{ProcessConfig, Processes},
    workspace::Workspace,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("work")).unwrap();
    fs::write(folder.path().join("secret"), "s").unwrap();
    fs::write(folder.path().join("work/a.txt"), "ä").unwrap();
    folder
}

#[tokio::test]
async fn nothing_outside_of_the_workspace_is_read_or_written() {
    let folder = folder();
    let root = folder.path().join("work");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        std::os::unix::fs::symlink("..", root.join("up")).unwrap();
        std::os::unix::fs::symlink("a.txt", root.join("inner")).unwrap();
    }
    let files = Workspace::open(&root).unwrap();
    assert_eq!(files.read("a.txt", 10).await.unwrap(), "ä".as_bytes());
    for path in ["../secret", "link", "up/secret", "/etc/passwd", "sub/../../secret"] {
        let error = files.read(path, 10).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::ToolDenied | ErrorKind::ToolFailed), "{path}: {error}");
        let error = files.write(path, b"x").await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::ToolDenied | ErrorKind::ToolFailed), "{path}: {error}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("secret")).unwrap(), "s");
    #[cfg(unix)]
    assert_eq!(files.read("inner", 10).await.unwrap(), "ä".as_bytes());
    // A link is not written through, and not followed by a listing.
    let listed: Vec<String> = files.list("**").await.unwrap().into_iter().map(|file| file.path).collect();
    assert_eq!(listed, ["a.txt"]);
}

#[tokio::test]
async fn a_file_is_written_as_a_whole() {
    let folder = folder();
    let files = Workspace::open(&folder.path().join("work")).unwrap();
    files.write("new/deep/b.txt", b"one").await.unwrap();
    files.write("new/deep/b.txt", b"two").await.unwrap();
    assert_eq!(files.read("new/deep/b.txt", 3).await.unwrap(), b"two");
    assert!(files.read("new/deep/b.txt", 2).await.unwrap_err().message.contains("longer than 2 bytes"));
    assert!(files.read("none", 2).await.unwrap_err().message.contains("there is no such file"));
    assert!(files.read("new", 2).await.is_err());
    assert!(files.write("new", b"x").await.is_err());
    let listed: Vec<_> = files.list("**/*.txt").await.unwrap();
    // Nothing is left of the drafts.
    assert_eq!(
        listed.iter().map(|f| (f.path.as_str(), f.bytes)).collect::<Vec<_>>(),
        [("a.txt", 2), ("new/deep/b.txt", 3)]
    );
    assert_eq!(files.list("**").await.unwrap().len(), 2);
}

fn processes(root: &Path) -> Processes {
    let base = vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())];
    Processes::new(ProcessConfig { root: root.to_owned(), base })
}

async fn sh(processes: &Processes, script: &str, timeout: Duration) -> Result<ProgramEnd, RunError> {
    let request = ProgramRequest {
        argv: vec!["sh".into(), "-c".into(), script.into()],
        cwd: String::new(),
        env: vec![("GIVEN".into(), Secret::new("yes"))],
        stdin: b"said".to_vec(),
        timeout,
        max_bytes: 1000,
    };
    processes.run(request, &CancellationToken::new()).await
}

const LONG: Duration = Duration::from_secs(20);

#[cfg(unix)]
#[tokio::test]
async fn a_program_sees_what_it_is_given_and_is_bounded() {
    let folder = folder();
    let processes = processes(&folder.path().join("work"));
    let end = sh(&processes, "cat; echo \" $GIVEN [$HOME]\"; ls; echo bad >&2; exit 3", LONG).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(
        (end.exit_code, text(&end.stdout), text(&end.stderr)),
        (Some(3), "said yes []\na.txt\n".into(), "bad\n".into())
    );
    let end = sh(&processes, "head -c 5000000 /dev/zero", LONG).await.unwrap();
    assert_eq!((end.exit_code, end.stdout.len(), end.truncated), (Some(0), 1000, true));
    // What it leaves behind ends with it, and does not keep anybody waiting.
    let end = sh(&processes, "sleep 60 & echo $!", LONG).await.unwrap();
    let left = text(&end.stdout).trim().to_owned();
    for _ in 0..100 {
        if ended(&left) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(ended(&left), "process {left} goes on");
    let error = sh(&processes, "sleep 60", Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ToolTimeout);
    let missing = ProgramRequest {
        argv: vec!["no-such-program".into()],
        cwd: String::new(),
        env: Vec::new(),
        stdin: Vec::new(),
        timeout: LONG,
        max_bytes: 10,
    };
    let error = processes.run(missing.clone(), &CancellationToken::new()).await.unwrap_err();
    assert!(error.message.contains("there is no program `no-such-program`"), "{error}");
    let error = processes.run(ProgramRequest { cwd: "..".into(), ..missing }, &CancellationToken::new()).await;
    assert!(error.unwrap_err().message.contains("outside of the workspace"));
}

/// Whether a process is gone, or only waits for somebody to ask how it ended.
fn ended(id: &str) -> bool {
    match fs::read_to_string(format!("/proc/{id}/stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    }
}

/// A server that reads a request and says these bytes, as often as it is asked.
async fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                if answer == b"echo" {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {read}\r\n\r\n");
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(&buffer[..read]).await;
                } else {
                    let _ = stream.write_all(answer).await;
                }
                if answer.is_empty() {
                    tokio::time::sleep(LONG).await;
                }
            });
        }
    });
    format!("http://{address}/x")
}

async fn get(url: &str, private: bool, timeout: Duration) -> Result<HttpAnswer, RunError> {
    let request = HttpRequest {
        method: "POST".into(),
        url: url.into(),
        headers: vec![("X-One".into(), "1".into())],
        body: Some(b"body".to_vec()),
        bearer: Some(Secret::new("token")),
        private,
        timeout,
        max_bytes: 1000,
    };
    Network::new().send(request, &CancellationToken::new()).await
}

#[tokio::test]
async fn a_request_is_sent_and_its_answer_bounded() {
    let answer = get(&server(b"echo").await, true, LONG).await.unwrap();
    let sent = String::from_utf8(answer.body).unwrap().to_lowercase();
    for part in ["post /x http/1.1", "x-one: 1", "authorization: bearer token", "body"] {
        assert!(sent.contains(part), "{part} is missing in {sent}");
    }
    let answer =
        get(&server(b"HTTP/1.1 302 Found\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n").await, true, LONG).await;
    assert_eq!(answer.unwrap().header("location"), Some("/y"));
    for (says, message) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n0123456789"[..], "broke off"),
        (b"rubbish\r\n\r\n", "broke off"),
    ] {
        let error = get(&server(says).await, true, LONG).await.unwrap_err();
        assert!(error.kind == ErrorKind::ToolFailed && error.message.contains(message), "{error}");
    }
    static FLOOD: [u8; 3000] = [b'x'; 3000];
    let mut flood = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    flood.extend_from_slice(&FLOOD);
    let error = get(&server(flood.leak()).await, true, LONG).await.unwrap_err();
    assert!(error.message.contains("longer than 1000 bytes"), "{error}");
    let error = get(&server(b"").await, true, Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::ToolTimeout);
    let error = get("http://127.0.0.1:1/", true, LONG).await.unwrap_err();
    assert_eq!(error.detail.unwrap()["sent"], false);
}

#[tokio::test]
async fn a_pattern_never_grants_the_private_network() {
    let url = server(b"echo").await;
    let port = url.split(':').nth(2).unwrap();
    // By its address, by a name that leads there, and in the other ways to write an address.
    for host in ["127.0.0.1", "localhost", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433"] {
        let error = get(&format!("http://{host}:{port}"), false, LONG).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ToolDenied, "{host}: {error}");
        assert!(error.message.contains("private network"), "{host}: {error}");
    }
}

fn mcp(root: &Path) -> McpServers {
    McpServers::new(processes(root), Arc::new(Network::new()))
}

fn endpoint(script: &str) -> McpEndpoint {
    let way = McpWay::Program { argv: vec!["sh".into(), "-c".into(), script.into()], env: Vec::new() };
    McpEndpoint { run: RunId::generate(), server: "bad".into(), way, timeout: Duration::from_millis(500) }
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_is_none_costs_a_call_and_not_the_run() {
    let folder = folder();
    let servers = mcp(&folder.path().join("work"));
    for (script, kind, message) in [
        ("sleep 60", ErrorKind::McpUnavailable, "did not say that it is ready within 0.5 seconds"),
        ("echo why not >&2; exit 1", ErrorKind::McpUnavailable, "it said: why not"),
        ("while read line; do echo rubbish; done", ErrorKind::McpUnavailable, "cannot be used"),
        ("yes 'flood flood flood'", ErrorKind::McpUnavailable, "cannot be used"),
        (
            "read line; echo '{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":-1,\"message\":\"go away\"}}'; sleep 60",
            ErrorKind::McpInvalid,
            "go away",
        ),
    ] {
        let endpoint = endpoint(script);
        let error = servers.tools(&endpoint, &CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{script}: {error}");
        assert!(error.message.contains(message), "{script}: {error}");
        servers.close(endpoint.run).await;
    }
    let gone =
        McpEndpoint { way: McpWay::Program { argv: vec!["no-such-server".into()], env: Vec::new() }, ..endpoint("") };
    let error = servers.call(&gone, "t", json!({}), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::McpUnavailable);
}

#[tokio::test]
async fn a_server_in_the_network_that_is_none_costs_a_call_and_not_the_run() {
    let folder = folder();
    let servers = mcp(folder.path());
    let http = async |answer: &'static [u8], private: bool| {
        let way = McpWay::Http { url: server(answer).await, headers: Vec::new(), bearer: None, private };
        let endpoint = McpEndpoint { way, ..endpoint("") };
        let error = servers.tools(&endpoint, &CancellationToken::new()).await.unwrap_err();
        servers.close(endpoint.run).await;
        error
    };
    for answer in [
        &b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n"[..],
        b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops",
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n<p/>",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        b"rubbish\r\n\r\n",
        b"",
    ] {
        let error = http(answer, true).await;
        let shown = String::from_utf8_lossy(answer);
        assert!(matches!(error.kind, ErrorKind::McpUnavailable | ErrorKind::McpInvalid), "{shown}: {error}");
    }
    let error = http(b"", false).await;
    assert_eq!(error.kind, ErrorKind::ToolDenied, "{error}");
}
