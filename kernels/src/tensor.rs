//! Tensors without a tape: making them, and where their values lie.

use dfdx::prelude::*;
use dfdx::tensor::Gradients as DfdxGradients;
use std::borrow::Cow;

/// Gradients of one backward pass, keyed by tensor.
pub type Gradients = DfdxGradients<f32, Cpu>;
/// A (rows, columns) matrix without a tape: parameters and constants. A vector is (1, n).
pub type Matrix = Tensor<(usize, usize), f32, Cpu>;
thread_local! {
    // One device a thread: every clone shares its buffer cache.
    static DEVICE: Cpu = Cpu::default();
}

/// The CPU device.
pub fn device() -> Cpu {
    DEVICE.with(Cpu::clone)
}

/// A matrix from row-major values; moves them, no copy. Panics if `values.len() != rows * columns`.
pub fn matrix(values: Vec<f32>, rows: usize, columns: usize) -> Matrix {
    values.as_ptr().expose_provenance(); // for `read`
    device().tensor_from_vec(values, (rows, columns))
}

/// The address of a tensor's first element, if the tensor has one and the others follow it in
/// row-major order.
pub(super) fn address<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Option<usize> {
    if tensor.shape().num_elements() == 0 {
        return None;
    }
    let first: *const f32 = &tensor[S::Concrete::default()];
    // The next element along an axis lies as far as the inner axes are long.
    let (sizes, mut distance) = (tensor.shape().concrete(), size_of::<f32>());
    for axis in (0..S::NUM_DIMS).rev().filter(|&axis| sizes[axis] > 1) {
        let mut next = S::Concrete::default();
        next[axis] = 1;
        let next: *const f32 = &tensor[next];
        if next.addr() != first.addr() + distance {
            return None;
        }
        distance *= sizes[axis];
    }
    Some(first.expose_provenance())
}

/// The row-major values of a tensor, in its own memory where they lie there in that order.
pub fn read<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Cow<'_, [f32]> {
    if tensor.shape().num_elements() == 0 {
        return Cow::Borrowed(&[]);
    }
    let Some(first) = address(tensor) else {
        return Cow::Owned(tensor.as_vec()); // `copy_into` would ignore the strides
    };
    let len = tensor.shape().num_elements();
    // dfdx lends single elements and copies of all, but no slice. SAFETY: in row-major order, the
    // `len` floats from the first on are the tensor's storage, one `Vec`, which nobody changes
    // while the tensor is borrowed: writing takes `&mut` and copies storage that is shared. The
    // address stands for the whole `Vec`, whose pointer `matrix` exposed.
    Cow::Borrowed(unsafe {
        std::slice::from_raw_parts(std::ptr::with_exposed_provenance(first), len)
    })
}

/// A copy of the row-major values of a tensor.
pub fn values<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Vec<f32> {
    read(tensor).into_owned()
}
