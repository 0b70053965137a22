//! Addresses of what a run comes to more than once.

use std::collections::BTreeMap;

use aikit_core::{ErrorKind, RunError};

/// How often a run has been where.
#[derive(Debug, Default)]
pub(super) struct Visits(BTreeMap<String, u32>);

impl Visits {
    /// The address of the next visit: `review`, then `review[1]`, `review[2]`.
    pub(super) fn address(&mut self, name: &str) -> String {
        let visit = self.0.entry(name.to_owned()).or_insert(0);
        let address = if *visit == 0 { name.to_owned() } else { format!("{name}[{visit}]") };
        *visit += 1;
        address
    }
}

/// The error of a run that goes round and round.
pub(super) fn too_many(what: &str, most: u32) -> RunError {
    RunError::new(ErrorKind::BudgetExceeded, format!("the run has come to more than {most} {what}"))
        .with_help("raise behavior.orchestration.max_iterations, or lead it to an end earlier")
}
