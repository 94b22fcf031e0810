//! Imports point one way: each folder of `src/` uses only what stands above it in the table of
//! `src/lib.rs`.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders, in the order of the table in `src/lib.rs`.
fn layers() -> Vec<String> {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let lib = lib.expect("src/lib.rs is there");
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.map(|row| row.split('`').next().unwrap_or_default().into())
        .collect()
}

/// Rust files under a folder, at any depth.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of the tree");
    let files = entries.flat_map(|entry| match entry.expect("readable").path() {
        path if path.is_dir() => sources(&path),
        path => vec![path],
    });
    files
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}

/// The folders of `src/` that code names, by `crate::folder` or `crate::{folder, …}`.
fn named(text: &str) -> Vec<String> {
    let code = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let code: String = code
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    let paths = code.split("crate::").skip(1);
    let paths = paths.flat_map(|path| match path.strip_prefix('{') {
        Some(group) => members(group),
        None => vec![path],
    });
    let word = |path: &str| {
        path.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    paths
        .map(word)
        .filter(|name: &String| !name.is_empty())
        .collect()
}

/// The members of a group in braces, given what stands after the opening brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut from, mut all) = (1, 0, Vec::new());
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || depth == 1 && c == ',' {
            all.push(&group[from..i]);
            from = i + 1;
        }
        if depth == 0 {
            break;
        }
    }
    all
}

#[test]
fn imports_point_one_way() {
    let layers = layers();
    let rank = |name: &str| layers.iter().position(|layer| layer == name);
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses = 0;
    for file in sources(&src) {
        let within = file
            .strip_prefix(&src)
            .expect("found there")
            .with_extension("");
        let folder = within
            .iter()
            .next()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if ["lib", "main"].contains(&folder.as_str()) {
            continue;
        }
        let own = rank(&folder).unwrap_or_else(|| panic!("{folder} is not in src/lib.rs's table"));
        for other in named(&fs::read_to_string(&file).expect("text")) {
            let at = file.display();
            let below = rank(&other).unwrap_or_else(|| panic!("{at} names crate::{other}"));
            assert!(
                below <= own,
                "{folder} may not use {other}, which stands below it: {at}"
            );
            uses += usize::from(below < own);
        }
    }
    assert!(uses > 300, "only {uses} imports were found");
}

#[test]
fn imports_are_recognised_in_every_form() {
    assert_eq!(named("use crate::runs::work::Run;"), ["runs"]);
    let group = "use crate::{\n    models,\n    train::{Budget, Point},\n    data,\n};";
    assert_eq!(named(group), ["models", "train", "data"]);
    let code = "let a = crate::cli::x() + crate::data::y(); // crate::report";
    assert_eq!(named(code), ["cli", "data"]);
    assert!(named("/// As crate::cli does.").is_empty());
}
