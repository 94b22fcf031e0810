//! A model with its data, ready to run one step after the other.

use super::{Mode, Workload, check_threads};
use crate::data::Batch;
use crate::measure::clock::timed;
use crate::models::{self, Content, Decoder, Model, ModelError, Sequence, Shape, State};
use crate::train::{self, Optimizer, TrainSettings};
use kernels::{Tape, with_threads};
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Distinct batches that steps take in turn.
const BATCHES: usize = 4;
/// Small, so that thousands of steps leave the weights' magnitudes, and thereby the work, as it was.
const LEARNING_RATE: f64 = 1e-6;
/// Most tokens decoded in one call of [`Prepared::step`], and the share of the context they may be:
/// the context grows while they are decoded, so that their mean stays within 1/32 of it.
const DECODED: usize = 16;
const DECODED_SHARE: usize = 16;
/// Tokens of the context that are consumed at once.
const PROMPT: usize = 128;

/// A workload with its model built.
pub struct Prepared {
    /// What it was prepared from.
    pub workload: Workload,
    /// Trainable values.
    pub parameters: usize,
    /// Decoding: bytes of state of the whole batch, by the model's own account.
    pub state_bytes: Option<usize>,
    /// Decoding: FLOPs of a step, by the model's own account.
    pub(super) decode_flops: Option<f64>,
    work: Work,
}

enum Work {
    Train {
        model: Box<dyn Model>,
        optimizer: Optimizer,
        batches: Vec<Batch>,
        clip: Option<f32>,
    },
    Forward {
        model: Box<dyn Model>,
        batches: Vec<Batch>,
    },
    Decode(Decoding),
}

/// Decoding from a saved state, over and over.
struct Decoding {
    decoder: Box<dyn Decoder>,
    /// State before the first token of a call.
    start: State,
    /// One token a sequence.
    tokens: Vec<u32>,
    logits: Vec<f32>,
    /// Tokens before the timed ones: the first after copying the state may grow its buffers.
    untimed: usize,
    timed: usize,
}

/// Builds the model and its data; for decoding, consumes the context.
///
/// # Errors
/// Impossible sizes, more memory than there is, a context past learned positions.
pub fn prepare(workload: &Workload) -> Result<Prepared, ModelError> {
    check_threads(workload.threads)?;
    let batch = workload.shape.batch;
    let parameters = models::parameter_count(&workload.config)?;
    check_memory(workload, parameters)?;
    let model = models::build(&workload.config, 0)?;
    if workload.mode != Mode::Decode {
        workload.config.check_length(workload.shape.seq_len)?;
    }
    let (mut state_bytes, mut decode_flops) = (None, None);
    let work = match workload.mode {
        Mode::TrainStep => {
            let settings = TrainSettings {
                batch,
                threads: workload.threads,
                ..TrainSettings::default()
            };
            Work::Train {
                optimizer: Optimizer::new(model.as_ref(), &settings),
                model,
                batches: batches(workload),
                clip: settings.clip,
            }
        }
        Mode::Forward => Work::Forward {
            model,
            batches: batches(workload),
        },
        Mode::Decode => {
            state_bytes = Some(model.state_bytes(workload.context) * batch);
            decode_flops = Some(model.flops_per_token(workload.context) * batch as f64);
            Work::Decode(Decoding::new(model.as_ref(), workload)?)
        }
    };
    Ok(Prepared {
        workload: workload.clone(),
        parameters,
        state_bytes,
        decode_flops,
        work,
    })
}

impl Prepared {
    /// Runs on the workload's threads and returns the seconds a step took.
    pub fn step(&mut self) -> f64 {
        with_threads(self.workload.threads, || self.step_here())
    }

    /// Runs on the current threads and returns the seconds a step took.
    pub(in crate::measure) fn step_here(&mut self) -> f64 {
        match &mut self.work {
            Work::Train {
                model,
                optimizer,
                batches,
                clip,
            } => {
                batches.rotate_left(1);
                let (report, seconds) = timed(|| {
                    train::step(model.as_mut(), &batches[0], optimizer, LEARNING_RATE, *clip)
                });
                assert!(report.is_finite(), "a step on random tokens diverged");
                seconds
            }
            Work::Forward { model, batches } => {
                batches.rotate_left(1);
                let ((), seconds) = timed(|| {
                    std::hint::black_box(model.forward(&batches[0].input, Tape::Off));
                });
                seconds
            }
            Work::Decode(decoding) => decoding.step(),
        }
    }

    /// Tokens that a step processes.
    pub fn tokens_per_step(&self) -> usize {
        match self.workload.mode {
            Mode::Decode => self.workload.shape.batch,
            Mode::TrainStep | Mode::Forward => {
                self.workload.shape.batch * self.workload.shape.seq_len
            }
        }
    }

