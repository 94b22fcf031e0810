//! How one attention is cut into pieces, and where they find their rows.

use super::super::parallel;
use super::super::simd::{LANES, Level, Simd, level};
use super::pack::Rows;
use super::{AttentionMask, AttentionPositions, AttentionShape, Rotary, bias, slopes};
use std::ops::Range;
use std::sync::Arc;

/// Rows of scores that exist at a time; a multiple of every tile's rows.
pub const ROWS: usize = 48;
/// Keys are taken from a multiple of this on: the widest panel of any level, so that sums over keys are
/// cut alike at every level.
const SPAN: usize = 64;
/// Most values of one head of k that are brought near before its turn: k and v of so many fill half of
/// a small second-level cache.
const NEAR: usize = 1 << 15;
/// Matrices of fewer values than this are near anyway.
const FAR: usize = 1 << 17;
/// With fewer pieces than this, heads are cut into blocks of rows, of at least [`PIECE_ROWS`].
const PIECES: usize = 16;
const PIECE_ROWS: usize = 384;

/// Where the heads of q, k or v lie in the rows of a matrix.
#[derive(Clone, Copy)]
struct Part {
    /// Floats from a row to the next.
    row: usize,
    /// Where the first head starts in a row.
    start: usize,
}

/// One call's sizes and what its pieces share.
pub struct Plan {
    pub shape: AttentionShape,
    /// Keys that count in each sequence; without, all do.
    lengths: Option<Vec<usize>>,
    /// Width of a head.
    pub dh: usize,
    /// Rows a piece takes of one head: cut by the data's size alone.
    rows: usize,
    rotary: Option<Arc<Rotary>>,
    /// A slope a head, with ALiBi.
    slopes: Option<Vec<f32>>,
    pub level: Level,
    /// q, k and v.
    parts: [Part; 3],
    /// Whether rows are brought near before their turn: a head's are not where the hardware looks
    /// ahead. Not where a head is so long that it would push out what a piece uses.
    pub prefetches: bool,
}

/// The matrices that hold q, and k and v: one and the same if they are packed.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub q: &'a [f32],
    pub kv: &'a [f32],
}

/// A part of one head: these rows of its scores.
pub struct Piece {
    pub batch: usize,
    pub head: usize,
    /// Queries.
    pub rows: Range<usize>,
    /// Keys that count in its sequence.
    pub len: usize,
}

impl Plan {
    /// q, k and v side by side in one matrix, `dh` the width of a head.
    pub fn packed(shape: AttentionShape, lengths: Option<&[usize]>, dh: usize) -> Self {
        let row = shape.packed_heads() * dh;
        let [k, v] = [shape.heads, shape.heads + shape.kv_heads].map(|heads| heads * dh);
        let parts = [0, k, v].map(|start| Part { row, start });
        Plan::new(shape, lengths, dh, parts)
    }

    /// q in one matrix, k and v side by side in another.
    pub fn separate(shape: AttentionShape, lengths: Option<&[usize]>, dh: usize) -> Self {
        let (row, start) = (shape.heads * dh, 0);
        let kv = |start| Part {
            row: 2 * shape.kv_heads * dh,
            start,
        };
        let parts = [Part { row, start }, kv(0), kv(shape.kv_heads * dh)];
        Plan::new(shape, lengths, dh, parts)
    }

    fn new(shape: AttentionShape, lengths: Option<&[usize]>, dh: usize, parts: [Part; 3]) -> Self {
        shape.check_lengths(lengths);
        let AttentionShape {
            batch,
            queries,
            heads,
            ..
        } = shape;
        let cuts = PIECES
            .div_ceil((batch * heads).max(1))
            .min(queries / PIECE_ROWS)
            .max(1);
        let places = shape.keys.max(shape.offset + queries);
        Plan {
            shape,
            lengths: lengths.map(<[usize]>::to_vec),
            dh,
            rows: queries.div_ceil(cuts).next_multiple_of(ROWS),
            rotary: Rotary::of(shape.positions, dh, places),
            slopes: (shape.positions == AttentionPositions::Alibi).then(|| slopes(heads)),
            level: level(),
            parts,
            prefetches: shape.keys.max(queries) * dh <= NEAR && batch * queries * heads * dh >= FAR,
        }
    }

