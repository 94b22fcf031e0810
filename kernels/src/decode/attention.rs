//! The attention of new tokens over a cache of keys and values: the same shape and kinds as
//! [`attention`](super::super::attention()) has for whole sequences.

use super::super::attention::{AttentionPositions, AttentionShape, Rotary, attend, slopes};
use super::super::cost::{self, Cost, Phase, depth, levels};
use super::super::parallel::{self, Shared, scratch};
use super::super::simd::{dispatch_at, level};
use super::PARALLEL_FROM;
use super::cache::Layout;
use super::head::Head;

/// From so many new tokens of a sequence on, their scores are products of matrices, and the cache
/// is unpacked for these.
const PRODUCT_FROM: usize = 8;

/// New tokens attend to themselves and to those before them: qkv (B·n, (H + 2·`kv_heads`)·dh) of the
/// n = `shape.queries` tokens after the `shape.offset` that `cache` holds (empty if none);
/// `shape.keys` is their sum. Appends their keys and values to the cache and writes (B·n, H·dh) to
/// `out`. Panics if the lengths do not fit.
pub fn attention(qkv: &[f32], shape: AttentionShape, cache: &mut Vec<f32>, out: &mut Vec<f32>) {
    let AttentionShape {
        batch,
        queries,
        keys,
        offset,
        kv_heads,
        ..
    } = shape;
    let columns = qkv.len() / (batch * queries).max(1);
    let dh = shape.head_width(columns, shape.packed_heads());
    let layout = layout(shape, dh);
    assert!(
        qkv.len() == batch * queries * columns
            && keys == offset + queries
            && cache.len() == layout.floats(offset),
        "decode::attention: {} values, {} cached do not fit {shape:?}",
        qkv.len(),
        cache.len()
    );
    layout.grow(cache, keys);
    let (width, kv_width) = (shape.heads * dh, kv_heads * dh);
    let kv = qkv.chunks_exact(columns.max(1));
    store(shape, layout, offset, kv.map(|row| &row[width..]), cache);
    let mut q = scratch(batch * queries * width);
    for (q, row) in q
        .chunks_exact_mut(width.max(1))
        .zip(qkv.chunks_exact(width + 2 * kv_width))
    {
        q.copy_from_slice(&row[..width]);
    }
    run(shape, None, layout, (&mut q, cache), out);
}

/// Puts the keys and values of a source into an empty cache: kv (B·Tk, 2·`kv_heads`·dh), k and v
/// side by side. Panics if the lengths do not fit.
pub fn cache_source(kv: &[f32], shape: AttentionShape, cache: &mut Vec<f32>) {
    let columns = kv.len() / (shape.batch * shape.keys).max(1);
    let dh = shape.head_width(columns, 2 * shape.kv_heads);
    let layout = layout(shape, dh);
    assert!(
        kv.len() == shape.batch * shape.keys * columns && cache.is_empty(),
        "decode::cache_source: {} values, {} cached do not fit {shape:?}",
        kv.len(),
        cache.len()
    );
    layout.grow(cache, shape.keys);
    // All of them are new.
    let all = AttentionShape {
        queries: shape.keys,
        ..shape
    };
    store(all, layout, 0, kv.chunks_exact(columns.max(1)), cache);
}

/// New tokens attend to a source that [`cache_source`] has put into `cache`: q (B·n, H·dh) of
/// n = `shape.queries` tokens at place `shape.offset`; of sequence b the first `lengths`\[b\] keys
/// count. Writes (B·n, H·dh) to `out`. Panics if the lengths do not fit.
pub fn cross_attention(
    q: &[f32],
    shape: AttentionShape,
    lengths: Option<&[usize]>,
    cache: &[f32],
    out: &mut Vec<f32>,
) {
    let columns = q.len() / (shape.batch * shape.queries).max(1);
    let dh = shape.head_width(columns, shape.heads);
    let layout = layout(shape, dh);
    shape.check_lengths(lengths);
    assert!(
        q.len() == shape.batch * shape.queries * columns
            && cache.len() == layout.floats(shape.keys),
        "decode::cross_attention: {} values, {} cached do not fit {shape:?}",
        q.len(),
        cache.len()
    );
    let mut own = scratch(q.len());
    own.copy_from_slice(q);
    run(shape, lengths, layout, (&mut own, cache), out);
}

fn layout(shape: AttentionShape, dh: usize) -> Layout {
    Layout {
        heads: shape.batch * shape.kv_heads,
        dh,
    }
}

