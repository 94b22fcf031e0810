//! Checkpoint files: opened and used, resumed from, and started from.

use crate::common::{place, text};
use crate::guard;
use crate::mutate::{Edit, bytes, edits, to_json, tree};
use proptest::prelude::*;
use proptest::sample::Index;
use rand::SeedableRng;
use seqduel::data::tasks::{TaskSettings, TaskSource};
use seqduel::data::text::{Text, TextSource};
use seqduel::data::{DataSection, Source};
use seqduel::generate::{Sampling, generate, next_token_distribution};
use seqduel::models::{self, ModelConfig};
use seqduel::train::{Budget, Embedded, Keep, Saving, Start, TrainSettings, checkpoint, train};
use serde_json::Value;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A training of two steps that stopped after the first.
struct Case {
    model: &'static str,
    tokenizer: Option<&'static str>,
    /// Its checkpoint.
    file: Vec<u8>,
}

impl Case {
    fn source(&self) -> (Box<dyn Source>, Embedded) {
        let Some(tokenizer) = self.tokenizer else {
            let task = TaskSettings::new("copy").with("delay", 3);
            let source = TaskSource::new(task.make().expect("a task"), 1);
            let data = DataSection {
                task: Some(task),
                ..DataSection::default()
            };
            let embedded = Embedded {
                tokenizer: None,
                data,
            };
            return (Box::new(source), embedded);
        };
        let choice = tokenizer.parse().expect("a tokenizer");
        let text_ = Text::open(text(), choice, Some(600)).expect("a text");
        let embedded = Embedded {
            tokenizer: Some(text_.tokenizer().clone()),
            data: DataSection {
                corpus: Some(text().into()),
                tokenizer: choice,
                seq_len: 4,
                skip_characters: None,
                max_characters: Some(600),
                train_characters: None,
                objective: Default::default(),
                pairs: None,
                task: None,
            },
        };
        let source = TextSource::new(Arc::new(text_), 4, 1).expect("windows");
        (Box::new(source), embedded)
    }

    /// Goes on, in a directory, until it has done a step.
    fn train(&self, directory: &Path, start: &Start) -> bool {
        let (mut source, embedded) = self.source();
        let spec = source.spec();
        let config = ModelConfig {
            heads: 2,
            ..ModelConfig::new(self.model, spec.vocab, 4, 1, spec.seq_len)
        };
        let settings = TrainSettings {
            batch: 2,
            budget: Budget::steps(2),
            validate_every: 1,
            validation_sequences: 2,
            ..TrainSettings::default()
        };
        let mut model = models::build(&config, 0).expect("a model");
        let saving = Saving {
            directory,
            embedded: &embedded,
            moments: true,
            metrics: true,
        };
        let observe = &mut |_: &_| ControlFlow::Break(());
        let (model, source) = (&mut *model, &mut *source);
        train(model, source, &settings, start, Some(&saving), observe).is_ok()
    }
}

/// Made once: the tests run side by side.
fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(made)
}

fn made() -> Vec<Case> {
    let all = [
        ("gru", None),
        ("lstm", Some("bpe:260")),
        ("transformer", Some("char")),
        ("minlstm", Some("byte")),
    ];
    let make = |(model, tokenizer): (&'static str, Option<&'static str>)| {
        let mut case = Case {
            model,
            tokenizer,
            file: Vec::new(),
        };
        let directory = fresh(&format!("valid-{model}"));
        assert!(case.train(&directory, &Start::Fresh), "{model}");
        case.file = fs::read(directory.join(checkpoint::FILE)).expect("saved");
        case
    };
    all.into_iter().map(make).collect()
}