    /// Values in a row of y.
    pub fn width(&self) -> usize {
        self.dh * self.shape.heads
    }

    pub fn pieces_per_head(&self) -> usize {
        self.shape.queries.div_ceil(self.rows.max(1))
    }

    pub fn pieces(&self) -> usize {
        self.shape.batch * self.shape.heads * self.pieces_per_head()
    }

    /// Pieces of one head follow each other, the last rows first: of a causal head they see most.
    pub fn piece(&self, i: usize) -> Piece {
        let cuts = self.pieces_per_head();
        let (head, cut) = (i / cuts, cuts - 1 - i % cuts);
        let batch = head / self.shape.heads;
        Piece {
            batch,
            head: head % self.shape.heads,
            rows: parallel::piece(self.shape.queries, self.rows, cut),
            len: self.len(batch),
        }
    }

    /// Keys that count in a sequence.
    fn len(&self, batch: usize) -> usize {
        self.lengths.as_ref().map_or(self.shape.keys, |l| l[batch])
    }

    /// The keys that row `i` of a piece sees.
    pub fn sees(&self, piece: &Piece, i: usize) -> Range<usize> {
        self.shape.sees(i, piece.len)
    }

    /// The keys that any of these rows (at least one) sees, from a multiple of [`SPAN`] on.
    pub fn span(&self, piece: &Piece, rows: Range<usize>) -> Range<usize> {
        let start = self.sees(piece, rows.start).start / SPAN * SPAN;
        start..self.sees(piece, rows.end - 1).end
    }

    /// Of `count` rows from `first` on, those that see one of the `n` keys of a panel from `column`
    /// on, with the vectors of it that hold all they see: (rows, vectors), of other rows nothing.
    pub fn bands(
        &self,
        first: usize,
        count: usize,
        column: usize,
        n: usize,
    ) -> impl Iterator<Item = (Range<usize>, usize)> {
        let (all, mask) = (n.div_ceil(LANES), self.shape.mask);
        let place = self.shape.offset + first;
        (1..=all).filter_map(move |vectors| {
            if mask == AttentionMask::All {
                return (vectors == all).then_some((0..count, all));
            }
            // Rows before the first that sees past so many vectors.
            let row = |vectors: usize| (column + vectors * LANES).saturating_sub(place).min(count);
            let end = if vectors == all { count } else { row(vectors) };
            // Rows whose window has left the panel behind.
            let end = end.min(rows_seeing(mask, place, column + n));
            let rows = row(vectors - 1)..end;
            (!rows.is_empty()).then_some((rows, vectors))
        })
    }

    /// Of the `count` rows from `first` on, those that see any of these keys.
    pub fn rows_that_see(&self, first: usize, count: usize, keys: Range<usize>) -> Range<usize> {
        let place = self.shape.offset + first;
        if self.shape.mask == AttentionMask::All {
            return 0..count;
        }
        let end = count.min(rows_seeing(self.shape.mask, place, keys.end));
        keys.start.saturating_sub(place).min(end)..end
    }

    /// Lowers the scores that row `i` of a head has for the keys from `first` on, with ALiBi.
    pub fn bias(&self, piece: &Piece, i: usize, first: usize, scores: &mut [f32]) {
        if let Some(slopes) = &self.slopes {
            let place = self.shape.offset + i;
            bias(self.level, scores, slopes[piece.head], place, first);
        }
    }

    pub fn scale(&self) -> f32 {
        1.0 / (self.dh as f32).sqrt()
    }

    /// Floats from a row of q (0), k (1) or v (2) of a head to the next.
    pub fn stride(&self, which: usize) -> usize {
        self.parts[which].row
    }