/// Stores k, turned, and v of the tokens from `first` on; rows hold them side by side.
fn store<'a>(
    shape: AttentionShape,
    layout: Layout,
    first: usize,
    rows: impl Iterator<Item = &'a [f32]>,
    cache: &mut [f32],
) {
    let (dh, heads) = (layout.dh, shape.kv_heads);
    let table = Rotary::of(shape.positions, dh, first + shape.queries);
    let mut key = scratch(dh);
    for (i, row) in rows.enumerate() {
        let (b, position) = (i / shape.queries, first + i % shape.queries);
        let (k, v) = row.split_at(heads * dh);
        for h in 0..heads {
            key.copy_from_slice(&k[h * dh..][..dh]);
            if let Some(table) = &table {
                table.turn(&mut key, position);
            }
            layout.store(cache, b * heads + h, position, &key, &v[h * dh..][..dh]);
        }
    }
}

/// The attention of q (B·n, H·dh), which it turns and scales, over the cache.
fn run(
    shape: AttentionShape,
    lengths: Option<&[usize]>,
    layout: Layout,
    (q, cache): (&mut [f32], &[f32]),
    out: &mut Vec<f32>,
) {
    let AttentionShape {
        batch,
        queries,
        keys,
        heads,
        offset,
        ..
    } = shape;
    let dh = layout.dh;
    out.resize(batch * queries * heads * dh, 0.0);
    if let Some(table) = Rotary::of(shape.positions, dh, offset + queries) {
        for (i, q) in q.chunks_exact_mut(dh.max(1)).enumerate() {
            table.turn(q, offset + i / heads % queries);
        }
    }
    let len = |b: usize| lengths.map_or(keys, |lengths| lengths[b]);
    let pairs: usize = (0..batch * queries)
        .map(|row| shape.sees(row % queries, len(row / queries)).len())
        .sum();
    let by_product = queries >= PRODUCT_FROM;
    if by_product {
        product(shape, lengths, layout, (q, cache), out);
    } else {
        let scale = 1.0 / (dh as f32).sqrt();
        q.iter_mut().for_each(|q| *q *= scale);
        let slopes = (shape.positions == AttentionPositions::Alibi).then(|| slopes(heads));
        let (level, shared, q) = (level(), Shared::new(out), &*q);
        let head = |i: usize| {
            let (row, h) = (i / heads, i % heads);
            let (b, query) = (row / queries, row % queries);
            let own = i * dh..(i + 1) * dh;
            let kv_head = b * shape.kv_heads + h / shape.group();
            let head = Head {
                layout,
                q: &q[own.clone()],
                cache: cache.get(kv_head * layout.head()..).unwrap_or_default(),
                sees: shape.sees(query, len(b)),
                soft_cap: shape.soft_cap,
                slope: slopes.as_ref().map(|slopes| (slopes[h], offset + query)),
                // SAFETY: one head's part of one row.
                out: unsafe { shared.slice(own) },
            };
            dispatch_at(level, head);
        };
        let is_worth = pairs * heads * dh >= PARALLEL_FROM;
        parallel::for_each_if(is_worth, batch * queries * heads, head);
    }
    // Keys and values are read for every query, or unpacked and read for all.
    let read = if by_product { batch * keys } else { pairs } * shape.kv_heads * dh;
    let products = 4.0 * (pairs * heads * dh) as f64;
    let span = depth(dh) + 2.0 * levels(keys) + depth(keys);
    let phase = Phase::new(products, span);
    cost::report(|| Cost::new("decode.attention", products, 8.0 * read as f64, phase));
}

/// The whole-sequence attention over the unpacked cache, whose keys are turned already.
fn product(
    shape: AttentionShape,
    lengths: Option<&[usize]>,
    layout: Layout,
    (q, cache): (&[f32], &[f32]),
    out: &mut [f32],
) {
    let (dh, heads) = (layout.dh, shape.kv_heads);
    let mut kv = scratch(shape.batch * shape.keys * 2 * heads * dh);
    for (row, kv) in kv.chunks_exact_mut((2 * heads * dh).max(1)).enumerate() {
        let (b, position) = (row / shape.keys, row % shape.keys);
        let (k, v) = kv.split_at_mut(heads * dh);
        for h in 0..heads {
            let own = h * dh..(h + 1) * dh;
            let (k, v) = (&mut k[own.clone()], &mut v[own]);
            layout.load(cache, b * heads + h, position, k, v);
        }
    }
    let turned = AttentionShape {
        positions: match shape.positions {
            AttentionPositions::Rotary { .. } => AttentionPositions::None,
            other => other,
        },
        ..shape
    };
    attend(turned, lengths, (q, &kv), out);
}
