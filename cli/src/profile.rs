//! Who acts and where their data lies, from flags and environment, without any configuration.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use aikit_core::{TenantId, UserId, ids::MAX_SLUG};

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
}

/// The environment, as far as it is looked at; a function so that tests can bring their own.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<OsString>;

impl Profile {
    /// Puts flags, environment and the operating system's user together.
    pub fn resolve(global: &Global, env: Env<'_>, login: &str) -> Result<Self, Failure> {
        let own = slug(login);
        let invalid = |error: aikit_core::InvalidId| {
            Failure::usage(error.to_string()).with_help("for example `acme` or `acme-research`")
        };
        let own_tenant = TenantId::new(own.clone()).map_err(invalid)?;
        let named_tenant = global.tenant.clone().map(TenantId::new).transpose().map_err(invalid)?;
        let user = UserId::new(global.user.clone().unwrap_or(own)).map_err(invalid)?;
        let db = match &global.db {
            Some(db) => db.clone(),
            None => data_folder(env)?.join("aikit.db"),
        };
        Ok(Self { db, named_tenant, own_tenant, user })
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
        Global { tenant: None, user: None, db: None, format: Format::Human, color: Color::Auto }
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