    /// Bytes that measuring needs and the work does not: the saved state, the batches in waiting.
    pub(super) fn bytes_of_measuring(&self) -> usize {
        // Tokens, targets, mask and distances.
        let bytes = |batch: &Batch| 4 * 4 * batch.positions();
        match &self.work {
            Work::Train { batches, .. } | Work::Forward { batches, .. } => {
                batches[1..].iter().map(bytes).sum()
            }
            Work::Decode(decoding) => {
                let buffers = &decoding.start.buffers;
                buffers.iter().map(|b| 4 * b.capacity()).sum()
            }
        }
    }
}

impl Decoding {
    fn new(model: &dyn Model, workload: &Workload) -> Result<Self, ModelError> {
        let context = workload.context;
        let timed = (context / DECODED_SHARE).clamp(1, DECODED);
        let untimed = usize::from(context >= timed);
        let mut decoding = Decoding {
            decoder: model.decoder(),
            start: State::default(),
            tokens: tokens_of(workload.config.vocab, workload.shape.batch, 1),
            logits: Vec::new(),
            untimed,
            timed,
        };
        // The last timed token finds `context` tokens before it.
        let consumed = (context + 1).saturating_sub(timed + untimed);
        // Another decoder reads the context: what it needs for many tokens at once is not measured.
        let mut reader = model.decoder();
        let source = source_of(workload, 1);
        let mut state = reader.start(workload.shape.batch, source.as_ref());
        with_threads(workload.threads, || {
            let mut logits = Vec::new();
            for first in (0..consumed).step_by(PROMPT) {
                let tokens = PROMPT.min(consumed - first) * workload.shape.batch;
                let tokens = tokens_of(workload.config.vocab, tokens, 2 + first as u64);
                reader.extend(&tokens, &mut state, &mut logits)?;
            }
            // Fails here, before anything is timed, if positions end before the last token.
            let mut ahead = state.clone();
            for _ in 0..untimed + timed {
                decoding.consume(&mut ahead)?;
            }
            assert_eq!(ahead.position, context + 1);
            Ok(())
        })?;
        decoding.start = state;
        Ok(decoding)
    }

    fn consume(&mut self, state: &mut State) -> Result<(), ModelError> {
        self.decoder.step(&self.tokens, state, &mut self.logits)
    }

    fn step(&mut self) -> f64 {
        let mut state = self.start.clone();
        let (untimed, steps) = (self.untimed, self.timed);
        let mut run = |steps: usize| {
            for _ in 0..steps {
                self.consume(&mut state)
                    .expect("went as far when it was prepared");
            }
        };
        run(untimed);
        let ((), seconds) = timed(|| run(steps));
        std::hint::black_box(&self.logits);
        seconds / steps as f64
    }
}

/// Refuses what does not fit into the memory that is available, before anything is allocated.
fn check_memory(workload: &Workload, parameters: usize) -> Result<(), ModelError> {
    let config = &workload.config;
    let Shape { batch, seq_len } = workload.shape;
    if workload.mode == Mode::TrainStep {
        return models::check_memory(config, workload.shape);
    }
    models::check_memory(config, Shape { batch, seq_len: 1 })?;
    let (batch, width) = (batch as u128, config.width as u128);
    let floats = if workload.mode == Mode::Forward {
        // Weights; logits; the widest layer (four gates, or four times the width) in and out.
        parameters as u128 + batch * seq_len as u128 * (config.vocab as u128 + 12 * width)
    } else {
        // Weights and two packed copies; logits; keys and values, twice while they are copied.
        let states = 4 * width * config.layers as u128 * (workload.context as u128 + 2);
        4 * parameters as u128 + batch * (config.vocab as u128 + states)
    };
    let (needed, keys) = (4 * floats, "batch, seq-len, context, width or layers");
    match needed > u128::from(models::available_bytes()) {
        true => Err(ModelError::too_large(needed, keys)),
        false => Ok(()),
    }
}

/// Batches of random tokens, every position scored.
fn batches(workload: &Workload) -> Vec<Batch> {
    let shape = workload.shape;
    let draw = |seed| tokens_of(workload.config.vocab, shape.batch * shape.seq_len, seed);
    let batch = |i: u64| {
        let mut batch = Batch::of_tokens(shape, draw(2 * i), draw(2 * i + 1));
        batch.input.source = source_of(workload, 2 * i);
        batch
    };
    (0..BATCHES as u64).map(batch).collect()
}

/// A source of random tokens, if the model reads one: as long as its longest.
fn source_of(workload: &Workload, seed: u64) -> Option<Sequence> {
    let shape = Shape {
        batch: workload.shape.batch,
        seq_len: workload.config.source?,
    };
    let tokens = tokens_of(workload.config.vocab, shape.batch * shape.seq_len, !seed);
    Some(Sequence::new(Content::Tokens(tokens), shape))
}

fn tokens_of(vocab: usize, count: usize, seed: u64) -> Vec<u32> {
    let mut rng = SmallRng::seed_from_u64(seed);
    (0..count)
        .map(|_| rng.random_range(0..vocab as u32))
        .collect()
}
