//! `aikit spec`.

use aikit_core::{
    AgentId, LineIndex, codes,
    record::{NewSpec, SpecRecord},
    render::table,
};
use aikit_runtime::{engine, journal::digest_text};
use aikit_spec::{CheckContext, roots::nearest};
use aikit_storage::TenantStore;
use semver::Version;
use serde_json::json;

use super::Outcome;
use crate::{
    argv::Format,
    compose::{self, surroundings},
    context::Context,
    exit::Exit,
    failure::Failure,
    files, render,
    source::{Report, Source},
};

/// What `aikit spec` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check a document and store it as a draft of a new agent or a new version
    Create(File),
    /// Check a document and replace its draft, or store a newer version of an agent that exists
    Update(File),
    /// Print the document of an agent as it was written
    Get(Reference),
    /// List the tenant's agents, or the versions of one
    List(List),
    /// Make a version the active one; the former active one becomes deprecated
    Promote(Reference),
    /// Show what happened to an agent's versions
    History(Name),
}

/// A document.
#[derive(Debug, clap::Args)]
pub struct File {
    /// The document; `-` is standard input
    pub file: String,
}

/// An agent, with or without version.
#[derive(Debug, clap::Args)]
pub struct Reference {
    /// AGENT or AGENT@VERSION
    #[arg(value_name = "AGENT[@VERSION]")]
    pub reference: String,
}

/// An agent.
#[derive(Debug, clap::Args)]
pub struct Name {
    /// The agent
    pub agent: String,
}

/// Arguments of `aikit spec list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// An agent whose versions are listed
    pub agent: Option<String>,
}

