//! The experiments that come with the program.

use super::directory::write;
use super::parse::{ConfigError, Loaded, load};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Id and text of every file in `experiments/`, in the order of the report.
pub const EXPERIMENTS: &[(&str, &str)] = &[
    (
        "speed-long",
        include_str!("../../experiments/speed-long.toml"),
    ),
    (
        "parallel-clock",
        include_str!("../../experiments/parallel-clock.toml"),
    ),
    ("scan", include_str!("../../experiments/scan.toml")),
    (
        "distance-copy",
        include_str!("../../experiments/distance-copy.toml"),
    ),
    (
        "distance-add",
        include_str!("../../experiments/distance-add.toml"),
    ),
    (
        "distance-recall",
        include_str!("../../experiments/distance-recall.toml"),
    ),
    (
        "distance-text",
        include_str!("../../experiments/distance-text.toml"),
    ),
    (
        "state-tracking",
        include_str!("../../experiments/state-tracking.toml"),
    ),
    (
        "vanishing",
        include_str!("../../experiments/vanishing.toml"),
    ),
    (
        "next-word",
        include_str!("../../experiments/next-word.toml"),
    ),
];

/// The parsed experiment of that id, if there is one.
pub fn find(id: &str) -> Option<Result<Loaded, ConfigError>> {
    let (id, text) = EXPERIMENTS.iter().find(|(known, _)| *known == id)?;
    Some(load(&format!("experiments/{id}.toml"), text))
}

/// All of them, parsed.
pub fn all() -> Result<Vec<Loaded>, ConfigError> {
    EXPERIMENTS
        .iter()
        .map(|(id, text)| load(&format!("experiments/{id}.toml"), text))
        .collect()
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
        write(path, text.as_bytes())?;
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
            assert_eq!(claim.experiment, *id);
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
