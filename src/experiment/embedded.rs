//! The experiments that come with the program.

use super::parse::{Loaded, load};
use crate::claims::published::{Expected, parse};
use crate::claims::reference::Reference;
use crate::files;
use crate::files::ConfigError;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Id and text of files in a folder of `experiments/`, named without `.toml`; an id is the name with a
/// prefix.
macro_rules! embed {
    ($prefix:literal, $folder:literal, $($name:literal),* $(,)?) => {
        &[$((
            concat!($prefix, $name),
            include_str!(concat!("../../experiments/", $folder, $name, ".toml")),
        )),*]
    };
}

/// Every file in `experiments/`, in the order of the report.
pub const EXPERIMENTS: &[(&str, &str)] = embed!(
    "",
    "",
    "speed-long",
    "parallel-clock",
    "parallel-graph",
    "scan",
    "distance-copy",
    "distance-add",
    "distance-recall",
    "distance-text",
    "state-tracking",
    "decode-cost",
    "quadratic",
    "vanishing",
    "retention",
    "context-limit",
    "next-word",
    "translate",
    "both-sides",
    "modern",
    "fine-tune",
    "lora",
);

/// Every file in `experiments/published/`: they reproduce numbers that others published, and judge no
/// claim of the catalogue.
pub const PUBLISHED: &[(&str, &str)] = embed!(
    "published-",
    "published/",
    "copy-floor",
    "copy-length",
    "copy-bias",
    "chrono",
    "adding",
    "parity",
    "reverse",
    "modular",
    "recall",
    "single-recall",
    "parity-short",
    "parity-states",
    "arithmetic",
    "reverse-symbols",
    "nanogpt",
    "nanogpt-initial",
    "char-models",
    "selective-copy",
    "min-scan",
    "vanishing",
    "gru-layer",
    "context",
);

/// The published numbers and what they are compared with.
pub fn expected() -> Result<Expected, ConfigError> {
    let text = include_str!("../../experiments/published/expected.toml");
    parse("experiments/published/expected.toml", text)
}

/// What the reference run answered; `tests/library/committed.rs` keeps it as `results/reference` says.
pub fn reference() -> &'static [Reference] {
    static REFERENCE: LazyLock<Vec<Reference>> = LazyLock::new(|| {
        let text = include_str!("../../experiments/reference.json");
        serde_json::from_str(text).expect("it is written by the program")
    });
    &REFERENCE
}

/// Steps after which runs of this cell (a run's name without its seed) ended in the reference run, on
/// average, where that is before their budget; for estimates only.
pub fn steps_taken(cell: &str) -> Option<usize> {
    static STEPS: LazyLock<BTreeMap<String, usize>> = LazyLock::new(|| {
        let text = include_str!("../../experiments/steps.json");
        serde_json::from_str(text).expect("it is written by the program")
    });
    STEPS.get(cell).copied()
}

/// The parsed experiment of that id, if there is one.
pub fn find(id: &str) -> Option<Result<Loaded, ConfigError>> {
    let mut all = EXPERIMENTS.iter().chain(PUBLISHED);
    let (id, text) = all.find(|(known, _)| *known == id)?;
    Some(load(&file_of(id), text))
}

/// The file of a built-in experiment, for messages.
fn file_of(id: &str) -> String {
    match id.strip_prefix("published-") {
        Some(name) => format!("experiments/published/{name}.toml"),
        None => format!("experiments/{id}.toml"),
    }
}

/// All that judge claims, parsed.
pub fn all() -> Result<Vec<Loaded>, ConfigError> {
    let all = EXPERIMENTS.iter();
    all.map(|(id, text)| load(&file_of(id), text)).collect()
}

/// Writes them to a directory for editing; refuses to replace a file that differs.
pub fn export(directory: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let files: Vec<(PathBuf, &str)> = EXPERIMENTS
        .iter()
        .map(|(id, text)| (directory.join(format!("{id}.toml")), *text))
        .collect();
    for (path, text) in &files {
        if std::fs::read(path).is_ok_and(|there| there != text.as_bytes()) {
            bail!(
                "{} has been changed; move it away or export elsewhere",
                path.display()
            );
        }
    }
    for (path, text) in &files {
        files::write(path, text.as_bytes())?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims;

    #[test]
    fn every_profile_of_every_experiment_resolves_and_judges_a_known_claim() {
        for (loaded, (id, _)) in all().unwrap().iter().zip(EXPERIMENTS) {
            assert_eq!(loaded.experiment.id, *id);
            let claim = claims::find(&loaded.experiment.claim).expect("a claim of the catalogue");
            assert_eq!(claim.id, *id);
            assert!(!loaded.experiment.plots.is_empty());
            for profile in ["smoke", "quick", "full"] {
                let resolved = loaded.resolve(profile, &[]).unwrap();
                let least = match (resolved.settings.seeds, profile) {
                    (None, _) | (_, "smoke") => 0,
                    (_, "quick") => 3,
                    _ => 5,
                };
                assert!(
                    resolved.settings.seeds.unwrap_or(0) >= least,
                    "{id} {profile}"
                );
            }
        }
    }

    #[test]
    fn export_writes_all_and_replaces_nothing_that_was_edited() {
        let dir = tempfile::tempdir().unwrap();
        let files = export(dir.path()).unwrap();
        assert_eq!(files.len(), EXPERIMENTS.len());
        export(dir.path()).unwrap();
        std::fs::write(&files[1], "edited").unwrap();
        let error = export(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("parallel-clock.toml has been changed"),
            "{error}"
        );
        assert_eq!(std::fs::read(&files[1]).unwrap(), b"edited");
    }
}