/// Runs one of the commands.
pub async fn run(context: &Context, command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Create(args) => put(context, &args.file, Purpose::Create).await,
        Command::Update(args) => put(context, &args.file, Purpose::Update).await,
        other => {
            context.without_reports("spec")?;
            let store = context.store().await?;
            match other {
                Command::Get(args) => get(context, &store, &args.reference).await,
                Command::List(args) => list(context, &store, args.agent.as_deref()).await,
                Command::Promote(args) => promote(context, &store, &args.reference).await,
                Command::History(args) => history(context, &store, &args.agent).await,
                Command::Create(_) | Command::Update(_) => Err(Failure::new(Exit::Internal, "unreachable command")),
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Create,
    Update,
}

async fn put(context: &Context, file: &str, purpose: Purpose) -> Result<Outcome, Failure> {
    let source = Source::read(file);
    let setting = files::beside(file, None);
    let store = context.store().await?;
    let surroundings =
        CheckContext { tenant: Some(store.scope().tenant.clone()), around: setting.clone(), ..surroundings() };
    let (plan, kind, diagnostics) = match &source.unreadable {
        Some(diagnostic) => (None, None, vec![diagnostic.clone()]),
        None => {
            let checked = engine::check(&source.text, &surroundings, &compose::parsers()).await;
            (checked.plan, Some(checked.kind), checked.diagnostics)
        }
    };
    let mut report = Report { index: LineIndex::new(&source.text), source, diagnostics };
    if let (None, false, Some(kind)) = (&plan, report.has_errors(), kind) {
        return Err(super::run::no_agent(file, kind));
    }
    let Some(plan) = plan else {
        let exit = if report.source.missing { Exit::NotFound } else { Exit::Refused };
        return Ok(Outcome { text: render::reports(&[report], context.format, context.color), exit });
    };

    // What is stored stands for itself: the files beside it may change or go.
    if let Some(text) = aikit_spec::compose::bundle(&report.source.text, &setting) {
        report.source.text = text;
    }
    let (agent, version) = (plan.agent.id.clone(), plan.agent.version.clone());
    let digest = digest_text(&report.source.text);
    let versions = store.spec_versions(&agent).await?;
    let same = versions.iter().find(|spec| spec.version == version);
    let unchanged = same.is_some_and(|spec| spec.digest == digest);
    match (purpose, same) {
        (Purpose::Create, Some(same)) if !unchanged => {
            return Err(Failure::new(Exit::Refused, format!("{agent}@{version} is stored already with other content"))
                .with_code(codes::VERSION_CONFLICT)
                .with_help(match same.status {
                    aikit_core::record::SpecStatus::Draft => {
                        format!(
                            "`aikit spec update` replaces the draft; or set identity.version to {}",
                            next(&versions)
                        )
                    }
                    _ => format!("set identity.version to {}", next(&versions)),
                }));
        }
        (Purpose::Update, _) if versions.is_empty() => {
            return Err(missing_agent(&store, &agent)
                .await?
                .with_help(format!("`aikit spec create {file}` stores it for the first time")));
        }
        _ => {}
    }
    let spec = NewSpec {
        agent,
        version,
        name: plan.agent.name.clone(),
        description: plan.agent.description.clone(),
        source: report.source.text.clone(),
        digest,
    };
    let stored = store.put_spec(spec).await.map_err(|error| {
        let failure = Failure::from(error);
        if failure.exit == Exit::Refused {
            failure.with_help(format!("set identity.version to {}", next(&versions)))
        } else {
            failure
        }
    })?;
    let text = match context.format {
        Format::Json => render::pretty(&stored),
        Format::Sarif | Format::Github => render::reports(&[report], context.format, false),
        Format::Human => {
            let mut text = String::new();
            if !report.diagnostics.is_empty() {
                text = render::reports(&[report], context.format, context.color);
            }
            let done = if unchanged { "unchanged" } else { "stored" };
            text + &format!("{done}: {} ({})\n", name(&stored), stored.status.as_str())
        }
    };
    Ok(Outcome::ok(text))
}

/// The version behind the highest one stored.
fn next(versions: &[SpecRecord]) -> Version {
    let highest = versions.first().map_or(Version::new(0, 0, 0), |spec| spec.version.clone());
    if highest.pre.is_empty() {
        Version::new(highest.major, highest.minor, highest.patch.saturating_add(1))
    } else {
        Version::new(highest.major, highest.minor, highest.patch)
    }
}

fn name(spec: &SpecRecord) -> String {
    format!("{}@{}", spec.agent, spec.version)
}

async fn get(context: &Context, store: &TenantStore, reference: &str) -> Result<Outcome, Failure> {
    let spec = find(store, reference).await?;
    Ok(Outcome::ok(match context.format {
        Format::Json => render::pretty(&spec),
        _ => spec.source,
    }))
}

async fn list(context: &Context, store: &TenantStore, agent: Option<&str>) -> Result<Outcome, Failure> {
    let specs = match agent {
        None => store.specs().await?,
        Some(agent) => versions_of(store, &parse_agent(agent)?).await?,
    };
    if context.format == Format::Json {
        return Ok(Outcome::ok(render::pretty(&specs)));
    }
    if specs.is_empty() {
        let tenant = &store.scope().tenant;
        return Ok(Outcome::ok(format!("tenant {tenant} has no agents yet; `aikit spec create FILE` stores one\n")));
    }
    let row = |spec: &SpecRecord| {
        let description = spec.description.as_deref().unwrap_or_default();
        vec![
            spec.agent.to_string(),
            spec.version.to_string(),
            spec.status.as_str().to_owned(),
            spec.name.clone(),
            description.lines().next().unwrap_or_default().chars().take(60).collect(),
        ]
    };
    let rows: Vec<_> = specs.iter().map(row).collect();
    Ok(Outcome::ok(table(&["agent", "version", "status", "name", "description"], &rows) + "\n"))
}

async fn promote(context: &Context, store: &TenantStore, reference: &str) -> Result<Outcome, Failure> {
    let (agent, version) = parse_reference(reference)?;
    let Some(version) = version else {
        let newest = versions_of(store, &agent).await?.first().map(name);
        return Err(Failure::usage("say which version becomes the active one").with_help(match newest {
            Some(newest) => format!("for example `aikit spec promote {newest}`"),
            None => "AGENT@VERSION".to_owned(),
        }));
    };
    // The agent and the version are looked up first, so that a wrong name gets an answer that helps.
    let found = find(store, reference).await?;
    let promoted = store.promote_spec(&agent, &version).await?;
    Ok(Outcome::ok(match context.format {
        Format::Json => render::pretty(&promoted),
        _ if found.status == promoted.status => format!("unchanged: {} is active\n", name(&promoted)),
        _ => format!("promoted: {} is active\n", name(&promoted)),
    }))
}

async fn history(context: &Context, store: &TenantStore, agent: &str) -> Result<Outcome, Failure> {
    let agent = parse_agent(agent)?;
    let changes = store.spec_history(&agent).await?;
    if changes.is_empty() {
        return Err(missing_agent(store, &agent).await?);
    }
    if context.format == Format::Json {
        return Ok(Outcome::ok(render::pretty(&json!(changes))));
    }
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|change| {
            vec![
                change.seq.to_string(),
                change.version.to_string(),
                change.change.clone(),
                change.actor.to_string(),
                change.at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
                change.digest.chars().take(12).collect(),
            ]
        })
        .collect();
    Ok(Outcome::ok(table(&["#", "version", "change", "by", "at", "digest"], &rows) + "\n"))
}

fn parse_agent(text: &str) -> Result<AgentId, Failure> {
    AgentId::new(text).map_err(|error| Failure::usage(error.to_string()))
}

fn parse_reference(reference: &str) -> Result<(AgentId, Option<Version>), Failure> {
    let (agent, version) = match reference.split_once('@') {
        None => (reference, None),
        Some((agent, version)) => (agent, Some(version)),
    };
    let version = version
        .map(|version| {
            version.parse().map_err(|_| {
                Failure::usage(format!("`{version}` is not a version")).with_help("a version reads 1.2.3 or 1.2.3-rc.1")
            })
        })
        .transpose()?;
    Ok((parse_agent(agent)?, version))
}

async fn versions_of(store: &TenantStore, agent: &AgentId) -> Result<Vec<SpecRecord>, Failure> {
    let versions = store.spec_versions(agent).await?;
    if versions.is_empty() { Err(missing_agent(store, agent).await?) } else { Ok(versions) }
}

/// The version that a reference means.
async fn find(store: &TenantStore, reference: &str) -> Result<SpecRecord, Failure> {
    let (agent, version) = parse_reference(reference)?;
    let versions = versions_of(store, &agent).await?;
    if let Some(found) = store.spec(&agent, version.as_ref()).await? {
        return Ok(found);
    }
    let known: Vec<String> = versions.iter().take(10).map(|spec| spec.version.to_string()).collect();
    let wanted =
        version.map_or_else(|| "an active version or a draft".to_owned(), |version| format!("version {version}"));
    Err(Failure::new(Exit::NotFound, format!("agent `{agent}` has no {wanted}"))
        .with_code(codes::UNKNOWN_AGENT)
        .with_help(format!("it has {}", known.join(", "))))
}

async fn missing_agent(store: &TenantStore, agent: &AgentId) -> Result<Failure, Failure> {
    let specs = store.specs().await?;
    let near = nearest(agent.as_str(), specs.iter().map(|spec| spec.agent.as_str()));
    Ok(Failure::new(Exit::NotFound, format!("tenant {} has no agent `{agent}`", store.scope().tenant))
        .with_code(codes::UNKNOWN_AGENT)
        .with_help(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`aikit spec list` shows what there is".to_owned(),
        }))
}
