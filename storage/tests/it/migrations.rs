//! The migrations of both engines are written and numbered alike, and on PostgreSQL every table stands behind the wall.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

fn read(engine: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(engine);
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), without_comments(&path)))
        .collect()
}

fn without_comments(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.split("--").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Table → column → whether it must have a value.
type Tables = BTreeMap<String, BTreeMap<String, bool>>;

fn tables(sql: &str) -> Tables {
    let mut tables = Tables::new();
    for (_, rest) in sql.match_indices("create table ").map(|(at, found)| (at, &sql[at + found.len()..])) {
        let (name, rest) = rest.split_once(" (\n").unwrap();
        let body = &rest[..rest.find("\n)").unwrap()];
        let columns = body
            .lines()
            // A definition stands on a line that is indented by two; what is deeper continues one.
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .filter_map(|line| line.trim().split_once(' '))
            .filter(|(word, _)| !["primary", "foreign", "unique", "constraint", "check"].contains(word))
            .map(|(column, kind)| (column.to_owned(), kind.contains("not null")))
            .collect();
        tables.insert(name.to_owned(), columns);
    }
    tables
}

/// Keys, foreign keys, checks on words and indexes: what must read the same on both engines.
fn rules(sql: &str) -> BTreeSet<String> {
    let one_line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rules = BTreeSet::new();
    for start in [
        "primary key (",
        "foreign key (",
        "unique (",
        "create index ",
        "create unique index ",
        "check (status in",
        "check (change in",
    ] {
        for (at, _) in one_line.match_indices(start) {
            let rest = &one_line[at..];
            let end = rest.find([',', ';']).map_or(rest.len(), |comma| {
                // A comma inside parentheses does not end a rule.
                let mut depth = 0;
                rest.char_indices()
                    .find(|(_, c)| {
                        depth += match c {
                            '(' => 1,
                            ')' => -1,
                            _ => 0,
                        };
                        depth < 0 || (depth == 0 && matches!(c, ',' | ';'))
                    })
                    .map_or(comma, |(i, _)| i)
            });
            rules.insert(rest[..end].trim().to_owned());
        }
    }
    rules
}

#[test]
fn both_engines_have_the_same_files_tables_columns_and_keys() {
    let (sqlite, postgres) = (read("sqlite"), read("postgres"));
    assert_eq!(sqlite.keys().collect::<Vec<_>>(), postgres.keys().collect::<Vec<_>>());
    for (i, name) in sqlite.keys().enumerate() {
        assert!(name.starts_with(&format!("{:04}_", i + 1)) && name.ends_with(".sql"), "{name}: a gap in the numbers");
    }
    for (name, sql) in &sqlite {
        assert_eq!(tables(sql), tables(&postgres[name]), "{name}");
        assert_eq!(rules(sql), rules(&postgres[name]), "{name}");
        assert!(!tables(sql).is_empty(), "{name}");
    }
}

#[test]
fn every_table_stands_behind_the_wall() {
    let postgres = read("postgres").into_values().collect::<Vec<_>>().join("\n");
    let flat = postgres.split_whitespace().collect::<Vec<_>>().join(" ");
    let found = tables(&postgres);
    assert_eq!(found.len(), 18);
    for (table, columns) in found {
        let column = if table == "tenant" { "id" } else { "tenant_id" };
        assert!(columns.contains_key(column), "{table} carries no tenant");
        let wall = format!("({column} = nullif(current_setting('aikit.current_tenant_id', true), ''))");
        for statement in [
            format!("alter table {table} enable row level security;"),
            format!("alter table {table} force row level security;"),
            format!("create policy tenant_wall on {table} using {wall} with check {wall};"),
        ] {
            assert!(flat.contains(&statement), "missing: {statement}");
        }
    }
}

#[test]
fn keys_begin_with_the_tenant() {
    for engine in ["sqlite", "postgres"] {
        for (name, sql) in read(engine) {
            for rule in rules(&sql) {
                let columns = rule.split_once('(').map_or("", |(_, rest)| rest);
                if ["status in", "change in"].iter().any(|word| columns.starts_with(word)) {
                    continue;
                }
                assert!(columns.starts_with("tenant_id"), "{engine}/{name}: {rule}");
            }
        }
    }
}
