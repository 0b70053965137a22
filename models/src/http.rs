use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::{ModelError, ModelSink};
use chrono::{DateTime, Utc};
use reqwest::{
    Client, Proxy, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde_json::Value;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::Endpoint,
    wire::{Progress, Wire},
};

/// How much of an error's body is read.
const MAX_ERROR_BODY: usize = 64 << 10;
/// The longest wait that a server's `retry-after` can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// How long an answer that is there waits for the server's count of tokens.
const SETTLED_GRACE: Duration = Duration::from_secs(2);

/// How the adapters reach their servers.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a server may be silent in the middle of an answer.
    pub idle_timeout: Duration,
    /// The largest answer that is accepted, in bytes on the wire.
    pub max_response_bytes: usize,
    /// A proxy for servers that are not on this machine, as a URL.
    pub proxy: Option<String>,
}

impl Default for HttpConfig {
    /// 10 s to connect, 60 s of silence, 32 MiB, no proxy.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            max_response_bytes: 32 << 20,
            proxy: None,
        }
    }
}

/// The transport that all wire formats share. Clients are made when they are first needed: loading the machine's root
/// certificates costs time that a local model need not pay.
pub(crate) struct Http {
    config: HttpConfig,
    plain: OnceLock<Result<Client, String>>,
    tls: OnceLock<Result<Client, String>>,
}

impl Http {
    pub(crate) fn new(config: HttpConfig) -> Self {
        Self { config, plain: OnceLock::new(), tls: OnceLock::new() }
    }

    /// Sends `body` and decodes the answer with `wire`. Returns when the answer is complete, failed, `limit` passed or
    /// `cancel` fired; whatever is still open is dropped, which closes the connection.
    pub(crate) async fn exchange<W: Wire>(
        &self,
        endpoint: &Endpoint,
        body: &Value,
        mut wire: W,
        limit: Duration,
        sink: ModelSink<'_>,
        cancel: &CancellationToken,
    ) -> Result<W::Output, ModelError> {
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(RunError::cancelled().into()),
            outcome = timeout(limit, self.receive(endpoint, body, &mut wire, sink)) => outcome,
        };
        match outcome {
            Ok(received) => received?,
            Err(_) => {
                let name = endpoint.name();
                let message = match wire.received_tokens() {
                    0 => format!("{name} did not begin to answer within {limit:?}"),
                    tokens => format!("{name} did not finish its answer within {limit:?} ({tokens} tokens arrived)"),
                };
                return Err(endpoint.error(ErrorKind::ProviderTimeout, message).into());
            }
        }
        Ok(wire.into_response(endpoint)?)
    }

    async fn receive<W: Wire>(
        &self,
        endpoint: &Endpoint,
        body: &Value,
        wire: &mut W,
        sink: ModelSink<'_>,
    ) -> Result<(), ModelError> {
        let mut response = self.send(endpoint, body).await?;
        if !response.status().is_success() {
            let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers(), Utc::now()));
            let body = self.error_body(&mut response).await;
            let error = wire.refused(endpoint, status, &body);
            return Err(ModelError { error, retry_after: retry_after.or_else(|| wire.retry_after(&body)) });
        }
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        wire.begin(endpoint, &media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())?;

        let mut total = 0;
        let mut settled_until = None;
        loop {
            let chunk = tokio::select! {
                chunk = timeout(self.config.idle_timeout, response.chunk()) => chunk,
                () = settled(settled_until) => return Ok(()),
            };
            let progress = match chunk {
                Ok(Ok(Some(bytes))) => {
                    total += bytes.len();
                    if total > self.config.max_response_bytes {
                        return Err(self.too_large(endpoint).into());
                    }
                    wire.feed(endpoint, &bytes, &mut *sink)?
                }
                Ok(Ok(None)) => match wire.end(endpoint, &mut *sink)? {
                    Progress::Partial => return Err(broke_off(endpoint, wire.received_tokens(), None).into()),
                    Progress::Settled | Progress::Done => Progress::Done,
                },
                // What is settled needs no orderly end.
                Ok(Err(_)) | Err(_) if settled_until.is_some() => Progress::Done,
                Ok(Err(error)) => {
                    return Err(broke_off(endpoint, wire.received_tokens(), Some(&innermost(&error))).into());
                }
                Err(_) => {
                    let (name, idle, tokens) = (endpoint.name(), self.config.idle_timeout, wire.received_tokens());
                    let message = format!("{name} fell silent for {idle:?} after {tokens} tokens");
                    return Err(endpoint.error(ErrorKind::ProviderTimeout, message).into());
                }
            };
            match progress {
                Progress::Done => return Ok(()),
                Progress::Settled if settled_until.is_none() => {
                    settled_until = Some(tokio::time::Instant::now() + SETTLED_GRACE);
                }
                Progress::Settled | Progress::Partial => {}
            }
        }
    }

    async fn send(&self, endpoint: &Endpoint, body: &Value) -> Result<Response, RunError> {
        let mut request = self.client(endpoint)?.post(endpoint.url.clone()).json(body);
        if let Some(key) = &endpoint.key {
            let key = key.reveal().trim();
            let (header, text) = match endpoint.key_header {
                Some(header) => (HeaderName::from_static(header), key.to_owned()),
                None => (AUTHORIZATION, format!("Bearer {key}")),
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                endpoint.error(
                    ErrorKind::ProviderAuth,
                    format!("the credential for {} holds characters that cannot be sent", endpoint.name()),
                )
            })?;
            value.set_sensitive(true);
            request = request.header(header, value);
        }
        for (name, value) in endpoint.headers {
            request = request.header(*name, *value);
        }
        tracing::debug!(server = %endpoint.name(), "asking a model");
        request.send().await.map_err(|error| {
            let (name, cause) = (endpoint.name(), innermost(&error));
            if error.is_builder() {
                endpoint.error(ErrorKind::ProviderInvalid, format!("the request to {name} cannot be made: {cause}"))
            } else if error.is_connect() {
                endpoint
                    .error(ErrorKind::ProviderUnavailable, format!("cannot reach {name}: {cause}"))
                    .with_help(unreachable_help(endpoint))
            } else {
                endpoint.error(ErrorKind::ProviderUnavailable, format!("{name} closed the connection: {cause}"))
            }
        })
    }

    async fn error_body(&self, response: &mut Response) -> Vec<u8> {
        let mut body = Vec::new();
        while let Ok(Ok(Some(bytes))) = timeout(self.config.idle_timeout, response.chunk()).await {
            body.extend_from_slice(&bytes);
            if body.len() >= MAX_ERROR_BODY {
                body.truncate(MAX_ERROR_BODY);
                break;
            }
        }
        body
    }

    fn too_large(&self, endpoint: &Endpoint) -> RunError {
        let limit = self.config.max_response_bytes;
        endpoint.error(
            ErrorKind::ProviderInvalid,
            format!("the answer of {} is larger than {limit} bytes", endpoint.name()),
        )
    }

    fn client(&self, endpoint: &Endpoint) -> Result<&Client, RunError> {
        let secure = endpoint.url.scheme() == "https";
        let slot = if secure { &self.tls } else { &self.plain };
        slot.get_or_init(|| self.build(secure)).as_ref().map_err(|cause| {
            endpoint.error(
                ErrorKind::ProviderUnavailable,
                format!("no connection to {} can be made: {cause}", endpoint.name()),
            )
        })
    }

    fn build(&self, secure: bool) -> Result<Client, String> {
        let mut builder = Client::builder()
            .user_agent(concat!("aikit/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.config.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .no_proxy()
            .tls_backend_preconfigured(tls_config(secure)?);
        if let Some(proxy) = &self.config.proxy {
            let proxy = Url::parse(proxy).map_err(|_| "the configured proxy is not a URL".to_string())?;
            builder = builder.proxy(Proxy::custom(move |url| (!Endpoint::is_loopback(url)).then(|| proxy.clone())));
        }
        builder.build().map_err(|error| innermost(&error))
    }
}

/// TLS over ring, with the machine's root certificates where they are needed.
fn tls_config(secure: bool) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(if secure {
        let verifier = rustls_platform_verifier::Verifier::new(provider)
            .map_err(|error| format!("the root certificates of this machine cannot be loaded ({error})"))?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
    } else {
        builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    })
}

