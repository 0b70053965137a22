//! Who acts and where their data lies, from flags, environment and the profile's configuration.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use aikit_core::{TenantId, UserId, ids::MAX_SLUG};
use aikit_spec::limits::{LimitLayer, Limits};
use serde::Deserialize;

use crate::{argv::Global, exit::Exit, failure::Failure};

/// Who acts and on which database.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The database.
    pub db: PathBuf,
    /// The tenant that was named, if one was.
    pub named_tenant: Option<TenantId>,
    /// The tenant of the operating system's user.
    pub own_tenant: TenantId,
    /// The acting user.
    pub user: UserId,
    /// Bounds of every run: of the file, the environment and the flags.
    pub limits: Vec<LimitLayer>,
    /// Where each value comes from.
    origins: BTreeMap<&'static str, String>,
}

/// The file of the profile, as far as it says something.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    tenant: Option<String>,
    user: Option<String>,
    db: Option<PathBuf>,
    limits: Option<serde_json::Value>,
}

/// The environment, as far as it is looked at; a function so that tests can bring their own.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<OsString>;

impl Profile {
    /// Puts flags, environment and the operating system's user together.
    pub fn resolve(global: &Global, env: Env<'_>, login: &str) -> Result<Self, Failure> {
        let own = slug(login);
        let (path, file) = profile_file(env)?;
        let file_name = path.display().to_string();
        let mut origins = BTreeMap::new();
        let mut pick = |key: &'static str, variable: &str, given: Option<String>, filed: Option<String>| {
            let in_environment = env(variable).is_some_and(|value| given.as_deref() == value.to_str());
            let origin = match (&given, &filed) {
                (Some(_), _) if in_environment => format!("environment {variable}"),
                (Some(_), _) => "flags".to_owned(),
                (None, Some(_)) => file_name.clone(),
                (None, None) => "default".to_owned(),
            };
            origins.insert(key, origin);
            given.or(filed)
        };
        let named = pick("tenant", "AIKIT_TENANT", global.tenant.clone(), file.tenant);
        let acting = pick("user", "AIKIT_USER", global.user.clone(), file.user);
        let given_db = global.db.as_ref().map(|db| db.display().to_string());
        let db = pick("db", "AIKIT_DB", given_db, file.db.map(|db| db.display().to_string()));
        let mut limits = Vec::new();
        if let Some(value) = &file.limits {
            let read = Limits::read(value).map_err(|problem| Failure::usage(format!("{file_name}: {problem}")))?;
            limits.push(LimitLayer { name: file_name.clone(), limits: read });
        }
        if let Some(text) = &global.limits {
            let read = Limits::parse(text).map_err(|problem| Failure::usage(format!("--limits: {problem}")))?;
            pick("limits", "AIKIT_LIMITS", Some(text.clone()), None);
            let name = origins.get("limits").cloned().unwrap_or_default();
            limits.push(LimitLayer { name, limits: read });
        }
        let invalid = |error: aikit_core::InvalidId| {
            Failure::usage(error.to_string()).with_help("for example `acme` or `acme-research`")
        };
        let own_tenant = TenantId::new(own.clone()).map_err(invalid)?;
        let named_tenant = named.map(TenantId::new).transpose().map_err(invalid)?;
        let user = UserId::new(acting.unwrap_or(own)).map_err(invalid)?;
        let db = match db {
            Some(db) => PathBuf::from(db),
            None => data_folder(env)?.join("aikit.db"),
        };
        Ok(Self { db, named_tenant, own_tenant, user, limits, origins })
    }

    /// Where a value comes from: `tenant`, `user` or `db`.
    pub fn origin(&self, key: &str) -> &str {
        self.origins.get(key).map_or("default", String::as_str)
    }
}

/// The file of the profile: `AIKIT_CONFIG`, else `config.toml` in `AIKIT_HOME` or in the folder of configurations. One that is
/// not there says nothing.
fn profile_file(env: Env<'_>) -> Result<(PathBuf, ProfileFile), Failure> {
    let named = env("AIKIT_CONFIG").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
    let folder = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let path = named.clone().or_else(|| Some(folder("AIKIT_HOME")?.join("config.toml")));
    let path = path.or_else(|| Some(folder("XDG_CONFIG_HOME")?.join("aikit/config.toml")));
    let path = path.or_else(|| Some(folder("HOME")?.join(".config/aikit/config.toml"))).unwrap_or_default();
    match std::fs::read_to_string(&path) {
        Ok(text) => match toml::from_str(&text) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(Failure::usage(format!("{}: {error}", path.display()))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            Ok((path, ProfileFile::default()))
        }
        Err(error) if path.as_os_str().is_empty() || error.kind() == std::io::ErrorKind::NotADirectory => {
            Ok((path, ProfileFile::default()))
        }
        Err(error) => Err(Failure::usage(format!("{} cannot be read: {error}", path.display()))),
    }
}

