//! Who the agent is, what it declares, and whether what it names exists.

use aikit_core::{Diagnostic, codes};
use aikit_yaml::{Node, NodeKind};

use super::{Checker, Declared, Namespace};
use crate::{
    roots::{Roots, Shape},
    words::ToolGlob,
};

impl<'a> Checker<'a> {
    pub(super) fn identity(&mut self) {
        let Some(identity) = self.root.get("identity") else { return };
        if let (Some(node), Some(tenant)) = (identity.get("tenant_id"), &self.context.tenant)
            && let Some(named) = node.as_str()
            && named != tenant.as_str()
        {
            let message = format!("the document is meant for tenant `{named}`, it is used in `{tenant}`");
            self.push(
                Diagnostic::new(codes::TENANT_MISMATCH, node.range, message)
                    .with_help("a document never chooses its tenant; remove `tenant_id` to use it anywhere"),
            );
        }
        for key in ["created_at", "updated_at"] {
            if let Some(entry) = identity.entry(key) {
                let message = format!("`{key}` is filled by the store; what stands here is not used");
                self.push(Diagnostic::new(codes::STORE_OWNED, entry.key.range, message));
            }
        }
    }

    pub(super) fn interface(&mut self) {
        let inputs = self.schema(self.at(&["interface", "inputs"]));
        let outputs = self.schema(self.at(&["interface", "outputs"]));
        for example in self.at(&["interface", "examples"]).map(Node::items).unwrap_or_default() {
            if let (Some(node), Some(schema)) = (example.get("inputs"), &inputs) {
                self.fits(node, schema, "the example does not fit `interface.inputs`");
            }
            if let (Some(node), Some(schema)) = (example.get("outputs"), &outputs) {
                self.fits(node, schema, "the example does not fit `interface.outputs`");
            }
        }
    }

    pub(super) fn tools(&mut self) {
        for tool in self.at(&["integration", "tools"]).map(Node::items).unwrap_or_default() {
            let name = if tool.as_str().is_some() { Some(tool) } else { tool.get("name") };
            let Some((node, name)) = name.and_then(|node| Some((node, node.as_str()?))) else { continue };
            if let Some(first) = self.tools.get(name) {
                let diagnostic =
                    Diagnostic::new(codes::DUPLICATE_NAME, node.range, format!("two tools have the name `{name}`"));
                let related = first.name;
                self.push(diagnostic.with_related(related, "the first one stands here"));
                continue;
            }
            self.tools.insert(name, Declared { name: node.range, node: tool });
            let kind = tool.get("kind").and_then(Node::as_str);
            if tool.as_str().is_some() || kind == Some("builtin") {
                self.builtin(node, name);
            }
            for key in ["input", "output"] {
                self.schema(tool.get(key));
            }
        }
    }

    fn builtin(&mut self, node: &Node, name: &str) {
        let builtins = &self.context.builtins;
        if !builtins.is_empty() && builtins.iter().all(|builtin| builtin.name != name) {
            let known: Vec<&str> = builtins.iter().map(|builtin| builtin.name.as_str()).collect();
            let diagnostic =
                Diagnostic::new(codes::UNKNOWN_BUILTIN, node.range, format!("there is no built-in tool `{name}`"));
            self.push(match crate::roots::nearest(name, known.iter().copied()) {
                Some(meant) => diagnostic.with_help(format!("did you mean `{meant}`?")).with_fix(
                    format!("Replace with `{meant}`"),
                    node.range,
                    meant,
                ),
                None => diagnostic.with_help(format!("there is: {}", crate::roots::list(&known))),
            });
        }
    }

