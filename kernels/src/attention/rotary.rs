//! Rotary positions (Su et al. 2021), in the rotate-half arrangement.
//!
//! With h = ⌊share · dh / 2⌋ and θ = t · base^(−d/h): (x_d, x_{d+h}) ← (x_d cos θ − x_{d+h} sin θ,
//! x_{d+h} cos θ + x_d sin θ) for d < h. What lies past 2 h stays: the last
//! element of an odd head, or more where only a share is turned. The gradient is
//! turned back, by −θ.

use super::AttentionPositions;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Cosines and sines for heads of one width.
pub struct Rotary {
    half: usize,
    /// Row t: h cosines, then h sines.
    turns: Vec<f32>,
}

// Computing sines costs as much as a small attention: keep the longest table of each number
// of pairs and base (its bits).
static TABLES: Mutex<BTreeMap<(usize, u64), Arc<Rotary>>> = Mutex::new(BTreeMap::new());

impl Rotary {
    /// The table for heads of width `dh` and at least `len` positions, if there are any.
    pub fn of(positions: AttentionPositions, dh: usize, len: usize) -> Option<Arc<Rotary>> {
        match positions {
            AttentionPositions::Rotary { base, share } => {
                let half = (share * dh as f64) as usize / 2;
                Some(Rotary::cached(half, len, base))
            }
            _ => None,
        }
    }

    fn cached(half: usize, len: usize, base: f64) -> Arc<Rotary> {
        let mut tables = TABLES.lock().expect("no panic while held");
        let key = (half, base.to_bits());
        let known = tables.get(&key).filter(|r| r.turns.len() >= len * 2 * half);
        if let Some(table) = known {
            return Arc::clone(table);
        }
        let len = len.next_power_of_two();
        let mut turns = Vec::with_capacity(len * 2 * half);
        for t in 0..len {
            let angle = |d: usize| t as f64 * libm::pow(base, -(d as f64) / half as f64);
            turns.extend((0..half).map(|d| libm::cos(angle(d)) as f32));
            turns.extend((0..half).map(|d| libm::sin(angle(d)) as f32));
        }
        let table = Arc::new(Rotary { half, turns });
        tables.insert(key, Arc::clone(&table));
        table
    }

    /// Turns one head's row forward by position `t`.
    pub fn turn(&self, row: &mut [f32], t: usize) {
        self.apply(row, t, 1.0);
    }

    /// Turns it back.
    pub fn turn_back(&self, row: &mut [f32], t: usize) {
        self.apply(row, t, -1.0);
    }

    #[inline(always)]
    fn apply(&self, row: &mut [f32], t: usize, sign: f32) {
        let h = self.half;
        let (cos, sin) = self.turns[t * 2 * h..(t + 1) * 2 * h].split_at(h);
        let (low, rest) = row.split_at_mut(h);
        let high = &mut rest[..h];
        for d in 0..h {
            let (a, b, s) = (low[d], high[d], sign * sin[d]);
            low[d] = a * cos[d] - b * s;
            high[d] = b * cos[d] + a * s;
        }
    }
}
