//! Threads, and how work is cut for them so that no result depends on their number.
//!
//! Work is cut into pieces whose size depends on the data alone; a piece writes only what is its
//! own, and partial sums are added in the order of the pieces.

use super::{cost, simd};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

// Idle pools by number of threads. A caller owns its pool while it works: two drivers in one pool
// would run each other's pieces, and a pool of one thread would serialise them.
static IDLE_POOLS: Mutex<BTreeMap<usize, Vec<ThreadPool>>> = Mutex::new(BTreeMap::new());

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` with exactly `threads` (at least one) threads for the operations in it.
///
/// Costs reported inside are seen by [`cost::counting`] outside.
pub fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let threads = threads.max(1);
    if INSIDE.get() && rayon::current_num_threads() == threads {
        return work();
    }
    let idle = IDLE_POOLS
        .lock()
        .expect("no panic while held")
        .get_mut(&threads)
        .and_then(Vec::pop);
    let pool = idle.unwrap_or_else(|| {
        ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("seqduel-{i}"))
            .build()
            .unwrap_or_else(|e| panic!("cannot start {threads} threads: {e}"))
    });
    let (level, counting) = (simd::forced(), cost::is_counting());
    let (result, costs) = pool.install(|| {
        INSIDE.set(true);
        let result = simd::with_forced(level, || {
            if counting {
                cost::counting(work)
            } else {
                (work(), Vec::new())
            }
        });
        INSIDE.set(false);
        result
    });
    for reported in costs {
        cost::report(|| reported);
    }
    let mut pools = IDLE_POOLS.lock().expect("no panic while held");
    pools.entry(threads).or_default().push(pool);
    result
}

/// Number of threads that operations called here use.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Calls `work` once for every index below `count`, on all threads, in no particular order.
pub fn for_each(count: usize, work: impl Fn(usize) + Sync) {
    let workers = threads().min(count);
    if workers <= 1 {
        (0..count).for_each(work);
        return;
    }
    let next = AtomicUsize::new(0);
    // Whoever is awake takes the next piece: a worker that wakes late costs nothing but its share.
    let drain = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                break;
            }
            work(i);
        }
    };
    fan_out(workers, &drain);
}

fn fan_out(workers: usize, drain: &(impl Fn() + Sync)) {
    if workers <= 1 {
        drain();
    } else {
        rayon::join(
            || fan_out(workers / 2, drain),
            || fan_out(workers - workers / 2, drain),
        );
    }
}

/// [`for_each`] that collects results by index.
pub fn map<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let mut out: Vec<Option<R>> = (0..count).map(|_| None).collect();
    for_each_chunk(&mut out, 1, |i, slot| slot[0] = Some(work(i)));
    out.into_iter()
        .map(|r| r.expect("every index ran"))
        .collect()
}

/// Calls `work(i, chunk)` for the chunks of `chunk` elements (the last may be shorter) of a slice.
pub fn for_each_chunk<T: Send>(
    values: &mut [T],
    chunk: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let len = values.len();
    let shared = Shared(values.as_mut_ptr());
    for_each(len.div_ceil(chunk.max(1)), |i| {
        let range = i * chunk..((i + 1) * chunk).min(len);
        // SAFETY: ranges of different pieces do not overlap and lie within the slice.
        work(i, unsafe { shared.slice(range) });
    });
}

/// The range of piece `i` when `len` things are cut into pieces of `piece`.
pub fn piece(len: usize, piece: usize, i: usize) -> Range<usize> {
    (i * piece).min(len)..((i + 1) * piece).min(len)
}

/// A pointer that pieces of one operation share, each for a part of its own.
pub struct Shared<T>(*mut T);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Shared<T> {}
// SAFETY: only moves the address; every use is an unsafe method with its own contract.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Shares a slice.
    pub fn new(values: &mut [T]) -> Self {
        Shared(values.as_mut_ptr())
    }
    /// The pointer.
    pub fn pointer(self) -> *mut T {
        self.0
    }
    /// A part of the slice.
    /// # Safety
    /// The range lies within the slice, which outlives `'a`, and nobody else uses that part.
    pub unsafe fn slice<'a>(self, range: Range<usize>) -> &'a mut [T] {
        // SAFETY: by contract.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
}

/// A new vector of `len` floats that `write` fills, without zeroing it first.
/// # Safety
/// `write` writes every element and reads none that it has not written.
pub unsafe fn filled(len: usize, write: impl FnOnce(Shared<f32>)) -> Vec<f32> {
    let mut out = Vec::with_capacity(len);
    write(Shared(out.as_mut_ptr()));
    // SAFETY: the capacity is len, and every element is written by contract.
    unsafe { out.set_len(len) };
    out
}

/// Working memory with arbitrary contents, aligned to 64 bytes; goes back to its thread for the
/// next use, so that steps after the first allocate nothing.
pub struct Scratch {
    buffer: Vec<f32>,
    start: usize,
    len: usize,
}

thread_local! {
    static SPARE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

// Buffers a thread keeps: more than any operation has open at once.
const SPARE_BUFFERS: usize = 8;

/// Takes working memory of `len` floats.
pub fn scratch(len: usize) -> Scratch {
    let needed = len + 16;
    let mut buffer = SPARE.with_borrow_mut(|spare| {
        // The smallest that fits, else the largest, to grow.
        let fits = (0..spare.len()).filter(|&i| spare[i].len() >= needed);
        let best = fits.min_by_key(|&i| spare[i].len());
        let best = best.or_else(|| (0..spare.len()).max_by_key(|&i| spare[i].len()));
        best.map_or(Vec::new(), |i| spare.swap_remove(i))
    });
    if buffer.len() < needed {
        buffer = vec![0.0; needed];
    }
    let start = buffer.as_ptr().align_offset(64).min(16);
    Scratch { buffer, start, len }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_BUFFERS {
                spare.push(buffer);
            }
        });
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.buffer[self.start..self.start + self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_as_many_as_asked_and_every_piece_runs_once() {
        for n in [1, 2, 3] {
            let (threads, seen) = with_threads(n, || {
                let inner = with_threads(n, threads);
                (inner, map(100, |i| i * i))
            });
            assert_eq!(threads, n);
            assert_eq!(seen, (0..100).map(|i| i * i).collect::<Vec<_>>());
        }
        let mut values = vec![0; 10];
        with_threads(2, || {
            for_each_chunk(&mut values, 4, |i, chunk| chunk.fill(i))
        });
        assert_eq!(values, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]);
    }

    #[test]
    fn costs_cross_into_the_pool() {
        let cost = || cost::Cost {
            name: "x",
            flops: 1.0,
            bytes: 0.0,
            span: 1.0,
        };
        let ((), costs) = cost::counting(|| with_threads(2, || cost::report(cost)));
        assert_eq!(costs, [cost()]);
    }

    #[test]
    fn scratch_is_reused_and_aligned() {
        let first = scratch(1000);
        let address = first.as_ptr();
        assert_eq!(address.align_offset(64), 0);
        assert_eq!(first.len(), 1000);
        drop(first);
        assert_eq!(scratch(1000).as_ptr(), address);
    }
}