async fn settled(until: Option<tokio::time::Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn broke_off(endpoint: &Endpoint, tokens: u64, cause: Option<&str>) -> RunError {
    let name = endpoint.name();
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    let message = match tokens {
        0 => format!("{name} closed the connection before it answered{cause}"),
        tokens => format!("the answer of {name} broke off after {tokens} tokens{cause}"),
    };
    endpoint.error(ErrorKind::ProviderUnavailable, message)
}

fn unreachable_help(endpoint: &Endpoint) -> &'static str {
    if endpoint.provider == "ollama" {
        "Start it with `ollama serve`, or set `base_url` to where it runs."
    } else if Endpoint::is_loopback(&endpoint.url) {
        "Is the server started, and is the port in `base_url` right?"
    } else {
        "Check `base_url` and the network connection."
    }
}

/// The last of the chain of causes, which says what really happened; the outer ones repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::addr_eq(cause, error) { "no further detail".to_string() } else { cause.to_string() }
}

/// What the server asks us to wait: `retry-after-ms`, or `retry-after` as seconds or as a date.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wait = if let Some(millis) = text("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()) {
        Duration::try_from_secs_f64(millis / 1000.0).ok()?
    } else {
        let value = text(RETRY_AFTER.as_str())?;
        match value.parse::<f64>() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
            Err(_) => {
                let at = DateTime::parse_from_rfc2822(value).ok()?;
                // The server's own clock, so that a wrong one on either side does not count.
                let from = text(DATE.as_str()).and_then(|date| DateTime::parse_from_rfc2822(date).ok());
                let from = from.map_or(now, |date| date.to_utc());
                (at.to_utc() - from).to_std().unwrap_or_default()
            }
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_all_its_forms() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        for (headers, expected) in [
            (&[][..], None),
            (&[("retry-after", "7")], Some(7_000)),
            (&[("retry-after", "0.25")], Some(250)),
            (&[("retry-after-ms", "1500"), ("retry-after", "9")], Some(1_500)),
            (&[("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT")], Some(30_000)),
            (
                &[("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT"), ("date", "Thu, 01 Jan 2026 00:00:10 GMT")],
                Some(20_000),
            ),
            (&[("retry-after", "Wed, 31 Dec 2025 00:00:00 GMT")], Some(0)),
            (&[("retry-after", "999999999")], Some(3_600_000)),
            (&[("retry-after", "-5")], None),
            (&[("retry-after", "soon")], None),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(retry_after(&map, now).map(|wait| wait.as_millis()), expected, "{headers:?}");
        }
    }
}
