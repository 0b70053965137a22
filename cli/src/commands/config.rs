//! `aikit config`: what holds here, and where each value comes from.

use aikit_spec::limits;
use serde_json::{Value, json};

use super::{Outcome, run::composed};
use crate::{argv::Format, context::Context, failure::Failure, render};

/// Subcommands of `aikit config`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show what holds, with the bounds of a document where one is named
    Show(Show),
}

/// Arguments of `aikit config show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// A document whose bounds are one of the layers
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// Lay this overlay of the document over it
    #[arg(long, value_name = "NAME|FILE", requires = "file")]
    pub env: Option<String>,
    /// Say behind every value where it comes from
    #[arg(long)]
    pub origin: bool,
}

/// A value that holds.
struct Held {
    key: String,
    value: Value,
    origin: String,
}

/// Shows the configuration.
pub async fn run(context: &Context, command: Command) -> Result<Outcome, Failure> {
    let Command::Show(args) = command;
    context.without_reports("config show")?;
    let profile = &context.profile;
    let mut held = Vec::new();
    let tenant = profile.named_tenant.as_ref().unwrap_or(&profile.own_tenant);
    for (key, value, origin) in [
        ("tenant", json!(tenant.as_str()), profile.origin("tenant")),
        ("user", json!(profile.user.as_str()), profile.origin("user")),
        ("db", json!(profile.db.display().to_string()), profile.origin("db")),
    ] {
        held.push(Held { key: key.into(), value, origin: origin.to_owned() });
    }
    let mut layers: Vec<(String, Bounds)> = Vec::new();
    let known = context.limit_layers().await?;
    for layer in &known {
        let values = limits::NAMES.iter().filter_map(|(name, _)| {
            let bound = layer.limits.get(name)?;
            let shown = if *name == "max_wall" { json!(format!("{bound}s")) } else { json!(bound) };
            Some((*name, bound, shown))
        });
        layers.push((layer.name.clone(), values.collect()));
    }
    if let Some(file) = &args.file {
        layers.push((file.clone(), document(context, file, args.env.clone())?));
    }
    for (name, _) in limits::NAMES {
        let bounds = layers.iter().flat_map(|(layer, values)| {
            values.iter().filter(|(key, ..)| *key == name).map(move |(_, bound, shown)| (layer, *bound, shown))
        });
        if let Some((layer, _, shown)) = bounds.min_by(|one, other| one.1.total_cmp(&other.1)) {
            held.push(Held { key: format!("limits.{name}"), value: shown.clone(), origin: layer.clone() });
        }
    }
    if context.format == Format::Json {
        let values = held.iter().map(|one| json!({ "key": one.key, "value": one.value, "origin": one.origin }));
        return Ok(Outcome::ok(render::pretty(&values.collect::<Vec<_>>())));
    }
    let line = |one: &Held| {
        let value = one.value.as_str().map_or_else(|| one.value.to_string(), str::to_owned);
        if args.origin {
            format!("{}: {value}  # {}\n", one.key, one.origin)
        } else {
            format!("{}: {value}\n", one.key)
        }
    };
    Ok(Outcome::ok(held.iter().map(line).collect::<String>()))
}

type Bounds = Vec<(&'static str, f64, Value)>;

/// The bounds that a document sets; one that cannot be read is reported as `check` does.
fn document(context: &Context, file: &str, env: Option<String>) -> Result<Bounds, Failure> {
    let (_, composed) = composed(context, file, env)?;
    let bounds = limits::NAMES.iter().filter_map(|(name, path)| {
        let node = path.iter().try_fold(&composed.root, |node, key| node.get(key))?;
        let value = node.to_json();
        let limits = limits::Limits::read(&json!({ *name: value })).ok()?;
        Some((*name, limits.get(name)?, value))
    });
    Ok(bounds.collect())
}