/// The name under which the operating system knows the person.
pub fn login(env: Env<'_>) -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .filter_map(|name| env(name))
        .map(|value| value.to_string_lossy().into_owned())
        .find(|value| !value.is_empty())
        .unwrap_or_default()
}

/// Any name as a slug: what is no letter, digit or hyphen becomes a hyphen.
fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => out.push(c),
            _ if out.ends_with('-') || out.is_empty() => {}
            _ => out.push('-'),
        }
    }
    out.truncate(MAX_SLUG);
    let out = out.trim_end_matches('-');
    if out.is_empty() { "local".to_owned() } else { out.to_owned() }
}

/// Where aikit keeps its data: `AIKIT_HOME`, else the platform's data folder.
fn data_folder(env: Env<'_>) -> Result<PathBuf, Failure> {
    let folder = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(home) = env("AIKIT_HOME").filter(|home| !home.is_empty()) {
        return Ok(PathBuf::from(home));
    }
    let below = |base: Option<PathBuf>, rest: &str| base.map(|base| base.join(rest));
    let found = if cfg!(windows) {
        below(folder("LOCALAPPDATA"), "aikit")
    } else if cfg!(target_os = "macos") {
        below(folder("HOME"), "Library/Application Support/aikit")
    } else {
        // A relative XDG_DATA_HOME is invalid and to be ignored, says its specification.
        below(folder("XDG_DATA_HOME"), "aikit").or_else(|| below(folder("HOME"), ".local/share/aikit"))
    };
    found.ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no home folder to keep data in")
            .with_help("set AIKIT_HOME to a folder, or name a database with --db")
    })
}

/// A path that stays valid wherever it is used from.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argv::{Color, Format};

    fn resolve(vars: &[(&str, &str)], global: Global) -> Result<Profile, Failure> {
        let env = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        Profile::resolve(&global, &env, &login(&env))
    }

    fn global() -> Global {
        Global { tenant: None, user: None, db: None, limits: None, format: Format::Human, color: Color::Auto }
    }

    #[test]
    fn any_login_becomes_a_slug() {
        for (login, expected) in [
            ("ada", "ada"),
            ("Ada.Lovelace", "ada-lovelace"),
            ("DOMAIN\\ada lovelace", "domain-ada-lovelace"),
            ("_apt", "apt"),
            ("Грета", "local"),
            ("", "local"),
            ("a..b--", "a-b"),
        ] {
            assert_eq!(slug(login), expected);
        }
        assert_eq!(slug(&"x".repeat(100)).len(), MAX_SLUG);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn places_and_names() {
        let home = [("HOME", "/home/ada"), ("USER", "ada")];
        let profile = resolve(&home, global()).unwrap();
        assert_eq!(profile.db, Path::new("/home/ada/.local/share/aikit/aikit.db"));
        assert_eq!((profile.own_tenant.as_str(), profile.user.as_str()), ("ada", "ada"));
        let xdg = [("HOME", "/home/ada"), ("XDG_DATA_HOME", "/data")];
        assert_eq!(resolve(&xdg, global()).unwrap().db, Path::new("/data/aikit/aikit.db"));
        let relative = [("HOME", "/home/ada"), ("XDG_DATA_HOME", "data")];
        assert_eq!(resolve(&relative, global()).unwrap().db, Path::new("/home/ada/.local/share/aikit/aikit.db"));
        let own = [("HOME", "/home/ada"), ("AIKIT_HOME", "/aikit")];
        assert_eq!(resolve(&own, global()).unwrap().db, Path::new("/aikit/aikit.db"));
        assert_eq!(resolve(&[], global()).unwrap_err().exit, Exit::Usage);
        let named =
            Global { db: Some("x.db".into()), tenant: Some("acme".into()), user: Some("bob".into()), ..global() };
        let profile = resolve(&[], named).unwrap();
        assert_eq!((profile.named_tenant.unwrap().as_str(), profile.user.as_str()), ("acme", "bob"));
        let bad = Global { tenant: Some("Acme Corp".into()), ..global() };
        assert_eq!(resolve(&home, bad).unwrap_err().exit, Exit::Usage);
    }
}
