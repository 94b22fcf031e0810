//! An allocator that counts the bytes in use, and keeps memory for the next step.
//!
//! A training step frees and asks again for the same hundreds of megabytes. The system's allocator
//! returns large blocks to the kernel at once, and the next step pays a page fault for each 4 KiB of
//! them. The allocator of glibc can be told to keep them ([`keep_memory`]): it joins neighbouring free
//! blocks and cuts from them what is asked next, so that models that are timed in turn, each with other
//! sizes, share their memory. With other C libraries a freed block of at least [`LARGE`] bytes goes to
//! a free list of its size class here; blocks in use and kept together never exceed [`bound`] of the
//! most that was in use at once. Either way a step after warm-up faults no new pages.
//!
//! Counted are the bytes asked for, not the class's; blocks kept are not in use.
//!
//! Where the system gives no more, the program ends with a message: sizes are checked before anything
//! is allocated, but other programs, and limits that nobody can ask for, take memory meanwhile.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smallest block that is kept, bytes.
pub const LARGE: usize = 64 << 10;
/// Alignment of large blocks, bytes: a cache line and the widest vector.
const ALIGNMENT: usize = 64;
/// Classes to a doubling of the size: at most an eighth of a block is never touched.
const STEPS: usize = 8;
/// Classes: from 64 KiB to 128 TiB, more than an address space holds.
const CLASSES: usize = 31 * STEPS;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static KEPT: Mutex<Kept> = Mutex::new(Kept {
    heads: [null_mut(); CLASSES],
    kept: 0,
    live: 0,
    high: 0,
});

/// Bytes in use, as asked for; 0 if [`CountingAllocator`] is not the global allocator.
pub fn live() -> usize {
    LIVE.load(Relaxed)
}

/// The most bytes in use at once since [`reset_peak`].
pub fn peak() -> usize {
    PEAK.load(Relaxed).max(live())
}

/// Starts a new peak at what is in use now.
pub fn reset_peak() {
    PEAK.store(live(), Relaxed);
}

/// Whether this program counts its allocations.
pub fn is_counting() -> bool {
    live() > 0
}

/// Bytes of freed large blocks that are kept.
pub fn kept() -> usize {
    lock().kept
}

/// Bytes of large blocks, in use and kept, allowed when at most `high` were in use at once.
///
/// Half again, because the forward and the backward pass peak in different classes.
pub fn bound(high: usize) -> usize {
    high + high / 2 + (32 << 20)
}

/// Whether the C library is glibc, which can keep large blocks by itself.
const GLIBC: bool = cfg!(all(target_os = "linux", target_env = "gnu"));

