//! What a text or a task needs of a model.

use crate::models::{self, ModelConfig, ModelError, Output, Shape};

/// What a model must be to read these data and to answer them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Number of tokens V, or of numbers at a position.
    pub vocab: usize,
    /// What is to be said: tokens, or numbers after reading numbers.
    pub output: Output,
    /// Positions T in each training sequence.
    pub seq_len: usize,
    /// Most positions in a sequence of any split: a task may be tested on longer ones than trained on.
    pub longest: usize,
    /// Tokens in the longest source, of data that have one beside each sequence.
    pub source: Option<usize>,
    /// Whether gaps are to be filled, and not what comes next said: only for these may a model see both
    /// sides of a position.
    pub masked: bool,
}

/// Why a model cannot learn from these data, or be judged on them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Misfit {
    /// Another number of tokens.
    #[error("the model has vocab = {model} but the data has {data} tokens")]
    Vocab {
        /// Of the model.
        model: usize,
        /// Of the data.
        data: usize,
    },
    /// One says tokens, the other numbers.
    #[error("the model says {model} but the data asks for {data}")]
    Output {
        /// What the model says.
        model: &'static str,
        /// What the data asks for.
        data: &'static str,
    },
    /// One has a source, the other none.
    #[error("{model} reads {reads} but the data has {has}")]
    Source {
        /// Name of the model.
        model: String,
        /// What it reads.
        reads: &'static str,
        /// What the data has.
        has: &'static str,
    },
    /// The answers would be in what the model reads.
    #[error(
        "{0} sees both sides of a position, so the next token is no question to it; train it on gaps \
         (--masked)"
    )]
    BothSides(String),
    /// Sequences longer than the model can read.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Spec {
    /// That of predicting tokens in sequences of T.
    pub fn tokens(vocab: usize, seq_len: usize) -> Self {
        Spec {
            vocab,
            output: Output::Tokens,
            seq_len,
            longest: seq_len,
            source: None,
            masked: false,
        }
    }

    /// The shape of a training batch.
    pub fn shape(&self, batch: usize) -> Shape {
        Shape {
            batch,
            seq_len: self.seq_len,
        }
    }

    /// The smallest change to a configuration that makes it fit.
    pub fn fit(&self, config: ModelConfig) -> ModelConfig {
        ModelConfig {
            vocab: self.vocab,
            output: self.output,
            seq_len: self.longest,
            source: self.source,
            ..config
        }
    }

    /// Whether a model of this configuration can learn from the data and be judged on them.
    pub fn check(&self, config: &ModelConfig) -> Result<(), Misfit> {
        if config.vocab != self.vocab {
            return Err(Misfit::Vocab {
                model: config.vocab,
                data: self.vocab,
            });
        }
        if config.output != self.output {
            return Err(Misfit::Output {
                model: said(config.output),
                data: said(self.output),
            });
        }
        let reads_source = models::row(&config.model).is_ok_and(|row| row.reads_source);
        if reads_source != self.source.is_some() || config.source < self.source {
            let words = |source: bool| match source {
                true => "a source beside its own sequence",
                false => "one sequence",
            };
            return Err(Misfit::Source {
                model: config.model.clone(),
                reads: words(reads_source),
                has: words(self.source.is_some()),
            });
        }
        if config.sees_both() && !self.masked {
            return Err(Misfit::BothSides(config.model.clone()));
        }
        Ok(config.check_length(self.longest)?)
    }
}

fn said(output: Output) -> &'static str {
    match output {
        Output::Tokens => "tokens",
        Output::Number => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Positions;

    #[test]
    fn only_what_fits_is_accepted() {
        let spec = Spec {
            longest: 40,
            ..Spec::tokens(7, 12)
        };
        let config = ModelConfig::new("transformer", 7, 8, 1, 40);
        assert_eq!(spec.check(&config), Ok(()));
        assert_eq!(
            spec.fit(ModelConfig::new("transformer", 1, 8, 1, 1)),
            config
        );
        let refused = |config: ModelConfig| spec.check(&config).unwrap_err().to_string();
        let other = |change: &dyn Fn(&mut ModelConfig)| {
            let mut config = config.clone();
            change(&mut config);
            refused(config)
        };
        assert!(other(&|c| c.vocab = 8).contains("vocab = 8"));
        assert!(other(&|c| c.output = Output::Number).contains("asks for tokens"));
        assert!(other(&|c| c.seq_len = 39).contains("39"));
        let rotary = |c: &mut ModelConfig| (c.seq_len, c.positions) = (12, Positions::Rotary);
        let mut long = config.clone();
        rotary(&mut long);
        assert_eq!(spec.check(&long), Ok(()));
        let beside = Spec {
            source: Some(9),
            ..spec
        };
        let refusal = beside.check(&beside.fit(config)).unwrap_err();
        assert!(
            refusal
                .to_string()
                .starts_with("transformer reads one sequence")
        );
    }
}
