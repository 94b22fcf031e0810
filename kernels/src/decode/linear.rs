//! A linear map of few rows, or of many.
//!
//! Weights are packed once, in panels of a register tile's width, and read once a step, in order:
//! the sums run over vectors of outputs, so that no vector is summed across its lanes. A sum over k
//! is one chain of multiply-adds a k-block, blocks added in order, as in every blocked product
//! ([`gemm`](super::super::gemm)): the number of rows, and the kernel that takes them, change no bit.

use super::super::Nonlinearity;
use super::super::cost::{self, Cost, Phase};
use super::super::gemm::{Packed, View, multiply_parallel, tile_shape};
use super::super::linear::{Blocks, Epilogue, padded};
use super::super::parallel::{self, Shared};
use super::super::simd::{Kernel, LANES, Simd, dispatch_at};
use super::PARALLEL_FROM;

/// From so many rows on, they take the blocked product.
const BLOCKED_FROM: usize = 12;
/// Panels whose chains run side by side at most: one row of one panel would wait for its own sums.
const PANELS: usize = 4;

/// A linear map's weight, packed, and its bias.
pub struct PackedLinear {
    weight: Packed,
    outputs: usize,
    /// To whole vectors.
    bias: Vec<f32>,
}

impl PackedLinear {
    /// Copies and packs weight (out, `inputs`) and bias (out). Panics if the lengths do not fit.
    pub fn new(weight: &[f32], bias: &[f32], inputs: usize) -> Self {
        assert_eq!(
            weight.len(),
            bias.len() * inputs,
            "decode: a weight of {} values is not ({}, {inputs})",
            weight.len(),
            bias.len()
        );
        let weight = View::new(weight, inputs).transposed();
        PackedLinear {
            weight: Packed::kept(weight, inputs, bias.len()),
            outputs: bias.len(),
            bias: padded(bias),
        }
    }

    /// `out` = f(x Wᵀ + b): x (B, in) → (B, out). Panics if x is not whole rows.
    pub fn apply(&self, x: &[f32], f: Nonlinearity, out: &mut Vec<f32>) {
        let (inputs, outputs) = (self.weight.k(), self.outputs);
        let batch = x.len() / inputs;
        assert_eq!(
            batch * inputs,
            x.len(),
            "decode: {} values do not make rows of {inputs}",
            x.len()
        );
        out.resize(batch * outputs, 0.0);
        let (x, out) = (Strided { at: x, row: inputs }, Shared::new(out));
        self.run(x, batch, f, (out, outputs));
        let product = Phase::product(batch, inputs, outputs);
        let floats = batch * inputs + inputs * outputs + batch * outputs;
        cost::report(|| Cost::new("decode.linear", product.work, 4.0 * floats as f64, product));
    }

    /// The same of rows with others' columns between them: from x, `batch` rows, to `out`, whose rows
    /// are `to_row` floats apart.
    fn run(&self, x: Strided, batch: usize, f: Nonlinearity, (out, to_row): (Shared<f32>, usize)) {
        let (inputs, outputs) = (self.weight.k(), self.outputs);
        if batch >= BLOCKED_FROM {
            let epilogue = Epilogue {
                y: out,
                slope: None,
                bias: Some(&self.bias),
                f,
                outputs: to_row,
            };
            multiply_parallel(View::new(x.at, x.row), &self.weight, batch, &epilogue);
        } else {
            let group = |i: usize| {
                let rows = Rows {
                    x,
                    batch,
                    map: self,
                    f,
                    out,
                    to_row,
                    first: i * PANELS,
                };
                dispatch_at(self.weight.level(), rows);
            };
            let tile = tile_shape(self.weight.level());
            let groups = outputs.div_ceil(tile.width() * PANELS);
            parallel::for_each_if(batch * inputs * outputs >= PARALLEL_FROM, groups, group);
        }
    }
}

/// [`super::super::block_linear()`] of few rows: its weight, packed block by block, and its bias.
pub struct PackedBlockLinear {
    blocks: Blocks,
    maps: Vec<PackedLinear>,
}

