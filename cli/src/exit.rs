//! Exit codes: part of the interface, documented in `docs/exit-codes.md` and in `aikit help`.

use std::fmt::Write;

macro_rules! exits {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $meaning:literal;)*) => {
        /// How a command ended, as the calling program sees it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Exit {
            $(#[doc = $meaning] $name = $code,)*
        }

        /// Every code with its meaning.
        pub const TABLE: &[(Exit, &str)] = &[$((Exit::$name, $meaning),)*];
    };
}

exits! {
    Ok = 0, "Everything is well.";
    Refused = 1, "A document has errors, or the request was refused.";
    Usage = 2, "The command line is wrong.";
    NotFound = 3, "A file, tenant, agent, version, run or kernel does not exist.";
    RunFailed = 4, "An agent ran and failed.";
    Store = 5, "The store cannot be opened or written.";
    Waiting = 6, "A run waits for a person; `aikit resume` goes on with it.";
    Internal = 70, "A mistake of aikit itself.";
    Interrupted = 130, "Interrupted by a person.";
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// The table as the help shows it.
pub fn help() -> String {
    let mut out = String::from("Exit codes:\n");
    for (exit, meaning) in TABLE {
        let _ = writeln!(out, "  {:>3}  {meaning}", exit.code());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_holds_the_same_table() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/exit-codes.md")).unwrap();
        let rows: Vec<&str> =
            page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| code")).collect();
        let expected: Vec<String> =
            TABLE.iter().map(|(exit, meaning)| format!("| {} | {meaning} |", exit.code())).collect();
        assert_eq!(rows, expected);
    }
}