    /// Where row `t` of q (0), k (1) or v (2) of a head starts.
    pub fn at(&self, piece: &Piece, which: usize, t: usize) -> usize {
        let Part { row, start } = self.parts[which];
        let (rows, head) = match which {
            0 => (self.shape.queries, piece.head),
            _ => (self.shape.keys, piece.head / self.shape.group()),
        };
        (piece.batch * rows + t) * row + start + head * self.dh
    }

    /// Where row `i` of a head starts in y, and its place in the norms (B·Tq, H, 2).
    pub fn at_output(&self, piece: &Piece, i: usize) -> (usize, usize) {
        let row = piece.batch * self.shape.queries + i;
        let place = row * self.shape.heads + piece.head;
        (row * self.width() + piece.head * self.dh, 2 * place)
    }

    /// The table that turns row `t` of q (0) or k (1), and the position it is turned by.
    pub fn turn(&self, which: usize, t: usize) -> Option<(&Rotary, usize)> {
        let position = match which {
            0 => self.shape.offset + t,
            1 => t,
            _ => return None,
        };
        self.rotary.as_deref().map(|rotary| (rotary, position))
    }

    /// Whether rows of q (0), k (1) or v (2) are turned by their position.
    pub fn turns(&self, which: usize) -> bool {
        self.turn(which, 0).is_some()
    }

    /// Rows `range` of q (0), k (1) or v (2) of a head, where they lie; where they are turned, in
    /// `turned`, which is as long as they are.
    pub fn rows<'a>(
        &self,
        piece: &Piece,
        which: usize,
        range: Range<usize>,
        from: Sources<'a>,
        turned: &'a mut [f32],
    ) -> Rows<'a> {
        let (d, from) = (self.dh, if which == 0 { from.q } else { from.kv });
        let own = Rows {
            values: from
                .get(self.at(piece, which, range.start)..)
                .unwrap_or_default(),
            stride: self.parts[which].row,
            d,
        };
        if !self.turns(which) {
            return own;
        }
        for (i, t) in range.enumerate() {
            let out = &mut turned[i * d..(i + 1) * d];
            out.copy_from_slice(own.row(i));
            if let Some((rotary, position)) = self.turn(which, t) {
                rotary.turn(out, position);
            }
        }
        Rows {
            values: turned,
            stride: d,
            d,
        }
    }

    /// Dense rows `range` of q, turned and scaled.
    #[inline(always)]
    pub fn queries<S: Simd>(
        &self,
        s: S,
        piece: &Piece,
        range: Range<usize>,
        from: Sources,
        out: &mut [f32],
    ) {
        let scale = s.splat(self.scale());
        let start = self.at(piece, 0, range.start);
        for (i, t) in range.enumerate() {
            let row = &from.q[start + i * self.parts[0].row..][..self.dh];
            let out = &mut out[i * self.dh..(i + 1) * self.dh];
            if let Some((rotary, position)) = self.turn(0, t) {
                out.copy_from_slice(row);
                rotary.turn(out, position);
                out.iter_mut().for_each(|q| *q *= self.scale());
                continue;
            }
            for j in (0..self.dh).step_by(LANES) {
                s.write_at(out, j, s.mul(s.read_at(row, j), scale));
            }
        }
    }

    /// Pairs of query and key that one head of all sequences sees, and the most keys of a query.
    pub fn pairs(&self) -> (f64, usize) {
        let (mut pairs, mut most) = (0, 0);
        for batch in 0..self.shape.batch {
            for i in 0..self.shape.queries {
                let seen = self.shape.sees(i, self.len(batch)).len();
                (pairs, most) = (pairs + seen, most.max(seen));
            }
        }
        (pairs as f64, most)
    }
}

/// How many rows, the first of them at `place` among the keys, see a key before `end`.
fn rows_seeing(mask: AttentionMask, place: usize, end: usize) -> usize {
    match mask {
        AttentionMask::Window(n) => end.saturating_add(n).saturating_sub(place + 1),
        _ => usize::MAX,
    }
}
