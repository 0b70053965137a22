//! Cases of tests, in a suite or in an agent's own document.

use std::collections::BTreeMap;

use aikit_core::{Diagnostic, ErrorKind, TextRange, codes};
use aikit_yaml::Node;

use super::Checker;
use crate::{
    roots::{Roots, Shape},
    schema::Kind,
    words::ErrorGlob,
};

impl<'a> Checker<'a> {
    /// A document of kind `TestSuite`.
    pub(super) fn suite(&mut self) {
        self.test_cases(self.at(&["cases"]));
    }

    pub(super) fn test_cases(&mut self, cases: Option<&'a Node>) {
        let mut names: BTreeMap<&str, TextRange> = BTreeMap::new();
        let roots = Roots::standard().with("output", Shape::Any).with("steps", Shape::Any);
        for case in cases.map(Node::items).unwrap_or_default() {
            if let Some((node, name)) = case.get("name").and_then(|node| Some((node, node.as_str()?))) {
                if let Some(first) = names.get(name) {
                    let message = format!("two cases have the name `{name}`");
                    let finding = Diagnostic::new(codes::DUPLICATE_NAME, node.range, message);
                    self.push(finding.with_related(*first, "the first one stands here"));
                }
                names.entry(name).or_insert(node.range);
            }
            if let Some(replay) = case.get("provider").filter(|node| node.as_str() == Some("replay"))
                && case.get("cassette").is_none()
            {
                let message = "`provider: replay` needs a `cassette`";
                self.push(Diagnostic::new(codes::MISSING_KEY, replay.range, message));
            }
            let Some(expect) = case.get("expect") else { continue };
            // In a suite a code without a dot may be one of the agent's own.
            let own = |node: &&Node| {
                Kind::of(self.root) == Kind::TestSuite && node.as_str().is_some_and(|c| !c.contains('.'))
            };
            let error = expect.get("error").filter(|node| !own(node));
            self.error_code(error);
            for condition in expect.get("that").map(Node::items).unwrap_or_default() {
                self.condition(condition, &roots);
            }
            if let (Some(error), Some(output)) = (expect.entry("error"), expect.entry("output")) {
                let message = "a run that fails has no output";
                self.push(
                    Diagnostic::new(codes::INVALID_VALUE, output.key.range, message)
                        .with_related(error.key.range, "it is expected to fail here"),
                );
            }
            self.patterns(expect.get("output"));
        }
    }

    /// Texts of the form `~/…/` must be regular expressions.
    fn patterns(&mut self, node: Option<&Node>) {
        let Some(node) = node else { return };
        if let Some(pattern) = node.as_str().and_then(crate::test_suite::pattern)
            && let Err(error) = pattern
        {
            let message = format!("the regular expression cannot be used: {error}");
            self.push(Diagnostic::new(codes::INVALID_FORMAT, node.range, message));
        }
        node.items().iter().for_each(|item| self.patterns(Some(item)));
        node.entries().iter().for_each(|entry| self.patterns(Some(&entry.value)));
    }

    /// The code of an error that is raised: one of the taxonomy, or one of `interface.errors`.
    pub(super) fn raised(&mut self, node: &Node) {
        let Some(code) = node.as_str() else { return };
        let own: Vec<&str> = {
            let errors = self.at(&["interface", "errors"]).map(Node::items).unwrap_or_default();
            errors.iter().filter_map(|error| error.get("code")?.as_str()).collect()
        };
        let known = ErrorKind::ALL.iter().map(|kind| kind.code()).chain(own.iter().copied());
        if known.clone().any(|known| known == code) {
            return;
        }
        let message = format!("no error has the code `{code}`");
        let finding = Diagnostic::new(codes::INVALID_VALUE, node.range, message);
        self.push(match crate::roots::nearest(code, known) {
            Some(meant) => finding.with_help(format!("did you mean `{meant}`?")).with_fix(
                format!("Replace with `{meant}`"),
                node.range,
                meant,
            ),
            None => finding.with_help("declare it in `interface.errors`, or use one of the taxonomy"),
        });
    }

    /// Whether a pattern of error codes fits one that the document declares.
    pub(super) fn fits_own_error(&self, glob: &str) -> bool {
        let errors = self.at(&["interface", "errors"]).map(Node::items).unwrap_or_default();
        let codes = errors.iter().filter_map(|error| error.get("code")?.as_str());
        codes.into_iter().any(|code| ErrorGlob(glob.to_owned()).matches(code))
    }
}
