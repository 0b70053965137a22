//! Credentials: environment variables that the operator lets through, and the tenant's own configuration.

use aikit_core::{ErrorKind, RunError, record::TenantRecord};
use aikit_runtime::ports::{Secret, Secrets};
use aikit_spec::plan::SecretSource;
use serde_json::Value;

/// What a tenant whose configuration says nothing may read.
const DEFAULT_ALLOW: &[&str] = &["*_API_KEY"];

/// Resolves the credentials of one tenant.
pub struct TenantSecrets {
    tenant: TenantRecord,
}

impl TenantSecrets {
    /// Credentials as this tenant's configuration allows them: `secrets: {NAME: value}` for its own, `env_allow: [glob]`
    /// for environment variables.
    pub fn new(tenant: TenantRecord) -> Self {
        Self { tenant }
    }

    fn env_allowed(&self, name: &str) -> bool {
        match self.tenant.config.get("env_allow").and_then(Value::as_array) {
            Some(list) => list.iter().filter_map(Value::as_str).any(|pattern| matches(pattern, name)),
            None => DEFAULT_ALLOW.iter().any(|pattern| matches(pattern, name)),
        }
    }
}

/// Whether a name fits a pattern in which `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name
            .strip_prefix(head)
            .is_some_and(|rest| (0..=rest.len()).any(|i| rest.get(i..).is_some_and(|end| matches(tail, end)))),
    }
}

impl Secrets for TenantSecrets {
    fn resolve(&self, source: &SecretSource) -> Result<Secret, RunError> {
        let refuse =
            |message: String, help: String| Err(RunError::new(ErrorKind::ProviderAuth, message).with_help(help));
        match source {
            SecretSource::Env(name) if !self.env_allowed(name) => refuse(
                format!("the environment variable `{name}` is not open to this tenant"),
                "names that end in _API_KEY are; others go into the tenant's `env_allow`".into(),
            ),
            SecretSource::Env(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
                _ => refuse(format!("the environment variable `{name}` is not set"), format!("set {name}")),
            },
            SecretSource::Unsupported(place) => refuse(
                format!("credentials from `{place}` are not read by this version"),
                "use `env` or `tenant`".into(),
            ),
            SecretSource::Tenant(key) => match self.tenant.config.get("secrets").and_then(|s| s.get(key)) {
                Some(Value::String(value)) => Ok(Secret::new(value.clone())),
                _ => refuse(
                    format!("the tenant has no secret `{key}`"),
                    "add it to the tenant's configuration under `secrets`".into(),
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secrets(config: Value) -> TenantSecrets {
        TenantSecrets::new(TenantRecord {
            id: "acme".parse().unwrap(),
            name: "Acme".into(),
            plan: "free".into(),
            config,
            created_at: Default::default(),
        })
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, fits) in [
            ("*_API_KEY", "OPENAI_API_KEY", true),
            ("*_API_KEY", "OPENAI_API_KEYS", false),
            ("A*B*C", "AxBxC", true),
            ("A*B*C", "AxC", false),
            ("HOME", "HOME", true),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn only_what_is_open_is_read() {
        let closed = secrets(json!({}));
        let error = closed.resolve(&SecretSource::Env("PATH".into())).unwrap_err();
        assert_eq!(error.message, "the environment variable `PATH` is not open to this tenant");
        let open = secrets(json!({"env_allow": ["PATH"], "secrets": {"k": "v"}}));
        assert!(open.resolve(&SecretSource::Env("PATH".into())).is_ok());
        assert_eq!(open.resolve(&SecretSource::Tenant("k".into())).unwrap().reveal(), "v");
        assert!(open.resolve(&SecretSource::Tenant("x".into())).is_err());
    }
}