    pub(super) fn intelligence(&mut self) {
        let models: Vec<(&str, Declared<'_>)> = self.models.iter().map(|(name, model)| (*name, *model)).collect();
        for (_, model) in &models {
            if let Some(provider) = model.node.get("provider") {
                self.provider(provider, provider.as_str().unwrap_or_default());
            }
            if let Some(secret) = model.node.get("secret") {
                self.reference(Namespace::Secret, secret);
            }
        }
        match self.at(&["intelligence", "model"]) {
            Some(node) => self.model(node),
            None if models.iter().any(|(name, _)| *name == "default") => {
                self.used.insert((Namespace::Model, "default"));
            }
            None => match models.as_slice() {
                [] => {}
                [(name, _)] => {
                    self.used.insert((Namespace::Model, name));
                }
                [(name, _), ..] => self.undecided_model(name),
            },
        }
        let roots = self.roots().with("steps", Shape::Any);
        if let Some(system) = self.at(&["intelligence", "prompts", "system"]) {
            self.prompt(system, &roots);
        }
        let prompts: Vec<Declared<'_>> = self.prompts.values().copied().collect();
        for prompt in prompts {
            self.prompt(prompt.node, &roots);
        }
        self.answer(self.at(&["intelligence", "output"]));
        self.tool_choice();
    }

    /// Several models, none of them named `default`, and nobody says which one is used.
    fn undecided_model(&mut self, first: &str) {
        self.unknown_names.insert(codes::UNKNOWN_MODEL);
        if let Some(entry) = self.root.get("intelligence").and_then(|block| block.entry("models")) {
            let message = "several models are declared, and `intelligence.model` does not say which one is used";
            self.push(
                Diagnostic::new(codes::MISSING_KEY, entry.key.range, message)
                    .with_help(format!("add `model: {first}` to `intelligence`, or name one of them `default`")),
            );
        }
    }

    /// A declared model, or `provider/model`.
    pub(super) fn model(&mut self, node: &'a Node) {
        let Some(name) = node.as_str() else { return };
        match name.split_once('/') {
            Some((provider, _)) => self.provider(node, provider),
            None => self.reference(Namespace::Model, node),
        }
    }

    fn provider(&mut self, node: &Node, provider: &str) {
        let known = &self.context.providers;
        if known.is_empty() || known.iter().any(|name| name == provider) || provider.is_empty() {
            return;
        }
        let message = format!("there is no model provider `{provider}`");
        let diagnostic = Diagnostic::new(codes::UNKNOWN_PROVIDER, node.range, message);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        self.push(match crate::roots::nearest(provider, known.iter().copied()) {
            Some(meant) => {
                let rest = node.as_str().and_then(|text| text.strip_prefix(provider)).unwrap_or_default();
                diagnostic.with_help(format!("did you mean `{meant}`?")).with_fix(
                    format!("Replace with `{meant}`"),
                    node.range,
                    format!("{meant}{rest}"),
                )
            }
            None => diagnostic.with_help(format!("there is: {}", crate::roots::list(&known))),
        });
    }

    /// A prompt in any of its forms.
    pub(super) fn prompt(&mut self, node: &'a Node, roots: &Roots) {
        match &node.kind {
            NodeKind::Scalar(_) => self.template(node, roots),
            NodeKind::Sequence(messages) => {
                for content in messages.iter().filter_map(|message| message.get("content")) {
                    self.template(content, roots);
                }
            }
            NodeKind::Mapping(_) => {
                if let Some(name) = node.get("ref") {
                    self.reference(Namespace::Prompt, name);
                }
            }
            NodeKind::Null => {}
        }
    }

    /// A name of a namespace.
    pub(super) fn secret(&mut self, node: &'a Node) {
        self.reference(Namespace::Secret, node);
    }

    fn reference(&mut self, namespace: Namespace, node: &'a Node) {
        let Some(name) = node.as_str() else { return };
        let (declared, code, what, block) = match namespace {
            Namespace::Model => (&self.models, codes::UNKNOWN_MODEL, "declared model", "intelligence"),
            Namespace::Prompt => (&self.prompts, codes::UNKNOWN_PROMPT, "prompt", "intelligence"),
            Namespace::Secret => (&self.secrets, codes::UNKNOWN_SECRET, "declared secret", "governance"),
        };
        if declared.contains_key(name) {
            self.used.insert((namespace, name));
        } else {
            let known: Vec<&str> = declared.keys().copied().collect();
            self.unknown(code, node, what, block, known.into_iter());
        }
    }

    /// A tool that a step or a model uses.
    pub(super) fn tool(&mut self, node: &'a Node) -> Option<Declared<'a>> {
        let name = node.as_str()?;
        self.used_tools.insert(name);
        let Some(tool) = self.tools.get(name).copied() else {
            let known: Vec<&str> = self.tools.keys().copied().collect();
            self.unknown(codes::UNKNOWN_TOOL, node, "declared tool", "integration", known.into_iter());
            return None;
        };
        if let Some((pattern, message)) = self.denial(name) {
            self.push(
                Diagnostic::new(codes::TOOL_DENIED, node.range, message)
                    .with_related(pattern.range, "this rule decides"),
            );
        }
        Some(tool)
    }

    /// The rule that keeps a tool from being used.
    fn denial(&self, name: &str) -> Option<(&'a Node, String)> {
        let globs = |key| self.at(&["governance", "security", key]).map(Node::items).unwrap_or_default();
        let matches = |node: &&Node| node.as_str().is_some_and(|glob| ToolGlob(glob.to_owned()).matches(name));
        if let Some(rule) = globs("denied_tools").iter().find(matches) {
            return Some((rule, format!("the tool `{name}` is used here and denied by `denied_tools`")));
        }
        let allowed = globs("allowed_tools");
        let list = self.at(&["governance", "security", "allowed_tools"])?;
        let message = || format!("the tool `{name}` is used here and not among `allowed_tools`");
        (!allowed.is_empty() && !allowed.iter().any(|rule| matches(&rule))).then(|| (list, message()))
    }

    /// What is declared and never used. Where the structure is broken a use may have gone unseen.
    pub(super) fn unused(&mut self) {
        if self.structural.iter().any(Diagnostic::is_error) {
            return;
        }
        let declared = [
            (Namespace::Model, &self.models, codes::UNKNOWN_MODEL, "model"),
            (Namespace::Prompt, &self.prompts, codes::UNKNOWN_PROMPT, "prompt"),
            (Namespace::Secret, &self.secrets, codes::UNKNOWN_SECRET, "secret"),
        ];
        let mut findings = Vec::new();
        for (namespace, names, unknown, what) in declared {
            // The name that was not found may be the mistyped use of one that is declared.
            if self.unknown_names.contains(&unknown) {
                continue;
            }
            for (name, place) in names.iter().filter(|(name, _)| !self.used.contains(&(namespace, **name))) {
                let message = format!("the {what} `{name}` is never used");
                findings.push(Diagnostic::new(codes::UNUSED_DECLARATION, place.name, message));
            }
        }
        // A chat may use every tool, and a script may call one by a name that is made while it runs.
        let steps = super::steps::all(self.root);
        let scripted = steps.iter().any(|step| step.get("script").is_some())
            || self.tools.values().any(|tool| tool.node.get("code").is_some());
        if !steps.is_empty() && !scripted && !self.unknown_names.contains(&codes::UNKNOWN_TOOL) {
            for (name, tool) in self.tools.iter().filter(|(name, _)| !self.used_tools.contains(**name)) {
                // What an import brought in is there for everybody.
                if !name.contains('.') {
                    let message = format!("the tool `{name}` is never used");
                    findings.push(Diagnostic::new(codes::UNUSED_DECLARATION, tool.name, message));
                }
            }
        }
        self.diagnostics.extend(findings);
    }
}
