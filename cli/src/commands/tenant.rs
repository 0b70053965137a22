//! `aikit tenant`.

use aikit_core::{TenantId, record::StoreError, record::TenantRecord, render::table};
use aikit_storage::NewTenant;
use serde_json::Value;

use super::Outcome;
use crate::{argv::Format, context::Context, exit::Exit, failure::Failure, render, source::Source};

/// What `aikit tenant` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create a tenant
    Create(Create),
    /// List the tenants
    List,
}

/// Arguments of `aikit tenant create`.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// The slug that names it: lower-case letters, digits and hyphens
    pub id: String,
    /// The name that people read; by default the slug
    #[arg(long)]
    pub name: Option<String>,
    /// The plan, visible to documents as tenant.plan
    #[arg(long, default_value = "free")]
    pub plan: String,
    /// A YAML or JSON file with the tenant's configuration; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// Leave an existing tenant as it is instead of failing
    #[arg(long)]
    pub if_missing: bool,
}

/// Runs one of the commands.
pub async fn run(context: &Context, command: Command) -> Result<Outcome, Failure> {
    context.without_reports("tenant")?;
    match command {
        Command::Create(args) => create(context, args).await,
        Command::List => list(context).await,
    }
}

async fn create(context: &Context, args: Create) -> Result<Outcome, Failure> {
    let id = TenantId::new(args.id).map_err(|error| Failure::usage(error.to_string()))?;
    let mut tenant = NewTenant::new(id.clone(), args.name.unwrap_or_else(|| id.to_string()));
    tenant.plan = args.plan;
    if let Some(file) = &args.config {
        tenant.config = config(file)?;
    }
    let admin = context.database().await?.admin();
    let record = if args.if_missing {
        admin.ensure_tenant(tenant).await?
    } else {
        admin.create_tenant(tenant).await.map_err(|error| match error {
            StoreError::Conflict(message) => {
                Failure::new(Exit::Refused, message).with_help("--if-missing leaves an existing tenant as it is")
            }
            other => other.into(),
        })?
    };
    Ok(Outcome::ok(match context.format {
        Format::Json => render::pretty(&record),
        _ => format!("tenant {} ({}), plan {}\n", record.id, record.name, record.plan),
    }))
}

fn config(file: &str) -> Result<Value, Failure> {
    let source = Source::read(file);
    if let Some(diagnostic) = source.unreadable {
        let exit = if source.missing { Exit::NotFound } else { Exit::Refused };
        return Err(Failure::new(exit, format!("{}: {}", source.name, diagnostic.message)).with_code(diagnostic.code));
    }
    match aikit_spec::parse_value(&source.text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failure::new(Exit::Refused, format!("{}: a configuration is a mapping", source.name))),
        Err(diagnostics) => {
            let first = diagnostics.first().map_or("it cannot be read", |diagnostic| diagnostic.message.as_str());
            Err(Failure::new(Exit::Refused, format!("{}: {first}", source.name)))
        }
    }
}

async fn list(context: &Context) -> Result<Outcome, Failure> {
    let tenants = context.database().await?.admin().tenants().await?;
    if context.format == Format::Json {
        return Ok(Outcome::ok(render::pretty(&tenants)));
    }
    if tenants.is_empty() {
        return Ok(Outcome::ok("no tenants yet; the first command that needs one creates yours\n"));
    }
    let row = |tenant: &TenantRecord| {
        vec![
            tenant.id.to_string(),
            tenant.name.clone(),
            tenant.plan.clone(),
            tenant.created_at.format("%Y-%m-%d").to_string(),
        ]
    };
    let rows: Vec<_> = tenants.iter().map(row).collect();
    Ok(Outcome::ok(table(&["tenant", "name", "plan", "created"], &rows) + "\n"))
}
