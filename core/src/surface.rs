//! The host surface that Lua and JavaScript see, defined once. The bridges build `ctx` and `display` from this table;
//! completion, hover and the documentation read it too, so that a name cannot exist in one place only.

/// A parameter of a host function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name; a trailing `?` in the signature marks an optional one.
    pub name: &'static str,
    /// Its type in words: `string`, `number`, `boolean`, `table`, `any`.
    pub ty: &'static str,
    /// Whether it may be left out.
    pub optional: bool,
}

/// How a member behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A value that is read, for instance `ctx.tenant`.
    Value,
    /// A call that the host answers: a plain call in Lua, a promise in JavaScript.
    Call,
    /// A call that needs no answer and returns nothing, for instance `ctx.log.info` or `display.html`.
    Emit,
    /// A call that is answered at once in both languages, for instance `ctx.now()`.
    Immediate,
}

/// One member of the host surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The full path, for example `ctx.agents.run`. Also the method name between script and host, without `ctx.`.
    pub path: &'static str,
    /// How it behaves.
    pub kind: MemberKind,
    /// Its parameters, in order.
    pub params: &'static [Param],
    /// What comes back, in words.
    pub returns: &'static str,
    /// One or two sentences for a hover.
    pub doc: &'static str,
}

impl Member {
    /// The name between script and host: the path without its leading `ctx.`.
    pub fn method(&self) -> &'static str {
        self.path.strip_prefix("ctx.").unwrap_or(self.path)
    }

    /// The signature as people read it, for example `ctx.storage.get(key: string): any`.
    pub fn signature(&self) -> String {
        if self.kind == MemberKind::Value {
            return format!("{}: {}", self.path, self.returns);
        }
        let params: Vec<String> =
            self.params.iter().map(|p| format!("{}{}: {}", p.name, if p.optional { "?" } else { "" }, p.ty)).collect();
        format!("{}({}): {}", self.path, params.join(", "), self.returns)
    }
}

const fn p(name: &'static str, ty: &'static str) -> Param {
    Param { name, ty, optional: false }
}

const fn o(name: &'static str, ty: &'static str) -> Param {
    Param { name, ty, optional: true }
}

macro_rules! members {
    ($($kind:ident $path:literal ($($param:expr),*) -> $returns:literal $doc:literal;)*) => {
        /// Every member of the host surface, in the order in which it is documented.
        pub const MEMBERS: &[Member] = &[$(Member {
            path: $path, kind: MemberKind::$kind, params: &[$($param),*], returns: $returns, doc: $doc,
        },)*];
    };
}

