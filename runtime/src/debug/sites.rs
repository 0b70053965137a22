//! Where a document can stop: at its steps, and on the lines of its scripts.

use aikit_core::{Language, LineIndex};
use aikit_spec::plan::{BehaviorPlan, Plan, ScriptPlan, StepKind, StepPlan, ToolKind};

/// A place where a run can stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Line of the document, from 1.
    pub line: u32,
    /// Whether it is a line of a script, where conditions are in the script's language.
    pub script: bool,
}

/// All places of a document where a run can stop.
#[derive(Debug, Clone, Default)]
pub struct Sites {
    /// First and last line of each step, outer ones before inner ones.
    steps: Vec<(u32, u32)>,
    /// The lines of each script on which code stands; none for a language whose lines cannot be stopped at.
    scripts: Vec<Script>,
    /// Names of steps, tools and models.
    names: Vec<String>,
}

#[derive(Debug, Clone)]
struct Script {
    first: u32,
    last: u32,
    lines: Vec<u32>,
}

impl Sites {
    /// The places of a plan that was made from this text.
    pub fn of(plan: &Plan, text: &str) -> Self {
        let lines = LineIndex::new(text);
        let mut sites = Self::default();
        match &plan.behavior {
            BehaviorPlan::Chat { .. } => {
                sites.steps.push((1, u32::try_from(lines.line_count()).unwrap_or(u32::MAX)));
                sites.names.push("chat".into());
            }
            behavior => behavior.lists().iter().for_each(|(_, steps)| sites.add_steps(steps, &lines)),
        }
        plan.flow.hooks.all().iter().for_each(|(_, steps)| sites.add_steps(steps, &lines));
        for tool in &plan.tools {
            sites.names.push(tool.name.clone());
            match &tool.kind {
                ToolKind::Script(script) => sites.add_script(script),
                ToolKind::Workflow(steps) => sites.add_steps(steps, &lines),
                _ => {}
            }
        }
        sites.names.extend(plan.models.keys().cloned());
        sites
    }

    /// The places of a script that is not in a document; line `first` of its source is the first of the code.
    pub fn of_script(language: Language, code: &str, first: u32) -> Self {
        let mut sites = Self::default();
        sites.add_code(language, code, first);
        sites
    }

    fn add_steps(&mut self, steps: &[StepPlan], lines: &LineIndex) {
        for step in steps {
            let last = lines.line_of((step.range.end as usize).saturating_sub(1)) + 1;
            self.steps.push((step.line + 1, last.max(step.line + 1)));
            self.names.push(step.name.clone());
            if let StepKind::Script(script) = &step.kind {
                self.add_script(script);
            }
            step.bodies().iter().for_each(|body| self.add_steps(body.steps, lines));
        }
    }

    fn add_script(&mut self, script: &ScriptPlan) {
        self.add_code(script.language, &script.code, script.first_line + 1);
    }

    fn add_code(&mut self, language: Language, code: &str, first: u32) {
        let code: Vec<&str> = code.lines().collect();
        let last = first.saturating_add(u32::try_from(code.len().max(1)).unwrap_or(u32::MAX) - 1);
        let lines = match language {
            Language::Lua => lua_lines(&code),
            Language::Js => js_lines(&code),
            Language::Yaml => Vec::new(),
        };
        self.scripts.push(Script { first, last, lines: lines.into_iter().map(|line| line + first).collect() });
    }

    /// Where a breakpoint on a line belongs: the code of a script, the step around the line, or the next step.
    pub fn place(&self, line: u32) -> Option<Spot> {
        if let Some(script) = self.scripts.iter().find(|script| (script.first..=script.last).contains(&line)) {
            let next = script.lines.iter().find(|known| **known >= line).or(script.lines.last());
            if let Some(line) = next {
                return Some(Spot { line: *line, script: true });
            }
        }
        let step = |line| Spot { line, script: false };
        let around = self.steps.iter().filter(|(first, last)| (*first..=*last).contains(&line));
        let next = self.steps.iter().map(|(first, _)| *first).filter(|first| *first > line).min();
        around.map(|(first, _)| *first).max().or(next).or(self.steps.iter().map(|(first, _)| *first).max()).map(step)
    }

