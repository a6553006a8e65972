//! The rules of the source tree that the compiler does not check. Each failure names the place.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The modules from the ground up: a `use crate::…` only ever points to the same or an earlier line.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["clock"],
    &["config"],
    &["guard"],
    &["metrics"],
    &["media"],
    &["mux"],
    &["schedule"],
    &["guide"],
    &["system"],
    &["ffmpeg"],
    &["store"],
    &["library"],
    &["playout"],
    &["transcode"],
    &["channel"],
    &["tuner"],
    &["import"],
    &["care"],
    &["http"],
    &["daemon"],
    &["cli"],
];

/// What may stand at the top of the repository.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".gitignore",
    "benches",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "cross.toml",
    "deny.toml",
    "docs",
    "fuzz",
    "packaging",
    "schema.sql",
    "scripts",
    "src",
    "systemd",
    "tests",
];

/// Files that are one table, and may be as long as their table is.
const TABLES: &[&str] = &["tests/common/media.rs"];
const LONGEST_FILE_LINES: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that git tracks or would track, relative to the root.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .current_dir(root())
        .output();
    let from_git: Vec<PathBuf> = match listed {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout)
            .split('\0')
            .filter(|f| !f.is_empty())
            .map(PathBuf::from)
            .collect(),
        // A source archive has no git: then the folders that hold sources are walked.
        _ => ["src", "tests"]
            .iter()
            .flat_map(|top| walk(&root().join(top)))
            .collect(),
    };
    from_git
        .into_iter()
        .filter(|f| root().join(f).is_file())
        .collect()
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    found
}

/// Rust sources below `src`, with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let rust = files()
        .into_iter()
        .filter(|f| f.starts_with("src") && f.extension().is_some_and(|e| e == "rs"));
    rust.map(|f| (f.clone(), fs::read_to_string(root().join(&f)).unwrap()))
        .collect()
}

/// The module of the top level that a source file belongs to.
fn module(file: &Path) -> String {
    let below = file.strip_prefix("src").unwrap();
    let first = below.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&module))
}

/// The text without comments, test modules included.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn a_module_uses_only_modules_below_it() {
    let mut problems = Vec::new();
    for (file, text) in sources() {
        let own = module(&file);
        if own == "lib" || own == "main" {
            continue;
        }
        let Some(own_layer) = layer(&own) else {
            problems.push(format!(
                "{}: module {own} has no place in the layers of this test",
                file.display()
            ));
            continue;
        };
        for (line, code) in code_lines(&text) {
            for used in code.split("crate::").skip(1) {
                let name: String = used
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if let Some(other) = layer(&name)
                    && other >= own_layer
                    && name != own
                {
                    problems.push(format!(
                        "{}:{line}: {own} uses {name}, which stands above it",
                        file.display()
                    ));
                }
            }
        }
    }
    report(problems);
}

#[test]
fn sql_stands_in_the_store_alone() {
    const STARTS: &[&str] = &[
        "SELECT ",
        "INSERT INTO ",
        "INSERT OR ",
        "UPDATE ",
        "DELETE FROM ",
        "CREATE TABLE ",
        "PRAGMA ",
        "BEGIN IMMEDIATE",
    ];
    let mut problems = Vec::new();
    for (file, text) in sources().into_iter().filter(|(f, _)| module(f) != "store") {
        for (line, code) in code_lines(&text) {
            if STARTS.iter().any(|s| code.contains(&format!("\"{s}"))) || code.contains("rusqlite")
            {
                problems.push(format!("{}:{line}: {}", file.display(), code.trim()));
            }
        }
    }
    report(problems);
}

#[test]
fn time_is_read_by_the_clock_alone() {
    let mut problems = Vec::new();
    for (file, text) in sources().into_iter().filter(|(f, _)| module(f) != "clock") {
        for (line, code) in code_lines(&text) {
            if [
                "Instant::now",
                "SystemTime::now",
                "CLOCK_REALTIME",
                "Timestamp::now",
                "Zoned::now",
            ]
            .iter()
            .any(|c| code.contains(c))
            {
                problems.push(format!("{}:{line}: {}", file.display(), code.trim()));
            }
        }
    }
    report(problems);
}