members! {
    Value "ctx.tenant" () -> "{ id, name, plan }" "The tenant that this script acts for.";
    Value "ctx.user" () -> "{ id }" "The person or service that this script acts for.";
    Value "ctx.app_id" () -> "string or nil" "The application that this script belongs to, if any.";
    Value "ctx.session" () -> "{ id }" "The session that this script runs in.";
    Value "ctx.inputs" () -> "table" "In a step or a tool: the inputs of the run, or the arguments of the call. Empty in a cell.";
    Value "ctx.state" () -> "table" "In a step: the state of the run as it was when the step began. Empty in a cell.";
    Value "ctx.steps" () -> "table" "In a step: the outputs of earlier steps by name. Empty in a cell.";
    Immediate "ctx.now" () -> "number" "The time in milliseconds since 1970-01-01T00:00:00Z. In a run it is recorded and replayed.";
    Immediate "ctx.id" () -> "string" "A new unique id (UUID version 7). In a run it is recorded and replayed.";
    Emit "ctx.log.debug" (p("message", "string"), o("fields", "table")) -> "nothing" "Writes a debug line to the log.";
    Emit "ctx.log.info" (p("message", "string"), o("fields", "table")) -> "nothing" "Writes a line to the log.";
    Emit "ctx.log.warn" (p("message", "string"), o("fields", "table")) -> "nothing" "Writes a warning to the log.";
    Emit "ctx.log.error" (p("message", "string"), o("fields", "table")) -> "nothing" "Writes an error to the log.";
    Call "ctx.storage.get" (p("key", "string")) -> "any" "The value stored under a key for this tenant, or nil.";
    Call "ctx.storage.set" (p("key", "string"), p("value", "any")) -> "nothing" "Stores a JSON value under a key for this tenant.";
    Call "ctx.storage.delete" (p("key", "string")) -> "boolean" "Removes a key; true if it was there.";
    Call "ctx.storage.list" (o("prefix", "string")) -> "list of string" "The keys of this tenant that begin with a prefix, sorted.";
    Call "ctx.memory.remember" (p("value", "any"), o("options", "{ into, label }")) -> "{ outcome, id }" "Remembers a text or { text, metadata }; `into` is `episodic`, `semantic` ({ subject, relation, object }), `procedural` ({ task, steps }) or `block`. In a run by the rules of the document, in a cell for this person.";
    Call "ctx.memory.recall" (p("query", "string"), o("options", "{ from, top_k }")) -> "list of { id, text, score }" "The memories that fit, the best first; `from` as `into`.";
    Call "ctx.memory.search" (p("query", "string"), o("options", "{ from, top_k, min_score }")) -> "list of { text, score, source, citation }" "The passages of the document's knowledge bases that fit, the best first.";
    Call "ctx.memory.block" (p("label", "string")) -> "string or nil" "The text of a block of the memory.";
    Call "ctx.memory.forget" (p("id", "number")) -> "boolean" "Lets go of what was remembered under an id; true if it was there.";
    Call "ctx.ai.complete" (p("prompt", "string"), o("options", "{ model, system, temperature, max_tokens }")) -> "string" "Asks a model and returns its text. `model` is `provider/model`, by default the session's.";
    Call "ctx.ai.chat" (p("messages", "list of { role, content }"), o("options", "{ model, temperature, max_tokens }")) -> "{ content, model, usage }" "Asks a model with a conversation and returns its answer with the usage.";
    Call "ctx.agents.run" (p("name", "string"), o("inputs", "table")) -> "any" "Runs an agent of this tenant and returns its output.";
    Call "ctx.agents.list" () -> "list of { id, name, version, status }" "The agents of this tenant.";
    Call "ctx.agents.get" (p("name", "string")) -> "{ id, name, version, status, source }" "One agent of this tenant with its document.";
    Call "ctx.tools.call" (p("name", "string"), o("args", "table")) -> "any" "Calls a tool: in a run one that the document grants, in a cell a built-in.";
    Call "ctx.tools.list" () -> "list of { name, description }" "The tools that can be called here.";
    Emit "display.html" (p("html", "string"), o("options", "{ id, update, text }")) -> "nothing" "Shows HTML below the cell.";
    Emit "display.markdown" (p("markdown", "string"), o("options", "{ id, update }")) -> "nothing" "Shows Markdown below the cell.";
    Emit "display.svg" (p("svg", "string"), o("options", "{ id, update, text }")) -> "nothing" "Shows an SVG picture below the cell.";
    Emit "display.png" (p("base64", "string"), o("options", "{ id, update, text }")) -> "nothing" "Shows a PNG picture, given as base64, below the cell.";
    Emit "display.json" (p("value", "any"), o("options", "{ id, update }")) -> "nothing" "Shows a value as an expandable tree below the cell.";
    Emit "display.table" (p("rows", "list of tables"), o("options", "{ id, update, columns }")) -> "nothing" "Shows rows as a table below the cell.";
    Emit "display.vega" (p("spec", "table"), o("options", "{ id, update, text }")) -> "nothing" "Shows a Vega-Lite chart below the cell.";
    Emit "display.progress" (p("done", "number"), p("total", "number"), o("label", "string")) -> "nothing" "Shows or moves a progress bar below the cell.";
    Emit "display.clear" (o("wait", "boolean")) -> "nothing" "Clears the outputs of the cell; with `wait` only when the next output arrives.";
    Call "input" (o("prompt", "string"), o("options", "{ password }")) -> "string" "Asks the person in front of the notebook for a line of text.";
}

/// Global names of the surface: the roots of [`MEMBERS`] and `vars`.
pub const GLOBALS: &[(&str, &str)] = &[
    ("ctx", "What the host offers: tenant, user, log, storage, memory, models, agents, tools."),
    ("display", "Rich outputs below the cell: HTML, Markdown, pictures, tables, charts, progress."),
    (
        "vars",
        "Values shared with the other cells and languages. They cross as JSON and survive a restart of the interpreter.",
    ),
    ("input", "Asks the person in front of the notebook for a line of text."),
];

/// The member with this full path.
pub fn member(path: &str) -> Option<&'static Member> {
    MEMBERS.iter().find(|member| member.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_unique_and_rooted_in_a_global() {
        for (i, member) in MEMBERS.iter().enumerate() {
            assert!(MEMBERS[..i].iter().all(|other| other.path != member.path), "{}", member.path);
            let root = member.path.split('.').next().unwrap();
            assert!(GLOBALS.iter().any(|(name, _)| *name == root), "{}", member.path);
        }
    }

    #[test]
    fn signatures_read_well() {
        assert_eq!(member("ctx.storage.get").unwrap().signature(), "ctx.storage.get(key: string): any");
    }
}
