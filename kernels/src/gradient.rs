//! Where gradients are while a backward pass runs.
//!
//! dfdx allocates a gradient as zeros, to be added to. For activations, nearly all of which feed one
//! operation, that writes and reads every byte of them once for nothing. So an operation registers
//! its output as an [`Output`]: what later operations of ours send it arrives in a buffer that the
//! first of them makes, and zeros are never written. Gradients of all other tensors, parameters for
//! one, are dfdx's; what dfdx primitives send to an output is there too, and added.

use super::cost::Id;
use super::parallel::{Shared, for_each_chunk};
use super::tensor::{Gradients, Matrix};
use dfdx::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

/// What has arrived for one output; `None` as long as nothing has.
type Arrived = RefCell<Option<Vec<f32>>>;
type Arrivals = Rc<Arrived>;

thread_local! {
    // Registered outputs by the address of their values, which an output keeps alive: no other
    // tensor can have it, but for views of the same values in the same order, whose gradient is
    // the same.
    static OUTPUTS: RefCell<BTreeMap<usize, Weak<Arrived>>> =
        const { RefCell::new(BTreeMap::new()) };
    // Whether dfdx primitives are on the tape whose backward pass runs on this thread.
    static PRIMITIVES: Cell<bool> = const { Cell::new(false) };
}

/// Runs a backward pass on a tape with or without dfdx primitives.
pub(super) fn with_primitives<R>(has_primitives: bool, work: impl FnOnce() -> R) -> R {
    let outer = PRIMITIVES.replace(has_primitives);
    let result = work();
    PRIMITIVES.set(outer);
    result
}

type Access = dyn for<'g> Fn(&'g mut Gradients) -> &'g mut Vec<f32>;

/// dfdx's gradient of `tensor`; holds its identity, not its values.
fn access<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Box<Access> {
    let ghost = tensor.ghost();
    Box::new(move |gradients| {
        gradients
            .get_or_alloc_mut(&ghost)
            .expect("gradient buffers are plain allocations")
    })
}

/// Where an operation sends the gradient of one of its inputs.
pub struct Slot {
    len: usize,
    id: Id,
    arrivals: Option<Arrivals>,
    dfdx: Box<Access>,
}

impl Slot {
    /// The slot of `tensor`. Holds the tensor's identity, not its values, so that a backward
    /// operation that does not need the values does not keep them alive.
    pub fn of<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Self {
        let arrivals = super::tensor::address(tensor).and_then(|address| {
            OUTPUTS.with_borrow(|outputs| outputs.get(&address).and_then(Weak::upgrade))
        });
        Slot {
            len: tensor.shape().num_elements(),
            id: Id::gradient(tensor),
            arrivals,
            dfdx: access(tensor),
        }
    }

    /// Whose gradient it is, for cost reports.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Takes what has arrived, to be given back to [`Slot::put`]; `None` if nothing has and there
    /// are no zeros either.
    pub(super) fn arrived(&self, gradients: &mut Gradients) -> Option<Vec<f32>> {
        match &self.arrivals {
            Some(arrivals) => arrivals.take(),
            None => Some(std::mem::take((self.dfdx)(gradients))),
        }
    }

    /// Replaces what has arrived.
    pub fn put(&self, gradients: &mut Gradients, gradient: Vec<f32>) {
        match &self.arrivals {
            Some(arrivals) => *arrivals.borrow_mut() = Some(gradient),
            None => *(self.dfdx)(gradients) = gradient,
        }
    }

    /// Takes the gradient: zeros if nothing has arrived.
    pub fn take(&self, gradients: &mut Gradients) -> Vec<f32> {
        let arrived = self.arrived(gradients);
        arrived.unwrap_or_else(|| vec![0.0; self.len])
    }

    /// Adds to the gradient in `work`.
    pub fn add(&self, gradients: &mut Gradients, work: impl FnOnce(&mut [f32])) {
        let mut sum = self.take(gradients);
        work(&mut sum);
        self.put(gradients, sum);
    }

    /// Begins to send: see [`Incoming`], which goes back to [`Slot::close`].
    pub(crate) fn open(&self, gradients: &mut Gradients) -> Incoming {
        let arrived = self.arrived(gradients);
        Incoming {
            is_first: arrived.is_none(),
            buffer: arrived.unwrap_or_else(|| Vec::with_capacity(self.len)),
        }
    }

    /// Ends what [`Slot::open`] began.
    ///
    /// # Safety
    /// If it was the first, every element has been written.
    pub(crate) unsafe fn close(&self, gradients: &mut Gradients, mut incoming: Incoming) {
        // SAFETY: the capacity is there, and the elements are written by contract.
        unsafe { incoming.buffer.set_len(self.len) };
        self.put(gradients, incoming.buffer);
    }
}

/// A gradient that an operation is sending: to be written if it is the first, else added to.
pub(crate) struct Incoming {
    /// Whether the elements have no value yet.
    pub is_first: bool,
    buffer: Vec<f32>,
}

