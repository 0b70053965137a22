//! Links the program so that a process that does little holds little memory, and takes the pages of `docs/diagnostics` into it.

use std::{env, fmt::Write, fs, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    explanations();
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        // Relocations as a bitmap: otherwise every process reads megabytes of them at its start. A linker that does not
        // know the option ignores it.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The page of every diagnostic code, for `aikit explain`.
fn explanations() {
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../docs/diagnostics");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut pages: Vec<PathBuf> =
        fs::read_dir(&folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default();
    pages.sort();
    let mut text = String::from("const PAGES: &[(&str, &str)] = &[\n");
    for page in pages {
        let code = page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // A String takes whatever is written to it.
        let _ = writeln!(text, "    ({code:?}, include_str!({:?})),", page.display().to_string());
    }
    text.push_str("];\n");
    let target = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("explanations.rs");
    fs::write(&target, text).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
}
