//! Plots, the HTML report and terminal tables, rebuilt from the files of an output directory alone;
//! never from a model.
//!
//! [`source`] reads the files, [`figure`] collects what each `[[plot]]` of an experiment shows,
//! [`chart`] lays it out as a [`scene`], which is painted as SVG and PNG; [`html`] fills the page.

pub mod axis;
mod bars;
mod caption;
pub mod chart;
pub mod compare;
pub mod figure;
#[cfg(test)]
mod fixture;
mod floors;
pub mod font;
pub mod html;
pub mod inventory;
mod layout;
mod marks;
pub mod palette;
pub mod published;
pub mod roofline;
pub mod scene;
pub mod source;
pub mod tables;
pub mod terminal;
#[cfg(test)]
mod tests;

use crate::files;
use anyhow::Context;
use figure::Figure;
use source::Source;
use std::path::{Path, PathBuf};

/// Directory of the plots in an output directory.
pub const PLOTS: &str = "plots";
/// File name of the page.
pub const REPORT: &str = "report.html";

/// Writes `plots/*.svg`, `plots/*.png` and `report.html` of an output directory from its files.
///
/// # Errors
/// If the manifest or the results cannot be read, or a file cannot be written. What is merely
/// missing (failed runs, experiments without records, no verdicts) is said on the page instead.
pub fn build(dir: &Path) -> anyhow::Result<()> {
    let source = Source::open(dir)?;
    let figures = figures(&source, dir)?;
    write_plots(dir, &figures)?;
    files::write(&dir.join(REPORT), html::page(&source, &figures)?.as_bytes())
}

/// Writes only the plots and returns their paths.
///
/// # Errors
/// As [`build`].
pub fn plots(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let source = Source::open(dir)?;
    write_plots(dir, &figures(&source, dir)?)
}

/// Paths that [`plots`] would write.
///
/// # Errors
/// As [`build`], but nothing is written.
pub fn planned(source: &Source, dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let figures = figures(source, dir)?;
    let shown = figures
        .iter()
        .flatten()
        .filter(|figure| figure.shows_something());
    let paths = shown
        .flat_map(|f| ["svg", "png"].map(|end| dir.join(PLOTS).join(format!("{}.{end}", f.file))));
    Ok(paths.collect())
}

/// The figures of each experiment of the manifest, in its order.
fn figures(source: &Source, dir: &Path) -> anyhow::Result<Vec<Vec<Figure>>> {
    let of_experiment = |experiment: &crate::experiment::schema::Experiment| {
        let figures = experiment
            .plots
            .iter()
            .map(|spec| figure::collect(spec, experiment, source));
        figures.collect::<anyhow::Result<Vec<_>>>()
    };
    let all = source
        .manifest
        .experiments
        .iter()
        .map(of_experiment)
        .collect::<anyhow::Result<_>>();
    all.with_context(|| format!("{}", dir.join(crate::results::output::MANIFEST).display()))
}

/// Writes every figure that shows something.
fn write_plots(dir: &Path, figures: &[Vec<Figure>]) -> anyhow::Result<Vec<PathBuf>> {
    let folder = dir.join(PLOTS);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the directory {}", folder.display()))?;
    files::sweep(&folder);
    let mut written = Vec::new();
    for figure in figures
        .iter()
        .flatten()
        .filter(|figure| figure.shows_something())
    {
        let scene = chart::draw(figure, chart::WIDE);
        for (extension, bytes) in [("svg", scene.svg()?.into_bytes()), ("png", scene.png()?)] {
            let path = folder.join(format!("{}.{extension}", figure.file));
            files::write(&path, &bytes)?;
            written.push(path);
        }
    }
    Ok(written)
}
