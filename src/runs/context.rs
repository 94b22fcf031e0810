//! What the expansion of every kind of run shares: what it depends on, how it fails, and the first
//! columns of its records.

use super::texts::{TextData, Texts};
use crate::data::DataError;
use crate::data::tokenizer::TokenizerChoice;
use crate::experiment::check::Fault;
use crate::experiment::schema::{Experiment, Settings};
use crate::record::Record;
use std::collections::BTreeMap;

/// Tuning runs draw their seeds this far from the runs that count.
pub const TUNING_SEEDS: u64 = 1_000_000;

/// Why an experiment cannot become runs.
#[derive(Debug)]
pub enum ExpandError {
    /// A value of the experiment is wrong.
    Fault(Fault),
    /// Its text cannot be had.
    Data(DataError),
}

impl From<Fault> for ExpandError {
    fn from(fault: Fault) -> Self {
        ExpandError::Fault(fault)
    }
}

impl From<DataError> for ExpandError {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Impossible { key, value, remedy } => {
                // `copy.delay` names the task; the experiment names it in its settings.
                let key = key.rsplit('.').next().unwrap_or(&key).to_owned();
                Fault::new(format!("settings.parameters.{key}"), value, remedy).into()
            }
            other => ExpandError::Data(other),
        }
    }
}

/// What expansion depends on besides the experiment.
pub struct Context<'a> {
    /// Name of the profile.
    pub profile: &'a str,
    /// Seeds count from here.
    pub seed: u64,
    /// What `threads = "all"` means.
    pub threads: usize,
    /// Where text comes from.
    pub texts: &'a Texts,
    /// The looks taken after the first, by experiment.
    pub more: &'a More,
}

/// The looks taken after the first, by experiment: the cells that each adds to, names of runs without
/// their seed or launch.
pub type More = BTreeMap<String, Vec<Vec<String>>>;

impl Context<'_> {
    /// How many seeds or launches a cell has, where the first look takes `first`.
    pub fn observations(&self, experiment: &Experiment, cell: &str, first: usize) -> usize {
        let looks = experiment.looks();
        let more = self.more.get(&experiment.id).into_iter().flatten();
        let taken = more.zip(looks.iter().skip(1));
        let here = taken.filter(|(cells, _)| cells.iter().any(|c| c == cell));
        here.map(|(_, after)| *after).max().unwrap_or(first)
    }
}

/// A record that says only which run it is of.
pub(super) fn named(experiment: &Experiment, context: &Context, id: &str) -> Record {
    Record {
        run: id.into(),
        experiment: experiment.id.clone(),
        profile: context.profile.into(),
        ..Record::default()
    }
}

pub(super) fn batch(s: &Settings, seq_len: usize) -> Result<usize, Fault> {
    match (s.batch, s.tokens_per_batch) {
        (Some(batch), _) => Ok(batch),
        (None, Some(tokens)) => Ok((tokens / seq_len).max(1)),
        (None, None) => Err(Fault::missing("settings.batch", "every run")),
    }
}

pub(super) fn require<T>(value: Option<T>, key: &str) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::missing(key, "this experiment"))
}

/// The text that models are trained on: the corpus, or of two texts the second.
pub(super) fn text_data(s: &Settings, texts: &Texts) -> Result<TextData, ExpandError> {
    match s.adapt {
        None => Ok(corpus(s)?),
        Some(_) => Ok(two_texts(s, texts)?[1].clone()),
    }
}

fn corpus(s: &Settings) -> Result<TextData, Fault> {
    Ok(TextData {
        tokenizer: require(s.tokenizer, "settings.tokenizer")?,
        max_characters: s.max_characters,
        skip_characters: None,
        train_characters: None,
        seq_len: require(s.seq_len, "settings.seq_len")?,
        objective: s.objective.unwrap_or_default(),
    })
}

/// The first text and the second.
pub(super) fn two_texts(s: &Settings, texts: &Texts) -> Result<[TextData; 2], ExpandError> {
    let whole = corpus(s)?;
    if whole.tokenizer != TokenizerChoice::Byte {
        let remedy = "two texts have the same tokens only by bytes; give tokenizer = \"byte\"";
        let tokenizer = whole.tokenizer.to_string();
        return Err(Fault::new("settings.tokenizer", tokenizer, remedy).into());
    }
    let share = require(s.second_share, "settings.second_share")?;
    let all = texts
        .characters()?
        .min(s.max_characters.unwrap_or(usize::MAX));
    let first = ((1.0 - share) * all as f64) as usize;
    let second = TextData {
        skip_characters: Some(first),
        max_characters: Some(all - first),
        train_characters: s.characters,
        ..whole.clone()
    };
    let first = TextData {
        max_characters: Some(first),
        ..whole
    };
    Ok([first, second])
}

/// Refuses an experiment of one layer that names another model.
pub(super) fn only(experiment: &Experiment, model: &str, why: &str) -> Result<(), Fault> {
    match experiment.models.iter().position(|m| m.model != model) {
        Some(i) => {
            let name = format!("{:?}", experiment.models[i].model);
            let remedy = format!("{why}; name {model} alone");
            Err(Fault::new(format!("models[{i}].model"), name, remedy))
        }
        None => Ok(()),
    }
}
