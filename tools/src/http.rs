//! Requests over HTTP: one hop each, bounded in time and size, and never to the private network unless that is meant.

use std::{
    error::Error,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::{Http, HttpAnswer, HttpRequest};
use async_trait::async_trait;
use reqwest::{
    Client, Method, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use rustls::{ClientConfig, crypto::ring};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// The refusal of an address that lies in the private network.
const PRIVATE: &str = "it lies in the private network";

/// The network. Clients are made when they are first needed.
#[derive(Default)]
pub struct Network {
    /// For hosts that are granted by name, and for all others.
    clients: [OnceLock<Result<Client, String>>; 2],
}

impl Network {
    /// A network whose hosts the engine has permitted.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client; one that is not `private` refuses every address of the private network.
    pub(crate) fn client(&self, url: &Url, private: bool) -> Result<Client, RunError> {
        let literal = url.host_str().unwrap_or_default().trim_matches(['[', ']']).parse::<IpAddr>();
        if !private && literal.is_ok_and(is_private) {
            return Err(refused(url));
        }
        let made = self.clients[usize::from(private)].get_or_init(|| build(private));
        made.clone().map_err(|why| not_sent(ErrorKind::ToolFailed, format!("no connection can be made: {why}")))
    }
}

fn build(private: bool) -> Result<Client, String> {
    let builder = Client::builder()
        .user_agent(concat!("aikit/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .no_proxy()
        .tls_backend_preconfigured(tls()?);
    let builder = if private { builder } else { builder.dns_resolver(Arc::new(PublicOnly)) };
    builder.build().map_err(|error| innermost(&error))
}

/// TLS over ring, with the machine's root certificates.
fn tls() -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(provider.clone())
        .map_err(|error| format!("the root certificates of this machine cannot be loaded ({error})"))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// Looks names up and leaves out what lies in the private network: what is connected to is what was looked at.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| !is_private(address.ip())).collect();
            if public.is_empty() {
                return Err(Box::new(io::Error::new(io::ErrorKind::PermissionDenied, PRIVATE)) as _);
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address leads anywhere but to the public network.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => is_private_v6(ip),
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || a >= 224
        || a == 100 && (64..128).contains(&b)
        || a == 192 && b == 0 && c == 0
        || a == 198 && (18..20).contains(&b)
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_private_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // ::, ::1, and addresses of the old network inside of the new one.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => ip.is_loopback() || ip.is_unspecified() || embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Only 2000::/3 is public.
        [first, ..] => first & 0xe000 != 0x2000,
    }
}

fn refused(url: &Url) -> RunError {
    let host = url.host_str().unwrap_or_default();
    RunError::new(ErrorKind::ToolDenied, format!("the host `{host}` cannot be reached: {PRIVATE}"))
        .with_help("a pattern grants public hosts only; name the host itself in governance.security.permits.net")
        .with_detail(json!({ "grant": "net", "name": host, "sent": false }))
}

fn not_sent(kind: ErrorKind, message: String) -> RunError {
    RunError::new(kind, message).with_detail(json!({ "sent": false }))
}

/// The last of the chain of causes, which says what really happened; the outer ones repeat the address.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[async_trait]
impl Http for Network {
    async fn send(&self, request: HttpRequest, cancel: &CancellationToken) -> Result<HttpAnswer, RunError> {
        let timeout = request.timeout;
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(RunError::cancelled()),
            done = tokio::time::timeout(timeout, self.exchange(request)) => done.unwrap_or_else(|_| {
                let message = format!("no answer came within {} seconds", timeout.as_secs_f64());
                Err(RunError::new(ErrorKind::ToolTimeout, message))
            }),
        }
    }
}

impl Network {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpAnswer, RunError> {
        let wrong = |what: String| not_sent(ErrorKind::ToolFailed, what);
        let url = Url::parse(&request.url).map_err(|error| wrong(format!("this is no address: {error}")))?;
        let place = url.origin().ascii_serialization();
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| wrong(format!("there is no method `{}`", request.method)))?;
        let mut builder = self.client(&url, request.private)?.request(method, url.clone());
        for (name, value) in &request.headers {
            let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) =
                header.ok_or_else(|| wrong(format!("the header `{name}` holds characters that cannot be sent")))?;
            builder = builder.header(name, value);
        }
        if let Some(bearer) = &request.bearer {
            let value = HeaderValue::from_str(&format!("Bearer {}", bearer.reveal().trim()));
            let mut value =
                value.map_err(|_| wrong(format!("the credential for {place} holds characters that cannot be sent")))?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let mut response = builder.send().await.map_err(|error| {
            let cause = innermost(&error);
            match (cause.as_str(), error.is_connect() || error.is_builder()) {
                (PRIVATE, _) => refused(&url),
                (_, true) => not_sent(ErrorKind::ToolFailed, format!("{place} cannot be reached: {cause}")),
                (_, false) => RunError::new(ErrorKind::ToolFailed, format!("{place} broke off: {cause}")),
            }
        })?;
        let mut answer = HttpAnswer { status: response.status().as_u16(), ..HttpAnswer::default() };
        for (name, value) in response.headers() {
            answer.headers.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
        loop {
            let chunk = response.chunk().await;
            let chunk = chunk.map_err(|error| {
                let cause = innermost(&error);
                RunError::new(ErrorKind::ToolFailed, format!("the answer of {place} broke off: {cause}"))
            })?;
            let Some(chunk) = chunk else { return Ok(answer) };
            if answer.body.len() + chunk.len() > request.max_bytes {
                let message = format!("the answer of {place} is longer than {} bytes", request.max_bytes);
                return Err(RunError::new(ErrorKind::ToolFailed, message));
            }
            answer.body.extend_from_slice(&chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_private() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
        ] {
            assert!(is_private(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert!(!is_private(ip.parse().unwrap()), "{ip}");
        }
    }
}
