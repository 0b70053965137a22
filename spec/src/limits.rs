//! Bounds of runs in layers: profile, tenant, document, environment, flags. An inner layer can only make a bound tighter: the
//! least of all holds.

use std::time::Duration;

use aikit_core::TenantId;
use serde_json::{Map, Value};

use crate::{plan::RunLimits, roots::nearest, words::DurationText};

/// The bounds that one layer sets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// Wall time.
    pub max_wall: Option<Duration>,
    /// Steps.
    pub max_steps: Option<u32>,
    /// Memory of one script, in MiB.
    pub max_memory_mb: Option<u32>,
    /// Tokens in and out.
    pub tokens: Option<u64>,
    /// US dollars.
    pub usd: Option<f64>,
    /// Calls of models.
    pub llm_calls: Option<u64>,
    /// Calls of tools.
    pub tool_calls: Option<u64>,
}

/// A layer with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitLayer {
    /// What it is, for people: `profile`, `tenant acme`, `environment`, `flags`.
    pub name: String,
    /// What it sets.
    pub limits: Limits,
}

impl LimitLayer {
    /// What a tenant's configuration bounds, if it bounds anything; an error names what is malformed.
    pub fn of_tenant(tenant: &TenantId, config: &Value) -> Result<Option<LimitLayer>, String> {
        let Some(limits) = config.get("limits") else { return Ok(None) };
        let name = format!("tenant {tenant}");
        match Limits::read(limits) {
            Ok(limits) => Ok(Some(LimitLayer { name, limits })),
            Err(problem) => Err(format!("{name}: {problem}")),
        }
    }
}

/// The names of the bounds, as documents write them, and where they stand in one.
pub const NAMES: [(&str, &[&str]); 7] = [
    ("max_wall", &["governance", "security", "resource_limits", "max_wall"]),
    ("max_steps", &["governance", "security", "resource_limits", "max_steps"]),
    ("max_memory_mb", &["governance", "security", "resource_limits", "max_memory_mb"]),
    ("tokens", &["governance", "budget", "per_execution", "tokens"]),
    ("usd", &["governance", "budget", "per_execution", "usd"]),
    ("llm_calls", &["governance", "budget", "per_execution", "llm_calls"]),
    ("tool_calls", &["governance", "budget", "per_execution", "tool_calls"]),
];

impl Limits {
    /// Reads a mapping of bounds; what is unknown or malformed is refused by name.
    pub fn read(value: &Value) -> Result<Limits, String> {
        let Some(map) = value.as_object() else { return Err("limits are a mapping of names to bounds".into()) };
        let mut limits = Limits::default();
        for (name, value) in map {
            limits.set(name, value)?;
        }
        Ok(limits)
    }

    /// Reads `usd=1,max_wall=30s`.
    pub fn parse(text: &str) -> Result<Limits, String> {
        let mut map = Map::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| format!("`{pair}` is not of the form name=value"))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            map.insert(name.trim().to_owned(), value);
        }
        Limits::read(&Value::Object(map))
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let whole = || value.as_u64().ok_or_else(|| format!("`{name}` must be a whole number, not {value}"));
        let small = || whole().and_then(|n| u32::try_from(n).map_err(|_| format!("`{name}` is too large: {n}")));
        match name {
            "max_wall" => {
                let time = value.as_str().and_then(|text| DurationText(text.to_owned()).duration());
                self.max_wall = Some(time.ok_or_else(|| format!("`max_wall` must be a duration, not {value}"))?);
            }
            "max_steps" => self.max_steps = Some(small()?),
            "max_memory_mb" => self.max_memory_mb = Some(small()?),
            "tokens" => self.tokens = Some(whole()?),
            "usd" => {
                let usd = value.as_f64().filter(|usd| *usd >= 0.0);
                self.usd = Some(usd.ok_or_else(|| format!("`usd` must be a number of at least 0, not {value}"))?);
            }
            "llm_calls" => self.llm_calls = Some(whole()?),
            "tool_calls" => self.tool_calls = Some(whole()?),
            other => {
                let names = NAMES.iter().map(|(name, _)| *name);
                let meant = nearest(other, names.clone()).map(|meant| format!("; did you mean `{meant}`?"));
                let known = || format!("; there is: {}", names.collect::<Vec<_>>().join(", "));
                return Err(format!("there is no limit `{other}`{}", meant.unwrap_or_else(known)));
            }
        }
        Ok(())
    }

    /// A bound by its name, as a number that can be compared; time in seconds.
    pub fn get(&self, name: &str) -> Option<f64> {
        match name {
            "max_wall" => self.max_wall.map(|time| time.as_secs_f64()),
            "max_steps" => self.max_steps.map(f64::from),
            "max_memory_mb" => self.max_memory_mb.map(f64::from),
            "tokens" => self.tokens.map(|n| n as f64),
            "usd" => self.usd,
            "llm_calls" => self.llm_calls.map(|n| n as f64),
            "tool_calls" => self.tool_calls.map(|n| n as f64),
            _ => None,
        }
    }

    /// The bounds of a run, made no wider than these.
    pub fn tighten(&self, run: &mut RunLimits) {
        fn least<T: PartialOrd + Copy>(bound: &mut Option<T>, outer: Option<T>) {
            if let Some(outer) = outer
                && bound.is_none_or(|own| outer < own)
            {
                *bound = Some(outer);
            }
        }
        run.wall = self.max_wall.map_or(run.wall, |outer| outer.min(run.wall));
        run.steps = self.max_steps.map_or(run.steps, |outer| outer.min(run.steps));
        run.script_memory =
            self.max_memory_mb.map_or(run.script_memory, |mb| (u64::from(mb) << 20).min(run.script_memory));
        least(&mut run.tokens, self.tokens);
        least(&mut run.usd, self.usd);
        least(&mut run.model_calls, self.llm_calls);
        least(&mut run.tool_calls, self.tool_calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_all_layers_holds() {
        let outer = Limits::parse("usd=1, max_wall=30s,tokens=1000").unwrap();
        let mut run = RunLimits { usd: Some(5.0), steps: 7, ..RunLimits::default() };
        outer.tighten(&mut run);
        assert_eq!((run.usd, run.wall, run.tokens, run.steps), (Some(1.0), Duration::from_secs(30), Some(1000), 7));
        Limits::parse("usd=9,max_wall=1h").unwrap().tighten(&mut run);
        assert_eq!((run.usd, run.wall), (Some(1.0), Duration::from_secs(30)));
        for (text, said) in [
            ("usb=1", "did you mean `usd`?"),
            ("usd=-1", "at least 0"),
            ("tokens=1.5", "whole number"),
            ("max_wall=5", "duration"),
            ("usd", "name=value"),
        ] {
            assert!(Limits::parse(text).unwrap_err().contains(said), "{text}");
        }
    }
}
