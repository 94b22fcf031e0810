//! Working memory that a thread keeps from one operation to the next.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

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
const SPARE_BUFFERS: usize = 16;

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
    Scratch::of(buffer, len)
}

impl Scratch {
    /// Working memory of `len` floats that is nobody's spare.
    pub fn new(len: usize) -> Self {
        Scratch::of(vec![0.0; len + 16], len)
    }

    fn of(buffer: Vec<f32>, len: usize) -> Self {
        let start = buffer.as_ptr().align_offset(64).min(16);
        Scratch { buffer, start, len }
    }
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
    fn scratch_is_reused_and_aligned() {
        let first = scratch(1000);
        let address = first.as_ptr();
        assert_eq!(address.align_offset(64), 0);
        assert_eq!(first.len(), 1000);
        drop(first);
        assert_eq!(scratch(1000).as_ptr(), address);
    }
}
