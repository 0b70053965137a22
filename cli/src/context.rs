//! What commands share: the profile, the format, the way to the store.

use std::io::{self, IsTerminal};

use aikit_core::{Scope, TenantId, codes};
use aikit_spec::{CheckContext, limits::LimitLayer, roots::nearest};
use aikit_storage::{Database, NewTenant, TenantStore};

use crate::{
    argv::{Color, Format, Global},
    compose,
    exit::Exit,
    failure::Failure,
    profile::{self, Profile},
};

/// The surroundings of one command.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who acts and where.
    pub profile: Profile,
    /// Who reads the result.
    pub format: Format,
    /// Whether results for people are coloured.
    pub color: bool,
}

impl Context {
    /// Reads flags and environment.
    pub fn new(global: &Global) -> Result<Self, Failure> {
        let env = |name: &str| std::env::var_os(name);
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => env("NO_COLOR").is_none_or(|value| value.is_empty()) && io::stdout().is_terminal(),
        };
        let profile = Profile::resolve(global, &env, &profile::login(&env))?;
        Ok(Self { profile, format: global.format, color })
    }

    /// Refuses the formats that only diagnostics have.
    pub fn without_reports(&self, command: &str) -> Result<(), Failure> {
        match self.format {
            Format::Human | Format::Json => Ok(()),
            Format::Sarif | Format::Github => {
                Err(Failure::usage(format!("`aikit {command}` has no report in this format"))
                    .with_help("use --format human or --format json"))
            }
        }
    }

    /// Opens the database of the profile.
    pub async fn database(&self) -> Result<Database, Failure> {
        Ok(Database::open(&self.profile.db).await?)
    }

    /// The scope to act in. The own tenant is created on first use; one that was named has to exist.
    pub async fn scope(&self, database: &Database) -> Result<Scope, Failure> {
        let tenant = match &self.profile.named_tenant {
            Some(named) => {
                self.require_tenant(database, named).await?;
                named.clone()
            }
            None => {
                let own = self.profile.own_tenant.clone();
                database.admin().ensure_tenant(NewTenant::new(own.clone(), own.as_str())).await?;
                own
            }
        };
        Ok(Scope::new(tenant, self.profile.user.clone()))
    }

    /// The store of the scope.
    pub async fn store(&self) -> Result<TenantStore, Failure> {
        let database = self.database().await?;
        let scope = self.scope(&database).await?;
        Ok(database.enter(&scope, "cli").await?)
    }

    async fn require_tenant(&self, database: &Database, named: &TenantId) -> Result<(), Failure> {
        let known: Vec<String> =
            database.admin().tenants().await?.into_iter().map(|tenant| tenant.id.to_string()).collect();
        if known.iter().any(|id| id == named.as_str()) {
            return Ok(());
        }
        let failure =
            Failure::new(Exit::NotFound, format!("tenant `{named}` does not exist")).with_code(codes::UNKNOWN_TENANT);
        let create = format!("`aikit tenant create {named}` makes it");
        Err(failure.with_help(match nearest(named.as_str(), known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? {create}"),
            None => create,
        }))
    }

    /// The bounds of every run that stand outside of documents: profile, environment and flags, and the tenant's.
    pub async fn limit_layers(&self) -> Result<Vec<LimitLayer>, Failure> {
        let database = self.database().await?;
        let scope = self.scope(&database).await?;
        let mut layers = self.profile.limits.clone();
        let tenant = database.admin().tenants().await?.into_iter().find(|tenant| tenant.id == scope.tenant);
        if let Some(tenant) = tenant {
            let own = LimitLayer::of_tenant(&tenant.id, &tenant.config);
            let own = own.map_err(|problem| Failure::new(Exit::Refused, problem))?;
            layers.splice(0..0, own);
        }
        Ok(layers)
    }

    /// What documents are checked against. Without a named tenant, one that a document names is not compared: checking
    /// a file does not depend on who runs the check.
    pub async fn check_context(&self) -> Result<CheckContext, Failure> {
        if let Some(named) = &self.profile.named_tenant {
            self.require_tenant(&self.database().await?, named).await?;
        }
        let limits = match self.profile.named_tenant {
            Some(_) => self.limit_layers().await?,
            None => self.profile.limits.clone(),
        };
        Ok(CheckContext { tenant: self.profile.named_tenant.clone(), limits, ..compose::surroundings() })
    }
}