#[test]
fn unsafe_code_stands_in_one_file() {
    let permitted = Path::new("src/system/sys.rs");
    let mut problems = Vec::new();
    for (file, text) in sources().into_iter().filter(|(f, _)| f != permitted) {
        for (line, code) in code_lines(&text) {
            if code.contains("unsafe {")
                || code.contains("unsafe fn")
                || code.contains("allow(unsafe_code)")
            {
                problems.push(format!("{}:{line}", file.display()));
            }
        }
    }
    report(problems);
}

#[test]
fn a_file_is_one_idea_of_at_most_600_lines() {
    let mut problems = Vec::new();
    for file in files()
        .into_iter()
        .filter(|f| f.extension().is_some_and(|e| e == "rs"))
    {
        let lines = fs::read_to_string(root().join(&file))
            .unwrap()
            .lines()
            .count();
        if lines > LONGEST_FILE_LINES && !TABLES.iter().any(|t| file == Path::new(t)) {
            problems.push(format!("{}: {lines} lines", file.display()));
        }
    }
    report(problems);
}

#[test]
fn a_module_says_what_it_does() {
    let missing = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"));
    // Test modules in files of their own describe themselves by the names of their tests.
    report(
        missing
            .filter(|(f, _)| f.file_stem().is_none_or(|s| s != "tests"))
            .map(|(f, _)| f.display().to_string())
            .collect(),
    );
}

#[test]
fn nothing_unfinished_is_left_in_the_tree() {
    let marks = ["TO", "FIX", "X"].map(|m| match m {
        "TO" => "TODO".to_owned(),
        "FIX" => "FIXME".to_owned(),
        _ => "X".repeat(3),
    });
    let mut problems = Vec::new();
    for file in files()
        .into_iter()
        .filter(|f| f != Path::new("tests/architecture.rs"))
    {
        let Ok(text) = fs::read_to_string(root().join(&file)) else {
            continue;
        };
        let is_rust = file.extension().is_some_and(|e| e == "rs");
        for (line, code) in text.lines().enumerate() {
            let ignored = is_rust && code.contains("#[ignore");
            let marked = marks.iter().any(|m| {
                code.split(|c: char| !c.is_alphanumeric())
                    .any(|word| word == m)
            });
            if ignored || marked {
                problems.push(format!("{}:{}: {}", file.display(), line + 1, code.trim()));
            }
        }
    }
    report(problems);
}

#[test]
fn the_top_level_holds_what_it_should() {
    let mut tops: Vec<_> = files()
        .iter()
        .filter_map(|f| Some(f.iter().next()?.to_string_lossy().into_owned()))
        .collect();
    tops.sort();
    tops.dedup();
    report(
        tops.into_iter()
            .filter(|t| !TOP_LEVEL.contains(&t.as_str()))
            .collect(),
    );
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let mut problems = Vec::new();
    for file in files()
        .into_iter()
        .filter(|f| f.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = target.split('#').next().unwrap_or_default();
            let outside = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            if !outside && !root().join(file.parent().unwrap()).join(path).exists() {
                problems.push(format!("{}: {target}", file.display()));
            }
        }
    }
    report(problems);
}

#[test]
fn the_repository_stands_on_its_own() {
    // Names of papers that only their authors have.
    let papers =
        ["DESIGN", "LESSONS", "FEATURES", "DEVELOPERS", "CONTRACT"].map(|p| format!("{p}.md"));
    let mut problems = Vec::new();
    for file in files()
        .into_iter()
        .filter(|f| f != Path::new("tests/architecture.rs"))
    {
        let Ok(text) = fs::read_to_string(root().join(&file)) else {
            continue;
        };
        for (line, code) in text.lines().enumerate() {
            if papers.iter().any(|p| code.contains(p.as_str())) || code.contains("../shared") {
                problems.push(format!("{}:{}: {}", file.display(), line + 1, code.trim()));
            }
        }
    }
    report(problems);
}
