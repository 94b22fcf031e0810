//! Watching a backward pass: the gradients that operations compute on their way and keep for
//! themselves, given to whoever asks. Nothing is computed a second time or differently: the
//! operations write down what they have, and only while somebody watches.

use std::cell::RefCell;

thread_local! {
    // What has been written down on this thread, if anybody watches. The operations' backward
    // closures run on the thread that asked for the backward pass, whatever threads they use.
    static SEEN: RefCell<Option<Vec<Watched>>> = const { RefCell::new(None) };
}

/// What a gradient belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watchable {
    /// The output of the embedding: what enters the first layer, or block, at each position.
    Input,
    /// The state that a recurrent layer hands from position t to t + 1: h, and the cell after it
    /// where there is one.
    State,
}

/// The gradient of the loss by something that exists at every position of every sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// What.
    pub of: Watchable,
    /// Values at a position.
    pub width: usize,
    /// (B·T, width), row b·T + t.
    pub gradient: Vec<f32>,
}

/// Runs `work` and returns what the backward passes in it computed, in their order: the last layer
/// first.
pub fn watch<R>(work: impl FnOnce() -> R) -> (R, Vec<Watched>) {
    let outer = SEEN.replace(Some(Vec::new()));
    let result = work();
    let seen = SEEN.replace(outer);
    (result, seen.unwrap_or_default())
}

/// Whether anybody watches this thread.
pub(super) fn is_on() -> bool {
    SEEN.with_borrow(Option::is_some)
}

/// Writes down a gradient if anybody watches.
pub(super) fn report(of: Watchable, width: usize, gradient: impl FnOnce() -> Vec<f32>) {
    SEEN.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            let gradient = gradient();
            seen.push(Watched {
                of,
                width,
                gradient,
            });
        }
    });
}
