//! Line magics. Each answers with a small display; `%help` goes to the pager.

use std::{fmt::Write, io};

use aikit_core::{
    AgentId, DiagnosticCode, RunId,
    record::{RunRecord, SpecRecord, Usage},
    surface,
};
use aikit_spec::cell::{MAGICS, Magic, RunArgument};
use chrono::Local;
use semver::Version;
use serde_json::{Map, Value};

use super::{CellRun, errors, run::USAGE, table};
use crate::{
    cell::{CellError, CellEvent, MimeBundle},
    gate::store_error,
    view::{self, RunView},
};

/// How many runs `%runs` lists.
const RUNS: u32 = 20;
/// How many runs `%quota` looks back over.
const QUOTA_RUNS: u32 = 10_000;

impl CellRun<'_> {
    /// Performs a line magic; gives the text for the pager, if it has one.
    pub(super) async fn line_magic(&self, magic: &Magic) -> Result<Option<String>, Box<CellError>> {
        let argument = magic.argument.as_str();
        match magic.name.as_str() {
            "run" => {
                let argument = RunArgument::parse(argument).map_err(|e| errors::usage(e.message, USAGE))?;
                self.run_agent(argument).await?;
            }
            "tenant" => self.tenant(),
            "agents" => self.agents().await?,
            "runs" => self.runs(argument).await?,
            "show" => self.show_run(argument).await?,
            "replay" => self.replay(argument).await?,
            "fork" => self.fork(argument).await?,
            "resume" => self.resume(argument).await?,
            "promote" => self.promote(argument).await?,
            "history" => self.spec_history(argument).await?,
            "save" => self.save(argument).await?,
            "vars" => self.vars(),
            "quota" => self.quota().await?,
            "help" => return help(argument).map(Some),
            other => return Err(errors::usage(format!("there is no magic `%{other}`"), "%help lists them all")),
        }
        Ok(None)
    }

    fn display(&self, data: MimeBundle) {
        self.io.emit(CellEvent::Display { data, metadata: Map::new(), id: None, update: false });
    }

    fn tenant(&self) {
        let engine = &self.session.engine;
        let (tenant, scope) = (engine.tenant(), engine.scope());
        let rows = [
            ("tenant", format!("{} ({})", tenant.id, tenant.name)),
            ("plan", tenant.plan.clone()),
            ("user", scope.user.to_string()),
            ("session", scope.session.to_string()),
        ];
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(k, v)| vec![k.to_owned(), v]).collect();
        self.display(table::bundle(&["", ""], &rows));
    }

    async fn agents(&self) -> Result<(), Box<CellError>> {
        let specs = self.session.engine.ports().store.specs().await.map_err(failed)?;
        let row = |spec: &SpecRecord| {
            let description = spec.description.clone().unwrap_or_default();
            vec![
                spec.agent.to_string(),
                spec.version.to_string(),
                spec.status.as_str().into(),
                spec.name.clone(),
                description.lines().next().unwrap_or_default().chars().take(80).collect(),
            ]
        };
        let rows: Vec<_> = specs.iter().map(row).collect();
        self.display(table::bundle(&["agent", "version", "status", "name", "description"], &rows));
        Ok(())
    }

    async fn runs(&self, argument: &str) -> Result<(), Box<CellError>> {
        let agent = match argument {
            "" => None,
            name => Some(agent_id(name)?),
        };
        let runs = self.session.engine.ports().store.runs(agent.as_ref(), RUNS).await.map_err(failed)?;
        let row = |run: &RunRecord| {
            let taken = run.ended_at.map(|end| end.signed_duration_since(run.started_at).num_microseconds());
            vec![
                run.id.to_string(),
                format!("{}@{}", run.agent, run.version),
                run.status.as_str().into(),
                run.started_at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
                taken.flatten().map(|us| view::duration(us.max(0) as f64 / 1e3)).unwrap_or_default(),
                format!("{}→{}", run.usage.input_tokens, run.usage.output_tokens),
            ]
        };
        let rows: Vec<_> = runs.iter().map(row).collect();
        self.display(table::bundle(&["run", "agent", "status", "started", "took", "tokens"], &rows));
        Ok(())
    }

    async fn show_run(&self, argument: &str) -> Result<(), Box<CellError>> {
        let store = &self.session.engine.ports().store;
        let missing = || errors::usage(format!("there is no run `{argument}`"), "%runs lists the newest runs");
        let id: RunId = argument.parse().map_err(|_| missing())?;
        let record = store.run(id).await.map_err(failed)?.ok_or_else(missing)?;
        let rows = store.journal(id).await.map_err(failed)?;
        if let Err(seq) = crate::journal::verify(id, &rows) {
            return Err(errors::usage(
                format!("the journal of run {id} is damaged from record {seq} on"),
                "the run's result is still in %runs; restore the database from a backup to see its journal",
            ));
        }
        self.display(view::bundle(&RunView::new(record, &rows)));
        Ok(())
    }

    async fn promote(&self, argument: &str) -> Result<(), Box<CellError>> {
        let usage = "%promote NAME@VERSION";
        let (name, version) =
            argument.split_once('@').ok_or_else(|| errors::usage("which version is to become active?", usage))?;
        let version =
            Version::parse(version).map_err(|e| errors::usage(format!("`{version}` is not a version: {e}"), usage))?;
        let store = &self.session.engine.ports().store;
        let spec = store.promote_spec(&agent_id(name)?, &version).await.map_err(failed)?;
        let text = format!("{}@{} is now active", spec.agent, spec.version);
        self.display(MimeBundle::from([("text/plain".to_owned(), Value::String(text))]));
        Ok(())
    }

    async fn spec_history(&self, argument: &str) -> Result<(), Box<CellError>> {
        let agent = agent_id(argument)?;
        let changes = self.session.engine.ports().store.spec_history(&agent).await.map_err(failed)?;
        if changes.is_empty() {
            return Err(errors::usage(format!("there is no agent `{agent}`"), "%agents lists them"));
        }
        let rows: Vec<_> = changes
            .iter()
            .map(|change| {
                vec![
                    change.seq.to_string(),
                    change.version.to_string(),
                    change.change.clone(),
                    change.actor.to_string(),
                    change.at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
                    change.digest.chars().take(12).collect(),
                ]
            })
            .collect();
        self.display(table::bundle(&["#", "version", "change", "by", "at", "digest"], &rows));
        Ok(())
    }

    async fn save(&self, argument: &str) -> Result<(), Box<CellError>> {
        let usage = "%save NAME[@VERSION] FILE";
        let (reference, file) = argument
            .split_once(char::is_whitespace)
            .map(|(name, file)| (name, file.trim()))
            .filter(|(_, file)| !file.is_empty())
            .ok_or_else(|| errors::usage("an agent and a file are needed", usage))?;
        let spec = self.session.engine.find(reference).await.map_err(errors::run)?;
        let write = |path: &std::path::Path| {
            let mut out = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
            io::Write::write_all(&mut out, spec.source.as_bytes())
        };
        write(std::path::Path::new(file)).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => {
                errors::usage(format!("`{file}` exists already"), "choose another name, or remove the file first")
            }
            _ => errors::usage(format!("`{file}` cannot be written: {e}"), usage),
        })?;
        let text = format!("{}@{} written to {file}", spec.agent, spec.version);
        self.display(MimeBundle::from([("text/plain".to_owned(), Value::String(text))]));
        Ok(())
    }

    fn vars(&self) {
        let rows: Vec<_> = self
            .session
            .engine
            .ports()
            .scripts
            .vars()
            .snapshot()
            .into_iter()
            .map(|(name, value)| {
                let kind = match &value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::String(_) => "text",
                    Value::Array(_) => "list",
                    Value::Object(_) => "object",
                };
                vec![name, kind.to_owned(), value.to_string().chars().take(100).collect()]
            })
            .collect();
        self.display(table::bundle(&["name", "type", "value"], &rows));
    }

    async fn quota(&self) -> Result<(), Box<CellError>> {
        let engine = &self.session.engine;
        let today = engine.ports().clock.now().date_naive();
        let runs = engine.ports().store.runs(None, QUOTA_RUNS).await.map_err(failed)?;
        let mut sum = Usage::default();
        let mut count = 0;
        for run in runs.iter().filter(|run| run.started_at.date_naive() == today && run.parent.is_none()) {
            sum.add(&run.usage);
            count += 1;
        }
        let rows = [
            ("runs", count.to_string()),
            ("model calls", sum.model_calls.to_string()),
            ("tool calls", sum.tool_calls.to_string()),
            ("tokens in", sum.input_tokens.to_string()),
            ("tokens out", sum.output_tokens.to_string()),
            ("US dollars", format!("{:.4}", sum.cost_usd)),
        ];
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(k, v)| vec![k.to_owned(), v]).collect();
        self.display(table::bundle(&["used today (UTC)", ""], &rows));
        Ok(())
    }
}