/// Makes glibc keep freed memory for what comes next; to be called once, before any work. Does nothing
/// with other C libraries.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets numbers of the allocator, to values that its manual allows; one that is refused
    // leaves the default.
    unsafe {
        // No block is a mapping of its own, which would end with it …
        libc::mallopt(libc::M_MMAP_MAX, 0);
        // … nor is what is free at the end given back …
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        // … and all threads share it: what one has freed, another can use.
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Counts every allocation, and keeps large blocks. Declare it with `#[global_allocator]`.
pub struct CountingAllocator;

// SAFETY: small layouts go to `System` unchanged. A large layout is served by a block of its size
// class, whose layout (class size >= size, alignment 64 >= align) depends on the requested layout
// alone, so that freeing computes the same one. A block is in the free list or in use, never both:
// the list is only touched under its lock. Nothing in here panics or allocates through itself
// except the lock on systems where that makes a small block, which never takes the lock.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is that of `allocate`.
        let (pointer, _) = unsafe { allocate(layout, false) };
        count_up(pointer, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        let (pointer, is_zero) = unsafe { allocate(layout, true) };
        if !pointer.is_null() && !is_zero {
            // SAFETY: the block holds at least `size` bytes.
            unsafe { pointer.write_bytes(0, layout.size()) };
        }
        count_up(pointer, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller allocated it here with this layout.
        unsafe { free(pointer, layout) };
        LIVE.fetch_sub(layout.size(), Relaxed);
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees that the new size is valid with this alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let moved = match (class_of(layout), class_of(new_layout)) {
            // SAFETY: both layouts are small, so that the block is the system's.
            (None, None) => unsafe { System.realloc(pointer, layout, new_size) },
            (Some(old), Some(new)) if old == new && !GLIBC => pointer,
            _ => {
                // SAFETY: the new layout is not empty; the block is copied up to the shorter size
                // and freed with the layout it was made with.
                unsafe {
                    let (moved, _) = allocate(new_layout, false);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(pointer, layout.size().min(new_size));
                        free(pointer, layout);
                    }
                    moved
                }
            }
        };
        let moved = count_up(moved, new_size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        moved
    }
}

fn count_up(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() {
        end(size);
    }
    let now = LIVE.fetch_add(size, Relaxed) + size;
    if now > PEAK.load(Relaxed) {
        PEAK.fetch_max(now, Relaxed);
    }
    pointer
}

/// Ends the program where there is no memory for a block of so many bytes. Nothing in it allocates.
fn end(size: usize) -> ! {
    let gib = |bytes: usize| bytes as f64 / (1u64 << 30) as f64;
    let _ = writeln!(
        std::io::stderr(),
        "error: no memory for another {:.3} GiB beside the {:.3} GiB in use: this machine, its container \
         or a limit (ulimit -v) gives no more; lower width, layers, vocab, batch or seq-len, or use fewer \
         jobs. What was written is whole: the same command goes on from there",
        gib(size),
        gib(live())
    );
    std::process::exit(2)
}

/// The size class of a layout, `None` if it is small or too strictly aligned to be kept.
fn class_of(layout: Layout) -> Option<usize> {
    let size = layout.size();
    if size < LARGE || layout.align() > ALIGNMENT {
        return None;
    }
    // Steps above the largest power of two that is no larger, rounded up.
    let doubling = size.ilog2();
    let base = 1usize << doubling;
    let step = (size - base).div_ceil(base / STEPS);
    let class = (doubling - LARGE.ilog2()) as usize * STEPS + step;
    (class < CLASSES).then_some(class)
}

/// A large block of the system's, at the start of a cache line. The system is asked for an unaligned
/// one with room to move in: glibc (before 2.38) cannot put an aligned block where one of the same size
/// has just been freed, and the heap grows by the holes.
///
/// # Safety
/// The layout has a class.
unsafe fn new_aligned(layout: Layout, zeroed: bool) -> *mut u8 {
    let layout = with_room(layout);
    let start = match zeroed {
        // SAFETY: not empty.
        true => unsafe { System.alloc_zeroed(layout) },
        // SAFETY: not empty.
        false => unsafe { System.alloc(layout) },
    };
    if start.is_null() {
        return start;
    }
    // The start is aligned to a pointer's double, so that one fits before the block.
    let offset = ALIGNMENT - start as usize % ALIGNMENT;
    // SAFETY: the block, as long as asked for, and the word before it lie in what was given.
    unsafe {
        let block = start.add(offset);
        block.cast::<*mut u8>().sub(1).write(start);
        block
    }
}

/// Gives a block of [`new_aligned`] back.
///
/// # Safety
/// It was made for this layout, and nobody uses it.
unsafe fn end_aligned(block: *mut u8, layout: Layout) {
    // SAFETY: by contract the word before it says where what was given starts.
    unsafe { System.dealloc(block.cast::<*mut u8>().sub(1).read(), with_room(layout)) }
}

/// What the system is asked for so that a block can be moved to the start of a cache line.
fn with_room(layout: Layout) -> Layout {
    // SAFETY: the alignment is a power of two, and sizes with a class are far below isize::MAX.
    unsafe { Layout::from_size_align_unchecked(layout.size() + ALIGNMENT, 2 * size_of::<usize>()) }
}

/// Bytes of the blocks of a class.
fn class_size(class: usize) -> usize {
    let base = LARGE << (class / STEPS);
    base + class % STEPS * (base / STEPS)
}

fn class_layout(class: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and class sizes are far below isize::MAX.
    unsafe { Layout::from_size_align_unchecked(class_size(class), ALIGNMENT) }
}

/// A block for the layout and whether it is known to hold only zeros; null if there is none.
///
/// # Safety
/// The layout's size is not 0.
unsafe fn allocate(layout: Layout, zeroed: bool) -> (*mut u8, bool) {
    let system = |layout| {
        if zeroed {
            // SAFETY: not empty, by contract.
            (unsafe { System.alloc_zeroed(layout) }, true)
        } else {
            // SAFETY: not empty, by contract.
            (unsafe { System.alloc(layout) }, false)
        }
    };
    let Some(class) = class_of(layout) else {
        return system(layout);
    };
    if GLIBC {
        // SAFETY: the layout has a class.
        return (unsafe { new_aligned(layout, zeroed) }, zeroed);
    }
    if let Some(block) = lock().take(class) {
        return (block, false);
    }
    let (block, is_zero) = system(class_layout(class));
    if block.is_null() {
        let mut kept = lock();
        kept.live -= class_size(class);
        // Kept blocks of other classes may be what is missing.
        kept.shrink_to(0);
        drop(kept);
        let (block, is_zero) = system(class_layout(class));
        if !block.is_null() {
            lock().live += class_size(class);
        }
        return (block, is_zero);
    }
    (block, is_zero)
}

/// Takes back a block.
///
/// # Safety
/// [`allocate`] returned it for this layout, and nobody uses it any more.
unsafe fn free(pointer: *mut u8, layout: Layout) {
    match class_of(layout) {
        // SAFETY: a small block is the system's, with this layout.
        None => unsafe { System.dealloc(pointer, layout) },
        // SAFETY: by contract it was made for this layout.
        Some(_) if GLIBC => unsafe { end_aligned(pointer, layout) },
        // SAFETY: by contract the block belongs to this class and is unused.
        Some(class) => unsafe { lock().put(class, pointer) },
    }
}

fn lock() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Freed blocks, one list a class; a block's first word points to the next of its list.
struct Kept {
    heads: [*mut u8; CLASSES],
    /// Bytes in the lists.
    kept: usize,
    /// Bytes of the large blocks in use, by class size.
    live: usize,
    /// The most that `live` has been.
    high: usize,
}

// SAFETY: the pointers are to blocks that only the holder of the lock may touch.
unsafe impl Send for Kept {}

impl Kept {
    /// Takes a kept block into use. Without one, books a block that the caller gets from the
    /// system, and makes room for it within the bound.
    fn take(&mut self, class: usize) -> Option<*mut u8> {
        let size = class_size(class);
        self.live += size;
        self.high = self.high.max(self.live);
        let block = self.pop(class);
        if block.is_none() {
            self.shrink_to(bound(self.high).saturating_sub(self.live));
        }
        block
    }

    /// Keeps a block that is no longer in use.
    ///
    /// # Safety
    /// The block belongs to this class and nobody uses it.
    unsafe fn put(&mut self, class: usize, block: *mut u8) {
        // SAFETY: a block is larger than a pointer and aligned to 64 bytes.
        unsafe { block.cast::<*mut u8>().write(self.heads[class]) };
        self.heads[class] = block;
        self.kept += class_size(class);
        self.live -= class_size(class);
        self.shrink_to(bound(self.high).saturating_sub(self.live));
    }

    fn pop(&mut self, class: usize) -> Option<*mut u8> {
        let block = self.heads[class];
        if block.is_null() {
            return None;
        }
        // SAFETY: blocks in a list hold the pointer to the next, written by `put`.
        self.heads[class] = unsafe { block.cast::<*mut u8>().read() };
        self.kept -= class_size(class);
        Some(block)
    }

    /// Gives blocks back to the system, largest first, until at most `bytes` are kept.
    fn shrink_to(&mut self, bytes: usize) {
        let mut class = CLASSES;
        while self.kept > bytes && class > 0 {
            match self.pop(class - 1) {
                // SAFETY: the block was made by `System` with the layout of its class.
                Some(block) => unsafe { System.dealloc(block, class_layout(class - 1)) },
                None => class -= 1,
            }
        }
    }
}

#[cfg(test)]
mod tests;
