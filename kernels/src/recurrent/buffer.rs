//! Uninitialised working memory.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Floats at an address divisible by 64 that nobody has zeroed: every step of training takes
/// several megabytes of these and writes them before it reads them.
pub struct Buffer {
    pointer: NonNull<f32>,
    layout: Layout,
}

// SAFETY: owns its memory; every access goes through raw pointers under their users' contracts.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Room for `len` floats.
    pub fn new(len: usize) -> Self {
        let bytes = (len * size_of::<f32>()).max(64);
        let layout = Layout::from_size_align(bytes, 64).expect("fits the address space");
        // SAFETY: the size is not zero.
        let pointer = unsafe { alloc(layout) };
        let Some(pointer) = NonNull::new(pointer.cast()) else {
            handle_alloc_error(layout)
        };
        Buffer { pointer, layout }
    }

    /// Room for `len` zeros, written.
    pub fn zeroed(len: usize) -> Self {
        let buffer = Buffer::new(len);
        // SAFETY: all zero bits are a float, and the room is there.
        unsafe { buffer.at(0).write_bytes(0, len) };
        buffer
    }

    /// The address of float `i`, which must be within.
    #[inline(always)]
    pub fn at(&self, i: usize) -> *mut f32 {
        debug_assert!(i * size_of::<f32>() <= self.layout.size());
        // SAFETY: within the allocation by contract.
        unsafe { self.pointer.as_ptr().add(i) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.pointer.as_ptr().cast(), self.layout) }
    }
}