fn failed(error: aikit_core::record::StoreError) -> Box<CellError> {
    errors::run(store_error(error))
}

fn agent_id(name: &str) -> Result<AgentId, Box<CellError>> {
    AgentId::new(name).map_err(|e| errors::usage(e.to_string(), "%agents lists the tenant's agents"))
}

/// The text of `%help`: all magics, or one magic, one member of the host surface, one diagnostic code.
fn help(topic: &str) -> Result<String, Box<CellError>> {
    let topic = topic.trim();
    if topic.is_empty() {
        let mut out = String::from("Magics of this kernel\n\n");
        for magic in MAGICS {
            let _ = writeln!(out, "  {}\n      {}", magic.usage, magic.doc);
        }
        out.push_str("\nWhat Lua and JavaScript see\n\n");
        for (name, doc) in surface::GLOBALS {
            let _ = writeln!(out, "  {name}\n      {doc}");
        }
        out.push_str("\n%help ctx.storage.get, %help %run and %help AK0101 explain one thing.\n");
        return Ok(out);
    }
    if let Some(magic) = MAGICS.iter().find(|m| m.name == topic || m.name.trim_start_matches('%') == topic) {
        return Ok(format!("{}\n\n{}\n", magic.usage, magic.doc));
    }
    if let Some(member) = surface::member(topic) {
        return Ok(format!("{}\n\n{}\n", member.signature(), member.doc));
    }
    let inside: Vec<_> = surface::MEMBERS.iter().filter(|m| m.path.starts_with(&format!("{topic}."))).collect();
    if !inside.is_empty() {
        return Ok(inside.iter().map(|m| format!("{}\n    {}\n", m.signature(), m.doc)).collect());
    }
    if let Ok(code) = topic.parse::<DiagnosticCode>() {
        return Ok(format!("{code} ({})\n\n{}\n", code.severity().as_str(), code.summary()));
    }
    Err(errors::usage(format!("there is no help on `{topic}`"), "%help alone lists the topics"))
}