impl PackedBlockLinear {
    /// Copies and packs weight (`maps`·K·o, i) and bias (`maps`·K·o) of a map of `inputs` = K·i values.
    /// Panics if the lengths do not fit.
    pub fn new(weight: &[f32], bias: &[f32], inputs: usize, maps: usize) -> Self {
        let outputs = bias.len();
        let width = weight.len() / outputs.max(1);
        let blocks = Blocks::diagonal([inputs, outputs, width], maps);
        let blocks = blocks.filter(|_| weight.len() == outputs * width);
        let blocks = blocks.unwrap_or_else(|| {
            panic!(
                "decode: a weight of {} values and {outputs} biases are not ({maps}·K·o, i) and \
                 {maps}·K·o of K·i = {inputs}",
                weight.len()
            )
        });
        let size = blocks.height() * width;
        let parts = weight
            .chunks_exact(size)
            .zip(bias.chunks_exact(blocks.height()));
        let maps = parts.map(|(weight, bias)| PackedLinear::new(weight, bias, width));
        PackedBlockLinear {
            blocks,
            maps: maps.collect(),
        }
    }

    /// `out` = x Wᵀ + b: x (B, K·i) → (B, `maps`·K·o). Panics if x is not whole rows.
    pub fn apply(&self, x: &[f32], out: &mut Vec<f32>) {
        let Blocks {
            inputs, outputs, ..
        } = self.blocks;
        let batch = x.len() / inputs;
        assert_eq!(
            batch * inputs,
            x.len(),
            "decode: {} values do not make rows of {inputs}",
            x.len()
        );
        out.resize(batch * outputs, 0.0);
        if batch == 0 {
            return;
        }
        let shared = Shared::new(out);
        let product = Phase::product(batch, self.blocks.width(), outputs);
        let is_worth = product.work >= 2.0 * PARALLEL_FROM as f64;
        parallel::for_each_if(is_worth, self.maps.len(), |m| {
            let x = Strided {
                at: &x[self.blocks.column(m)..],
                row: inputs,
            };
            // SAFETY: a block begins within the row.
            let to = unsafe { shared.pointer().add(m * self.blocks.height()) };
            let to = (Shared::from_pointer(to), outputs);
            self.maps[m].run(x, batch, Nonlinearity::Identity, to);
        });
        let floats = x.len() + self.blocks.width() * outputs + batch * outputs;
        let bytes = 4.0 * floats as f64;
        cost::report(|| Cost::new("decode.block_linear", product.work, bytes, product));
    }
}

/// Rows of x, `row` floats apart, from the first one's first value on.
#[derive(Clone, Copy)]
struct Strided<'a> {
    at: &'a [f32],
    row: usize,
}

/// [`PANELS`] panels of outputs of every row.
struct Rows<'a> {
    x: Strided<'a>,
    batch: usize,
    map: &'a PackedLinear,
    f: Nonlinearity,
    out: Shared<f32>,
    /// Floats from a row of `out` to the next.
    to_row: usize,
    /// The first panel.
    first: usize,
}

impl Kernel for Rows<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let batch = self.batch;
        let width = LANES * S::TILE_VECTORS;
        let outputs = self.map.outputs;
        let panels = self.first..(self.first + PANELS).min(outputs.div_ceil(width));
        // Panels of a whole tile's vectors.
        let whole = panels.end.min(outputs / width);
        let mut row = 0;
        while row < batch {
            let rows = match batch - row {
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            let mut panel = panels.start;
            while panel < panels.end {
                let vectors = (outputs - panel * width).min(width).div_ceil(LANES);
                let beside = whole.saturating_sub(panel);
                panel += match (rows, vectors) {
                    (4, 4) if const { S::TILE_VECTORS >= 4 } => {
                        self.tile::<S, 4, 4, 1>(s, row, panel)
                    }
                    (4, 3) if const { S::TILE_VECTORS >= 4 } => {
                        self.tile::<S, 4, 3, 1>(s, row, panel)
                    }
                    (4, 2) if const { S::TILE_VECTORS >= 4 } => {
                        self.tile::<S, 4, 2, 1>(s, row, panel)
                    }
                    (4, _) => self.tile::<S, 4, 1, 1>(s, row, panel),
                    (2, 4) if const { S::TILE_VECTORS >= 4 } => match beside {
                        2.. => self.tile::<S, 2, 4, 2>(s, row, panel),
                        _ => self.tile::<S, 2, 4, 1>(s, row, panel),
                    },
                    (2, 3) if const { S::TILE_VECTORS >= 4 } => {
                        self.tile::<S, 2, 3, 1>(s, row, panel)
                    }
                    (2, 2) if const { S::TILE_VECTORS >= 4 } => {
                        self.tile::<S, 2, 2, 1>(s, row, panel)
                    }
                    (2, _) if const { S::TILE_VECTORS == 1 } && beside >= 2 => {
                        self.tile::<S, 2, 1, 2>(s, row, panel)
                    }
                    (2, _) => self.tile::<S, 2, 1, 1>(s, row, panel),
                    (_, 4) if const { S::TILE_VECTORS >= 4 } => match beside {
                        2.. => self.tile::<S, 1, 4, 2>(s, row, panel),
                        _ => self.tile::<S, 1, 4, 1>(s, row, panel),
                    },
                    (_, 3) if const { S::TILE_VECTORS >= 4 } => {
                        self.tile::<S, 1, 3, 1>(s, row, panel)
                    }
                    (_, 2) if const { S::TILE_VECTORS >= 4 } => {
                        self.tile::<S, 1, 2, 1>(s, row, panel)
                    }
                    _ if const { S::TILE_VECTORS == 1 } && beside >= 2 => match beside {
                        4.. => self.tile::<S, 1, 1, 4>(s, row, panel),
                        _ => self.tile::<S, 1, 1, 2>(s, row, panel),
                    },
                    _ => self.tile::<S, 1, 1, 1>(s, row, panel),
                };
            }
            row += rows;
        }
    }
}