impl Incoming {
    /// The elements.
    pub fn shared(&mut self) -> Shared<f32> {
        Shared::from_pointer(self.buffer.as_mut_ptr())
    }
}

/// An operation's output, as its backward pass sees it: where its own gradient is.
pub(crate) struct Output {
    values: Matrix,
    arrivals: Arrivals,
    dfdx: Box<Access>,
}

impl Output {
    /// Registers `values`, fresh from the operation.
    pub fn of(values: &Matrix) -> Self {
        let arrivals = Arrivals::default();
        if let Some(address) = super::tensor::address(values) {
            let weak = Rc::downgrade(&arrivals);
            OUTPUTS.with_borrow_mut(|outputs| outputs.insert(address, weak));
        }
        Output {
            values: values.clone(),
            arrivals,
            dfdx: access(values),
        }
    }

    /// Its gradient's identity, for cost reports.
    pub fn id(&self) -> Id {
        Id::gradient(&self.values)
    }

    /// The output's values.
    pub fn values(&self) -> &Matrix {
        &self.values
    }

    /// Takes the gradient; `None` if nothing has arrived.
    pub fn arrived(&self, gradients: &mut Gradients) -> Option<Vec<f32>> {
        let arrived = self.arrivals.take();
        if !PRIMITIVES.get() {
            return arrived;
        }
        let mut sum = std::mem::take((self.dfdx)(gradients));
        for (sum, x) in sum.iter_mut().zip(arrived.iter().flatten()) {
            *sum += x;
        }
        Some(sum)
    }

    /// Takes the gradient: zeros if nothing has arrived.
    pub fn take(&self, gradients: &mut Gradients) -> Vec<f32> {
        let len = self.values.shape().num_elements();
        self.arrived(gradients).unwrap_or_else(|| vec![0.0; len])
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(address) = super::tensor::address(&self.values) {
            OUTPUTS.with_borrow_mut(|outputs| outputs.remove(&address));
        }
    }
}

/// Elements that a thread takes at a time.
const PIECE: usize = 1 << 13;

/// target ← factor · x, or target += factor · x; pieces on all threads.
pub(super) fn send_scaled(slot: &Slot, gradients: &mut Gradients, mut x: Vec<f32>, factor: f32) {
    let Some(mut sum) = slot.arrived(gradients) else {
        for_each_chunk(&mut x, PIECE, |_, x| {
            x.iter_mut().for_each(|x| *x *= factor)
        });
        return slot.put(gradients, x);
    };
    for_each_chunk(&mut sum, PIECE, |i, sum| {
        for (sum, x) in sum.iter_mut().zip(&x[i * PIECE..]) {
            *sum += factor * x;
        }
    });
    slot.put(gradients, sum);
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::*;
    use super::*;

    /// y = 3 x as an operation of ours.
    fn triple(x: Activation) -> Activation {
        let (x, mut tape) = x.split_tape();
        let (rows, columns) = *x.shape();
        let y = matrix(read(&x).iter().map(|x| 3.0 * x).collect(), rows, columns);
        let (dx, dy) = (Slot::of(&x), Output::of(&y));
        tape.record(move |g| {
            let dy = dy.take(g);
            send_scaled(&dx, g, dy, 3.0);
        });
        y.put_tape(tape)
    }

    #[test]
    fn gradients_from_operations_and_primitives_add_up() {
        let x = noise_matrix(3, 5, 1);
        // y feeds two operations and a primitive, one of them through a view.
        let (y, tape) = triple(on_tape(&x)).split_tape();
        let (a, tape) = triple(y.clone().put_tape(tape)).split_tape();
        let view = y.clone().put_tape(tape).reshape_like(&(5, 3));
        let (b, tape) = triple(view).split_tape();
        let b = b.put_tape(tape).reshape_like(&(3, 5));
        let (b, tape) = b.split_tape();
        let sum = y.put_tape(tape) * 2.0 + a + b;
        let (_, got) = gradients(weighed(sum, 2), &[&x]);
        let want: Vec<f32> = noise(15, 2)
            .iter()
            .map(|r| 3.0 * (3.0 + 3.0 + 2.0) * r)
            .collect();
        assert_close("dx", &got[0], &want, 1e-6);
    }

    #[test]
    fn without_primitives_nothing_is_zeroed_and_unused_outputs_count_as_zeros() {
        let x = noise_matrix(2, 4, 1);
        let (y, tape) = triple(on_tape(&x)).split_tape();
        let (_unused, tape) = triple(y.clone().put_tape(tape)).split_tape();
        let got = backward_from(y.put_tape(tape), vec![1.0; 8])
            .get(&x)
            .as_vec();
        assert_eq!(got, [3.0; 8]);
        // Every output is gone from the register with its tape.
        assert!(OUTPUTS.with_borrow(BTreeMap::is_empty));
    }
}