fn fresh(name: &str) -> PathBuf {
    let directory = place(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("writable");
    directory
}

/// What is changed of a file: the metadata, the header around it, the values, bytes anywhere.
#[derive(Debug, Clone)]
struct Damage {
    metadata: Vec<Edit>,
    header: Vec<Edit>,
    values: Option<(Index, Index)>,
    bytes: Vec<Edit>,
}

fn damage() -> impl Strategy<Value = Damage> {
    let values = proptest::option::weighted(0.2, any::<(Index, Index)>());
    let none = || Just(Vec::new());
    let metadata = prop_oneof![1 => none(), 3 => edits(1..4)];
    let header = prop_oneof![3 => none(), 1 => edits(1..3)];
    let bytes = prop_oneof![6 => none(), 1 => edits(1..3)];
    (metadata, header, values, bytes).prop_map(|(metadata, header, values, bytes)| Damage {
        metadata,
        header,
        values,
        bytes,
    })
}

/// A file taken apart.
struct Parts {
    metadata: Value,
    header: Value,
    values: Vec<u8>,
}

impl Parts {
    fn of(file: &[u8]) -> Self {
        let length = u64::from_le_bytes(file[..8].try_into().expect("8 bytes")) as usize;
        let header: Value = serde_json::from_slice(&file[8..8 + length]).expect("JSON");
        let metadata = header["__metadata__"]["seqduel"].as_str();
        Parts {
            metadata: serde_json::from_str(metadata.expect("a string")).expect("JSON"),
            header,
            values: file[8 + length..].to_vec(),
        }
    }

    fn header_with_metadata(&self) -> Value {
        let mut header = self.header.clone();
        header["__metadata__"]["seqduel"] = to_json(&self.metadata).into();
        header
    }
}

fn file_of(header: &Value, values: &[u8]) -> Vec<u8> {
    let header = to_json(header);
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), values].concat()
}

impl Damage {
    fn of(&self, file: &[u8]) -> Vec<u8> {
        let mut parts = Parts::of(file);
        tree(&mut parts.metadata, &self.metadata);
        let mut header = parts.header_with_metadata();
        tree(&mut header, &self.header);
        let values = &mut parts.values;
        if let Some((place, with)) = &self.values {
            let at = place.index(values.len() / 4) * 4;
            let hostile = [f32::NAN, f32::INFINITY, f32::MAX, 1e-40, -1e20];
            let value = hostile[with.index(hostile.len())];
            values[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        let mut file = file_of(&header, values);
        bytes(&mut file, &self.bytes);
        file
    }
}

/// What `eval`, `predict` and `generate` do of a checkpoint.
fn open(file: &Path) {
    let Ok((mut model, metadata)) = checkpoint::load(file) else {
        return;
    };
    let _ = metadata.data_in_words();
    let sampling = Sampling {
        temperature: 1.0,
        top_k: Some(5),
        top_p: Some(0.9),
    };
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let config = model.config().clone();
    if config.output == models::Output::Tokens && config.source.is_none() {
        let last = config.vocab as u32 - 1;
        let mut decoder = model.decoder();
        let _ = next_token_distribution(&mut *decoder, &[0, last]);
        let on = &mut |_| ControlFlow::Continue(());
        let _ = generate(&mut *decoder, &[last], 3, &sampling, &mut rng, on);
    }
    if let Some(Embedded { tokenizer, data }) = metadata.embedded {
        if let Some(tokenizer) = tokenizer {
            tokenizer.show(config.vocab as u32 - 1);
        }
        if let Some(Ok(task)) = data.task.map(|task| task.make()) {
            TaskSource::new(task, 1).spec();
        }
    }
    for parameter in model.parameters_mut() {
        parameter.values();
    }
}

/// Data are compared by as many sequences as the file says it was validated on.
#[test]
fn a_file_that_claims_endless_validation_is_of_other_data() {
    let cases = cases();
    let from = fresh("endless");
    let claim = |bytes: &[u8], number: usize| {
        let mut parts = Parts::of(bytes);
        parts.metadata["identity"]["settings"]["validation-sequences"] = number.into();
        let whole = file_of(&parts.header_with_metadata(), &parts.values);
        fs::write(from.join(checkpoint::FILE), whole).expect("writable");
        let start = Start::From {
            checkpoint: from.clone(),
            keep: Keep::Training,
        };
        cases[0].train(&fresh("endless-out"), &start)
    };
    assert!(claim(&cases[0].file, 2));
    for endless in [2_000_000, 1 << 53] {
        assert!(!claim(&cases[0].file, endless));
    }
}

#[test]
fn checkpoint_files() {
    let cases = cases();
    let directory = fresh("damaged");
    let from = fresh("from");
    let inputs = (any::<Index>(), damage());
    guard::run(100, inputs, |(which, damage)| {
        let case = which.get(cases);
        let bytes = damage.of(&case.file);
        let file = from.join(checkpoint::FILE);
        fs::write(&file, &bytes).expect("writable");
        open(&file);
        fs::write(directory.join(checkpoint::FILE), &bytes).expect("writable");
        case.train(&directory, &Start::Fresh);
        for keep in [Keep::Weights, Keep::Training] {
            let _ = fs::remove_file(directory.join(checkpoint::FILE));
            let start = Start::From {
                checkpoint: file.clone(),
                keep,
            };
            case.train(&directory, &start);
        }
    });
}