impl Rows<'_> {
    /// Makes an output of the sum of vector `v` of a panel of a row.
    #[inline(always)]
    fn finish<S: Simd>(&self, s: S, row: usize, panel: usize, v: usize, sum: S::F32) {
        let column = (panel * S::TILE_VECTORS + v) * LANES;
        let y = self.f.of(s, sum);
        let end = (column + LANES).min(self.map.outputs);
        let start = row * self.to_row;
        // SAFETY: these outputs of this row belong to this panel alone.
        let out = unsafe { self.out.slice(start + column..start + end) };
        s.write_at(out, 0, y);
    }

    /// R rows of x times P panels of V vectors of outputs, a chain each. Returns P.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize, const P: usize>(
        &self,
        s: S,
        row: usize,
        panel: usize,
    ) -> usize {
        let Strided { at, row: stride } = self.x;
        let x = &at[row * stride..][..(R - 1) * stride + self.map.weight.k()];
        let mut totals = [[[s.zero(); V]; R]; P];
        for (block, values) in self.map.weight.beside(panel, P) {
            let size = block.len() * V * LANES; // of a panel
            assert!(values.len() >= P * size);
            let mut sums = [[[s.zero(); V]; R]; P];
            if block.start == 0 {
                for p in 0..P {
                    for v in 0..V {
                        let column = ((panel + p) * S::TILE_VECTORS + v) * LANES;
                        let bias = s.read(&self.map.bias[column..]);
                        for r in 0..R {
                            sums[p][r][v] = bias;
                        }
                    }
                }
            }
            // SAFETY: k stays within the block, for which x and the panels have values.
            unsafe {
                let x = x.as_ptr().add(block.start);
                for k in 0..block.len() {
                    for p in 0..P {
                        let w = values.as_ptr().add(p * size + k * V * LANES);
                        add_product(s, x.add(k), stride, w, &mut sums[p]);
                    }
                }
            }
            for p in 0..P {
                for r in 0..R {
                    for v in 0..V {
                        totals[p][r][v] = match block.start {
                            0 => sums[p][r][v],
                            _ => s.add(totals[p][r][v], sums[p][r][v]),
                        };
                    }
                }
            }
        }
        for (p, totals) in totals.iter().enumerate() {
            for (r, totals) in totals.iter().enumerate() {
                for (v, &sum) in totals.iter().enumerate() {
                    self.finish(s, row + r, panel + p, v, sum);
                }
            }
        }
        P
    }
}

/// sums += R values, `stride` floats apart from `x` on, times V vectors from `w` on.
/// # Safety
/// All of them can be read.
#[inline(always)]
pub(super) unsafe fn add_product<S: Simd, const R: usize, const V: usize>(
    s: S,
    x: *const f32,
    stride: usize,
    w: *const f32,
    sums: &mut [[S::F32; V]; R],
) {
    for v in 0..V {
        // SAFETY: by contract.
        unsafe {
            let w = s.load(w.add(v * LANES));
            for r in 0..R {
                sums[r][v] = s.fma(s.splat(*x.add(r * stride)), w, sums[r][v]);
            }
        }
    }
}
