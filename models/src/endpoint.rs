use std::net::IpAddr;

use aikit_core::{ErrorKind, RunError};
use aikit_runtime::ports::Secret;
use reqwest::Url;

/// Longest piece of a server's own words that an error repeats, in characters.
const MAX_QUOTED: usize = 400;

/// The server of one request, and how errors speak of it: without path, query and credential.
pub(crate) struct Endpoint {
    /// The provider's name.
    pub(crate) provider: &'static str,
    /// Where the request goes.
    pub(crate) url: Url,
    /// What authorises it.
    pub(crate) key: Option<Secret>,
    /// The header that holds the credential, for servers that want it bare and not as a bearer's token.
    pub(crate) key_header: Option<&'static str>,
    /// Headers that go with every request.
    pub(crate) headers: &'static [(&'static str, &'static str)],
}

impl Endpoint {
    /// The endpoint `path` below `base`, which people give with or without a slash at its end, or already complete.
    pub(crate) fn new(
        provider: &'static str,
        base: &str,
        path: &str,
        key: Option<Secret>,
    ) -> Result<Endpoint, RunError> {
        let base = base.trim().trim_end_matches('/');
        let text = if base.ends_with(path) { base.to_string() } else { format!("{base}{path}") };
        let invalid = |why: &str| {
            RunError::new(ErrorKind::ProviderInvalid, format!("the base URL of `{provider}` {why}"))
                .with_help("Give `base_url` as `https://host/…` or `http://host:port/…`, without credentials.")
        };
        let (base, url) = match (Url::parse(base), Url::parse(&text)) {
            (Ok(base), Ok(url)) => (base, url),
            _ => return Err(invalid("is not a URL")),
        };
        if !matches!(url.scheme(), "http" | "https") || base.host_str() != url.host_str() {
            return Err(invalid("must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("holds a user name or a password"));
        }
        Ok(Endpoint { provider, url, key, key_header: None, headers: &[] })
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_loopback(url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// For example `openai at https://api.openai.com`.
    pub(crate) fn name(&self) -> String {
        format!("{} at {}", self.provider, self.url.origin().ascii_serialization())
    }

    /// An error about this server. Should the server's words hold the credential, it is blotted out.
    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> RunError {
        let mut message = message.into();
        if let Some(key) = self.key.as_ref().map(Secret::reveal).filter(|key| !key.is_empty()) {
            message = message.replace(key, "…");
        }
        RunError::new(kind, message)
    }

    /// A server's own words on one line, shortened.
    pub(crate) fn quote(text: &str) -> String {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(MAX_QUOTED) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(base: &str) -> Result<Endpoint, RunError> {
        Endpoint::new("openai", base, "/chat/completions", Some(Secret::new("sk-secret")))
    }

    #[test]
    fn base_urls() {
        for base in ["https://h/v1", "https://h/v1/", " https://h/v1 ", "https://h/v1/chat/completions"] {
            assert_eq!(endpoint(base).unwrap().url.as_str(), "https://h/v1/chat/completions", "{base}");
        }
        for base in ["", "h/v1", "file:///etc", "ftp://h", "https://user:pw@h/v1", "http://"] {
            let error = endpoint(base).err().unwrap();
            assert_eq!(error.kind, ErrorKind::ProviderInvalid, "{base}");
            assert!(!error.message.contains("pw"), "{error}");
        }
    }

    #[test]
    fn loopback_hosts() {
        for (url, loopback) in [
            ("http://localhost:1/", true),
            ("http://127.8.0.1/", true),
            ("http://[::1]:9/", true),
            ("http://api.localhost/", true),
            ("http://10.0.0.1/", false),
            ("https://api.openai.com/", false),
        ] {
            assert_eq!(Endpoint::is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
        }
    }

    #[test]
    fn errors_hold_no_credential() {
        let error = endpoint("https://h").unwrap().error(ErrorKind::ProviderAuth, "wrong key: sk-secret!");
        assert_eq!(error.message, "wrong key: …!");
    }
}
