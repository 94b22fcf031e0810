//! Plots, the HTML report and terminal tables, rebuilt from the files of an output directory alone;
//! never from a model.

pub mod terminal;

use std::path::{Path, PathBuf};

/// Writes `plots/*.svg`, `plots/*.png` and `report.html` of an output directory from its files.
///
/// # Errors
/// If the manifest or the results cannot be read, or a file cannot be written. What is merely
/// missing (failed runs, experiments without records, no verdicts) is said on the page instead.
pub fn build(_dir: &Path) -> anyhow::Result<()> {
    todo!()
}

/// Writes only the plots and returns their paths.
///
/// # Errors
/// As [`build`].
pub fn plots(_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    todo!()
}
