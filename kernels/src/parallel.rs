//! Threads, and how work is cut for them so that no result depends on their number.
//!
//! Work is cut into pieces whose size depends on the data alone; a piece writes only what is its
//! own, and partial sums are added in the order of the pieces.

#[cfg(test)]
mod cutting;
mod scratch;
mod team;
#[cfg(test)]
mod tests;
mod trace;

pub(crate) use scratch::{Scratch, scratch};
pub use team::SPIN;
pub(crate) use trace::divisible;
pub use trace::{Cut, Region, traced};

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use team::Team;

// Idle teams by number of threads. A driver owns its team while it works, so that drivers side by
// side do not wait for each other.
static IDLE_TEAMS: Mutex<BTreeMap<usize, Vec<Arc<Team>>>> = Mutex::new(BTreeMap::new());

/// Who works for the current thread.
#[derive(Clone, Default)]
struct Context {
    /// Threads asked for; 0 where nobody asked yet.
    threads: usize,
    /// The team, where there is more than this thread and it is not in a region already.
    team: Option<Arc<Team>>,
}

thread_local! {
    static CONTEXT: RefCell<Context> = const { RefCell::new(Context { threads: 0, team: None }) };
}

/// Puts a context in place until it is dropped; then a team that was borrowed goes back.
struct Inside {
    outer: Context,
    borrowed: Option<Arc<Team>>,
}

impl Inside {
    fn new(context: Context) -> Self {
        Inside {
            outer: CONTEXT.replace(context),
            borrowed: None,
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        CONTEXT.set(std::mem::take(&mut self.outer));
        if let Some(team) = self.borrowed.take() {
            let mut idle = IDLE_TEAMS.lock().unwrap_or_else(PoisonError::into_inner);
            idle.entry(team.threads()).or_default().push(team);
        }
    }
}

/// Runs `work` here, with `threads` (at least one) threads, this one included, for the operations in
/// it.
///
/// Work is shared out for so many threads, but no more of them run than there are cores: threads that
/// wait on each other's cores only slow each other down.
pub fn with_threads<R>(threads: usize, work: impl FnOnce() -> R) -> R {
    let threads = threads.max(1);
    if CONTEXT.with_borrow(|c| c.threads) == threads {
        return work();
    }
    let size = team_size(threads);
    let team = (size > 1).then(|| {
        let mut idle = IDLE_TEAMS.lock().unwrap_or_else(PoisonError::into_inner);
        idle.get_mut(&size)
            .and_then(Vec::pop)
            .unwrap_or_else(|| Arc::new(Team::new(size)))
    });
    let mut inside = Inside::new(Context {
        threads,
        team: team.clone(),
    });
    inside.borrowed = team;
    work()
}

/// [`with_threads`] on threads of their own that end afterwards: their working memory starts empty
/// and is given back.
pub fn with_new_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let run = || {
        let size = team_size(threads);
        let team = (size > 1).then(|| Arc::new(Team::new(size)));
        let _inside = Inside::new(Context {
            threads: threads.max(1),
            team,
        });
        work()
    };
    let joined = std::thread::scope(|scope| scope.spawn(run).join());
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Threads that run where `threads` are asked for.
fn team_size(threads: usize) -> usize {
    threads.min(cores())
}

/// Cores that this process may use: those it is bound to, or what its control group grants.
fn cores() -> usize {
    // Asked once: it reads files.
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Number of threads that operations called here use: as many as [`with_threads`] says around this
/// call, else one a core.
pub fn threads() -> usize {
    match CONTEXT.with_borrow(|c| c.threads) {
        0 => cores(),
        threads => threads,
    }
}

/// Calls `work` once for every index below `count`, on all threads, in no particular order. Inside
/// another region, on this thread alone.
///
/// Each thread begins with its own share of neighbouring indices: where operations cut their rows
/// alike, a thread mostly reads what it has written itself, from its own cache. Cores need not have
/// one in common: reading what another core wrote can be several times as slow.
pub fn for_each(count: usize, work: impl Fn(usize) + Sync) {
    share_out(count, &work);
}

/// [`for_each`], compiled once for all its callers.
fn share_out(count: usize, work: &(dyn Fn(usize) + Sync)) {
    if count <= 1 {
        (0..count).for_each(work);
        return;
    }
    let context = CONTEXT.take();
    if context.threads == 0 {
        return with_threads(threads(), || share_out(count, work));
    }
    let threads = context.threads;
    let Some(team) = &context.team else {
        CONTEXT.set(context);
        return match threads {
            1 => trace::run(count, work),
            _ => (0..count).for_each(work),
        };
    };
    #[cfg(test)]
    cutting::note(count);
    let size = team.threads();
    let shares: Vec<_> = (0..size).map(|t| Share::new(count, size, t)).collect();
    let drain = |own: usize| {
        // A worker is in a region whenever it works: what it starts stays on its own thread.
        if own > 0 {
            CONTEXT.set(Context {
                threads,
                team: None,
            });
        }
        // Then what others have not come to: a worker that wakes late costs nothing but its share.
        for other in 0..size {
            let share = &shares[(own + other) % size];
            while let Some(i) = share.next() {
                work(i);
            }
        }
    };
    // The team is busy until the region ends.
    let _region = Inside {
        outer: context.clone(),
        borrowed: None,
    };
    CONTEXT.set(Context {
        threads,
        team: None,
    });
    // SAFETY: the context above hides the team from whatever runs inside, and a team belongs to
    // the context of one thread.
    unsafe { team.run(&drain) };
}

/// [`for_each`], on this thread alone unless it is worth sharing out: small work is done before
/// another core has fetched what it reads, and this core then has to fetch the result.
pub(crate) fn for_each_if(is_worth: bool, count: usize, work: impl Fn(usize) + Sync) {
    match is_worth {
        true => for_each(count, work),
        false => (0..count).for_each(work),
    }
}

/// The indices that a thread takes first; on a cache line of its own.
#[repr(align(128))]
struct Share {
    next: AtomicUsize,
    end: usize,
}

impl Share {
    /// The share of thread `thread` when `count` indices are shared out.
    fn new(count: usize, threads: usize, thread: usize) -> Self {
        Share {
            next: AtomicUsize::new(thread * count / threads),
            end: (thread + 1) * count / threads,
        }
    }

    fn next(&self) -> Option<usize> {
        // A look first, so that an empty share is not written to.
        if self.next.load(Ordering::Relaxed) >= self.end {
            return None;
        }
        let i = self.next.fetch_add(1, Ordering::Relaxed);
        (i < self.end).then_some(i)
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

/// target += the parts, one after the other.
pub(crate) fn add_in_order(target: &mut [f32], parts: impl IntoIterator<Item: AsRef<[f32]>>) {
    for part in parts {
        for (t, p) in target.iter_mut().zip(part.as_ref()) {
            *t += p;
        }
    }
}

/// A pointer that pieces of one operation share, each for a part of its own.
pub(crate) struct Shared<T>(*mut T);

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
    /// Shares what a pointer leads to.
    pub fn from_pointer(pointer: *mut T) -> Self {
        Shared(pointer)
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
pub(crate) unsafe fn filled(len: usize, write: impl FnOnce(Shared<f32>)) -> Vec<f32> {
    let mut out = Vec::with_capacity(len);
    write(Shared(out.as_mut_ptr()));
    // SAFETY: the capacity is len, and every element is written by contract.
    unsafe { out.set_len(len) };
    out
}