    /// The lines from `from` to `to` on which a run can stop, sorted.
    pub fn between(&self, from: u32, to: u32) -> Vec<u32> {
        let steps = self.steps.iter().map(|(first, _)| *first);
        let all = steps.chain(self.scripts.iter().flat_map(|script| script.lines.iter().copied()));
        let mut lines: Vec<u32> = all.filter(|line| (from..=to).contains(line)).collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }

    /// Whether something of this name can be stopped at.
    pub fn has_name(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

/// Which lines of Lua, from 0, do something: not those that are empty, a comment, or only close a block.
fn lua_lines(code: &[&str]) -> Vec<u32> {
    let mut lines = Vec::new();
    let mut comment = false;
    for (number, line) in (0..).zip(code) {
        let text = line.trim();
        if comment {
            comment = !text.contains("]]");
            continue;
        }
        if text.starts_with("--[[") {
            comment = !text.contains("]]");
            continue;
        }
        let closes =
            matches!(text.trim_end_matches([';', ',', ')']), "" | "end" | "else" | "do" | "}" | "{" | "repeat");
        // A function that is declared comes to be where it ends; its first line does nothing.
        let mut words = text.split_whitespace();
        let declares = match (words.next(), words.next()) {
            (Some("function"), _) | (Some("local"), Some("function")) => true,
            (Some("local"), _) => {
                text.split_once('=').is_some_and(|(_, value)| value.trim_start().starts_with("function"))
            }
            _ => false,
        };
        if declares && !text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "end") {
            continue;
        }
        if !closes && !text.starts_with("--") && !text.starts_with("::") {
            lines.push(number);
        }
    }
    lines
}

/// Which lines of JavaScript, from 0, do something, as far as can be told without a parser; the interpreter takes the next
/// line on which a statement begins. Not those that are empty, a comment, only close something or go on with a call.
fn js_lines(code: &[&str]) -> Vec<u32> {
    let mut lines = Vec::new();
    let mut comment = false;
    for (number, line) in (0..).zip(code) {
        let mut text = line.trim();
        if comment {
            let Some((_, behind)) = text.split_once("*/") else { continue };
            comment = false;
            text = behind.trim();
        }
        while let Some(rest) = text.strip_prefix("/*") {
            match rest.split_once("*/") {
                Some((_, behind)) => text = behind.trim(),
                None => {
                    comment = true;
                    text = "";
                }
            }
        }
        let body =
            text.trim_start_matches(['}', ']', ')']).trim_end_matches([';', ',', ')', '}', ']', '{', '(']).trim();
        let nothing = matches!(body, "" | "else" | "try" | "finally" | "do" | "default:");
        let goes_on = body.starts_with(['.', '?', ':', '&', '|', '+', '*', '<', '>', '=']) && !body.starts_with("++");
        let declares = (body.starts_with("function") || body.starts_with("async function")) && !text.ends_with('}');
        let closes = text.starts_with(['}', ']', ')']) && (body.starts_with("catch") || body.starts_with("else"));
        let opens = closes && text.ends_with('{');
        if nothing || goes_on || declares || opens || text.starts_with("//") {
            continue;
        }
        lines.push(number);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_lua_that_do_nothing_are_passed_over() {
        let code =
            ["", "-- first", "local x = {", "  1,", "}", "--[[ long", "text ]]", "if x then", "else", "  f()", "end"];
        assert_eq!(lua_lines(&code), [2, 3, 7, 9]);
    }

    #[test]
    fn lines_of_javascript_that_do_nothing_are_passed_over() {
        let code = [
            "",
            "// first",
            "/* long",
            "text */ const a = {",
            "  b: 1,",
            "};",
            "if (a) {",
            "} else {",
            "  f(a)",
            "    .g();",
            "}",
            "function h(x) {",
            "  return x;",
            "}",
            "try {",
            "} catch (error) {",
            "}",
            "++a;",
        ];
        assert_eq!(js_lines(&code), [3, 4, 6, 8, 12, 17]);
    }
}
