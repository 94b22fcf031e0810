//! Which of a model's values a training changes: all, the head alone, or low-rank adapters of its maps.

use crate::models::Model;
use crate::nn::Parameter;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is trained of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Adapt {
    /// Every parameter.
    #[default]
    All,
    /// The last map, from the width to the vocabulary, with its bias.
    Head,
    /// Two thin matrices beside every map, of this rank: see [`super::lora`].
    Lora(usize),
}

impl Adapt {
    /// Whether every parameter is trained.
    pub fn is_all(self) -> bool {
        self == Adapt::All
    }

    /// What is trained of a parameter.
    pub(super) fn of(self, parameter: &Parameter) -> Part {
        match self {
            Adapt::All => Part::Whole,
            Adapt::Head if is_head(parameter) => Part::Whole,
            Adapt::Lora(rank) if is_map(parameter) => Part::LowRank(rank),
            _ => Part::Nothing,
        }
    }

    /// Number of values of `model` that are trained.
    pub fn parameters(self, model: &dyn Model) -> usize {
        let of = |parameter: &Parameter| match self.of(parameter) {
            Part::Whole => parameter.len(),
            Part::LowRank(rank) => rank * parameter.shape.iter().sum::<usize>(),
            Part::Nothing => 0,
        };
        model.parameters().into_iter().map(of).sum()
    }

    /// Refuses what this model has not: a head of its own, maps wide enough for the rank.
    pub fn check(self, model: &dyn Model) -> Result<(), String> {
        let name = &model.config().model;
        match self {
            Adapt::Head if !model.parameters().iter().any(|p| is_head(p)) => Err(format!(
                "adapt = {self}: {name} has no head of its own; train all of it"
            )),
            Adapt::Lora(0) => Err("adapt = lora:0: give a rank of at least 1".into()),
            Adapt::Lora(rank) => {
                let maps = model.parameters().into_iter().filter(|p| is_map(p));
                let side = |p: &Parameter| p.shape.iter().copied().min().unwrap_or(0);
                let narrowest = maps.min_by_key(|p| side(p));
                let Some(narrowest) = narrowest.filter(|p| side(p) < rank) else {
                    return Ok(());
                };
                let (most, narrow) = (side(narrowest), &narrowest.name);
                Err(format!(
                    "adapt = {self}: {narrow} has a side of {most}, which no matrix of higher rank \
                     fits; give at most lora:{most}, or train all"
                ))
            }
            _ => Ok(()),
        }
    }
}

/// How much of one parameter is trained.
pub(super) enum Part {
    Nothing,
    Whole,
    LowRank(usize),
}

/// Whether it is the matrix of a map from vectors to vectors: of layers, recurrence or the head. Tables
/// of embeddings and positions are looked up, vectors are added or multiplied, and a map to a single number has
/// rank 1 as it is. What steers a mixer of blocks is small: filters, and gates of heads or of experts.
fn is_map(parameter: &Parameter) -> bool {
    let table = ["embedding", "position"]
        .iter()
        .any(|t| parameter.name.starts_with(t));
    let steers = [".conv.", ".gates.", ".router."]
        .iter()
        .any(|s| parameter.name.contains(s));
    parameter.shape.len() == 2 && !table && !steers && parameter.shape.iter().all(|&side| side > 1)
}

fn is_head(parameter: &Parameter) -> bool {
    parameter.name.starts_with("head.")
}

impl fmt::Display for Adapt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Adapt::All => f.write_str("all"),
            Adapt::Head => f.write_str("head"),
            Adapt::Lora(rank) => write!(f, "lora:{rank}"),
        }
    }
}

impl FromStr for Adapt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rank = |text: &str| text.parse().ok().filter(|&rank| rank > 0);
        match text.split_once(':') {
            None if text == "all" => Ok(Adapt::All),
            None if text == "head" => Ok(Adapt::Head),
            Some(("lora", r)) if rank(r).is_some() => Ok(Adapt::Lora(rank(r).unwrap_or(1))),
            _ => Err(format!(
                "adapt = {text:?}: use all, head, or lora:RANK with a rank from 1"
            )),
        }
    }
}

impl From<Adapt> for String {
    fn from(adapt: Adapt) -> String {
        adapt.to_string()
    }
}

impl TryFrom<String> for Adapt {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{self, MODELS, ModelConfig, Positions};

    #[test]
    fn what_is_written_is_read() {
        for adapt in [Adapt::All, Adapt::Head, Adapt::Lora(4)] {
            assert_eq!(adapt.to_string().parse(), Ok(adapt));
        }
        for wrong in ["lora", "lora:", "lora:0", "lora:x", "heads", ""] {
            assert!(wrong.parse::<Adapt>().unwrap_err().contains("lora:RANK"));
        }
    }

    #[test]
    fn adapters_are_beside_maps_and_nowhere_else() {
        for row in MODELS {
            let config = ModelConfig {
                heads: 2,
                positions: Positions::Learned,
                source: row.reads_source.then_some(5),
                ..ModelConfig::new(row.name, 11, 8, 2, 6)
            };
            let model = models::build(&config, 1).unwrap();
            let names = |part: fn(&Part) -> bool, adapt: Adapt| -> Vec<String> {
                let all = model.parameters().into_iter();
                let these = all.filter(|p| part(&adapt.of(p)));
                these.map(|p| p.name.clone()).collect()
            };
            let adapted = names(|part| matches!(part, Part::LowRank(4)), Adapt::Lora(4));
            assert!(adapted.len() >= 3, "{}: {adapted:?}", row.name);
            for name in &adapted {
                assert!(name.contains("weight"), "{}: {name}", row.name);
                assert!(!name.contains("norm") && !name.contains("embed"), "{name}");
            }
            let head = names(|part| matches!(part, Part::Whole), Adapt::Head);
            assert_eq!(
                Adapt::Head.check(&*model).is_ok(),
                !head.is_empty(),
                "{}",
                row.name
            );
            assert!(Adapt::Lora(4).check(&*model).is_ok(), "{}", row.name);
            let refused = Adapt::Lora(9).check(&*model).unwrap_err();
            assert!(refused.contains("give at most lora:"), "{refused}");
        }
    }

    #[test]
    fn adapters_of_recurrent_weights_have_the_numbers_of_the_formula() {
        let (v, d, layers, rank) = (11, 8, 2, 3);
        let model = models::build(&ModelConfig::new("lstm", v, d, layers, 6), 1).unwrap();
        // W_ih and W_hh (4 D, D) of each layer, and the head (V, D).
        let expected = rank * (layers * 2 * (4 * d + d) + v + d);
        assert_eq!(Adapt::Lora(rank).parameters(&*model), expected);
        assert_eq!(Adapt::Head.parameters(&*model), v * d + v);
    }
}
