//! Embeds the migrations, so that the binary carries them and a new file is always seen.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../migrations/sqlite").canonicalize()?;
    // Cargo watches the modification times of the folder and of every file inside.
    println!("cargo::rerun-if-changed={}", folder.display());

    let mut files: Vec<_> =
        fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();

    let mut table = String::from("pub(crate) const SQLITE: &[Migration] = &[\n");
    for path in &files {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a migration has no readable name")?;
        let (number, name) = stem.split_once('_').ok_or_else(|| format!("`{stem}` is not NUMBER_NAME"))?;
        let number: i64 = number.parse()?;
        writeln!(table, "    Migration {{ number: {number}, name: {name:?}, sql: include_str!({path:?}) }},")?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("migrations.rs"), table)?;
    Ok(())
}
