//! The adding problem: add the two marked numbers of a long sequence (Hochreiter & Schmidhuber 1997,
//! in the form of Le et al. 2015 and Tallec & Ollivier 2018).

use super::{Task, TaskRow, Values, parameter};
use crate::data::{Batch, CLOSE, DataError, Floor, Spec, seeds};
use crate::models::Output;
use rand_chacha::ChaCha8Rng;

pub(super) const ROW: TaskRow = TaskRow {
    name: "adding",
    describes: "adding problem: the sum of the two marked among T numbers; squared error",
    parameters: &[
        // T: positions, each with a number from 0 to 1 and a mark
        parameter("length", 100),
        // 1: marks at any two positions (Bai et al. 2018); 0: one in each half
        parameter("anywhere", 0),
    ],
    make: |values| Adding::new(values).map(|task| Box::new(task) as Box<dyn Task>),
};

/// The task at one length. Three numbers are read at each position: a value drawn uniformly from
/// [0, 1) with 24 bits, the mark (1 at two positions, else 0), and a constant 1, whose row of the
/// embedding is the bias of the input map, which the originals give their input layer.
///
/// After the last position the sum of the two marked values is due, a number from 0 to 2; nothing
/// else is scored. Its distance is that of the first mark: both are needed. Marks stand one in each
/// half (positions 0…⌊T/2⌋−1 and ⌊T/2⌋…T−1), so that the first is at least half the sequence away
/// from some of the second's places; anywhere, both may come late.
struct Adding {
    length: usize,
    anywhere: bool,
}

const FEATURES: usize = 3;

impl Adding {
    fn new(values: &Values) -> Result<Self, DataError> {
        let length = values.within("length", 2..=1 << 20, "give 2 to 1048576 positions")?;
        let anywhere = values.flag("anywhere", "0 marks one in each half, 1 any two")?;
        Ok(Self { length, anywhere })
    }

    /// The marked positions, the earlier one first.
    fn marks(&self, rng: &mut ChaCha8Rng) -> [usize; 2] {
        if self.anywhere {
            let chosen = seeds::choose(rng, self.length, 2);
            let mut marks = [chosen[0] as usize, chosen[1] as usize];
            marks.sort_unstable();
            return marks;
        }
        let half = self.length / 2;
        let within = |rng: &mut ChaCha8Rng, n: usize| seeds::below(rng, n as u64) as usize;
        [within(rng, half), half + within(rng, self.length - half)]
    }
}

impl Task for Adding {
    fn spec(&self) -> Spec {
        Spec {
            output: Output::Number,
            ..Spec::tokens(FEATURES, self.length)
        }
    }

    fn sample(&self, _seq_len: Option<usize>, rng: &mut ChaCha8Rng, batch: &mut Batch) {
        let marks = self.marks(rng);
        let mut sum = 0.0;
        for t in 0..self.length {
            let value = seeds::below(rng, 1 << 24) as f32 / (1 << 24) as f32;
            let marked = marks.contains(&t);
            if marked {
                sum += value;
            }
            batch.read_numbers(&[value, f32::from(u8::from(marked)), 1.0]);
        }
        batch.ask_number(sum, self.length - 1 - marks[0]);
    }

    /// Always 1, the mean: the sum of two uniform numbers has variance 2·1/12 = 1/6 (TCN's README
    /// says 0.1767). It lies within c of 1 with probability 1 − (1 − c)², the triangle's area.
    fn floor(&self) -> Floor {
        let close = f64::from(CLOSE);
        Floor {
            accuracy: 1.0 - (1.0 - close) * (1.0 - close),
            loss: 1.0 / 6.0,
        }
    }
}
