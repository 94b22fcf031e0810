//! Plots, the HTML report and terminal tables, rebuilt from the files of an output directory alone;
//! never from a model.
//!
//! [`source`] reads the files, [`collect`] makes a [`figure`] of what each `[[plot]]` of an experiment
//! shows, [`chart`] draws it on a [`canvas`] as a [`scene`], which [`svg`] writes and `bitmap` paints;
//! [`html`] fills the page. [`sheet`] prints rows for the commands.

// Where a point of a plot is drawn may differ by a digit from platform to platform.
#![allow(clippy::disallowed_methods)]

pub mod alignment;
pub mod axis;
mod bars;
mod bitmap;
pub mod canvas;
pub mod chart;
pub mod collect;
pub mod compare;
pub mod figure;
#[cfg(test)]
mod fixture;
pub mod font;
pub mod forest;
pub mod html;
pub mod inventory;
mod layout;
mod legend;
mod lines;
mod marks;
pub mod number;
pub mod palette;
pub mod published;
mod roofline;
pub mod scene;
pub mod shape;
pub mod sheet;
pub mod source;
pub mod svg;
pub mod table;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod verdicts;

use crate::experiment::schema::Experiment;
use crate::files;
use crate::results::output;
use anyhow::Context;
use figure::Figure;
use scene::Scene;
use source::Source;
use std::path::{Path, PathBuf};

/// Directory of the plots in an output directory.
pub const PLOTS: &str = "plots";
/// File name of the picture of all claims, without its end.
pub const FOREST: &str = "forest";
/// File name of the page.
pub const REPORT: &str = "report.html";

/// Writes `plots/*.svg`, `plots/*.png` and `report.html` of an output directory from its files.
///
/// # Errors
/// If the manifest or the results cannot be read, or a file cannot be written. What is only missing
/// (failed runs, experiments without records, verdicts) is no error: the page says so.
pub fn build(dir: &Path) -> anyhow::Result<()> {
    let source = Source::open(dir)?;
    let figures = figures(&source, dir)?;
    write_plots(dir, &source, &figures)?;
    files::write(&dir.join(REPORT), html::page(&source, &figures)?.as_bytes())
}

/// Writes only the plots and returns their paths.
///
/// # Errors
/// As [`build`].
pub fn plots(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let source = Source::open(dir)?;
    write_plots(dir, &source, &figures(&source, dir)?)
}

/// Paths that [`plots`] would write.
///
/// # Errors
/// As [`build`], but nothing is written.
pub fn planned(source: &Source, dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let figures = figures(source, dir)?;
    let forest = (!source.verdicts.is_empty()).then_some(FOREST);
    let files = shown(&figures).map(|figure| figure.file.as_str());
    let files = forest.into_iter().chain(files);
    Ok(files.flat_map(|file| paths(dir, file)).collect())
}

/// The figures of each experiment of the manifest, in its order.
fn figures(source: &Source, dir: &Path) -> anyhow::Result<Vec<Vec<Figure>>> {
    let of_experiment = |experiment: &Experiment| {
        let plots = experiment.plots.iter();
        plots
            .map(|spec| collect::collect(spec, experiment, source))
            .collect()
    };
    let experiments = source.manifest.experiments.iter();
    let all: anyhow::Result<_> = experiments.map(of_experiment).collect();
    all.with_context(|| dir.join(output::MANIFEST).display().to_string())
}

/// The figures that have something to show.
fn shown(figures: &[Vec<Figure>]) -> impl Iterator<Item = &Figure> {
    figures
        .iter()
        .flatten()
        .filter(|figure| figure.shows_something())
}

/// The SVG and the PNG of a plot.
fn paths(dir: &Path, file: &str) -> [PathBuf; 2] {
    ["svg", "png"].map(|end| dir.join(PLOTS).join(format!("{file}.{end}")))
}

/// Writes the picture of all claims, and every figure that shows something.
fn write_plots(
    dir: &Path,
    source: &Source,
    figures: &[Vec<Figure>],
) -> anyhow::Result<Vec<PathBuf>> {
    let folder = dir.join(PLOTS);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the directory {}", folder.display()))?;
    files::sweep(&folder);
    let mut written = Vec::new();
    let mut write = |file: &str, scene: Scene| -> anyhow::Result<()> {
        let [svg, png] = paths(dir, file);
        files::write(&svg, scene.svg().as_bytes())?;
        files::write(&png, &scene.png()?)?;
        written.extend([svg, png]);
        Ok(())
    };
    if let Some(scene) = forest::draw(&source.verdicts) {
        write(FOREST, scene)?;
    }
    for figure in shown(figures) {
        write(&figure.file, chart::draw(figure, chart::WIDE))?;
    }
    Ok(written)
}
