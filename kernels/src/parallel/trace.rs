//! What one thread would share out: the pieces of every region with the time each takes, so that
//! the time on several threads can be predicted from a run on one.

use std::cell::RefCell;
use std::time::Instant;

/// Work on one thread, outside any other region, that several threads would share.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// When it began.
    pub start: Instant,
    /// When it ended.
    pub end: Instant,
    /// How threads would share it.
    pub cut: Cut,
}

/// How a region is shared.
#[derive(Debug, Clone, PartialEq)]
pub enum Cut {
    /// A call of [`super::for_each`]: seconds of its pieces in order, of neighbours together where
    /// there are very many.
    Pieces(Vec<f64>),
    /// Into as many equal parts as there are threads, at most so many.
    Evenly(usize),
}

/// Most pieces timed by themselves: reading the clock would outweigh the work of smaller ones.
const MOST: usize = 128;

thread_local! {
    static REGIONS: RefCell<Option<Vec<Region>>> = const { RefCell::new(None) };
}

/// Runs `work` on this thread and returns its result with the regions it ran alone: all of them, if
/// it has one thread.
pub fn traced<R>(work: impl FnOnce() -> R) -> (R, Vec<Region>) {
    let outer = REGIONS.replace(Some(Vec::new()));
    let result = work();
    (result, REGIONS.replace(outer).unwrap_or_default())
}

/// Runs the pieces of a region one after the other, timed if that is asked for.
pub(super) fn run(count: usize, work: &dyn Fn(usize)) {
    // Regions inside this one are part of its pieces.
    let Some(mut regions) = REGIONS.take() else {
        return (0..count).for_each(work);
    };
    let together = count.div_ceil(MOST);
    let mut pieces = Vec::with_capacity(count.div_ceil(together));
    let start = Instant::now();
    let mut end = start;
    for first in (0..count).step_by(together) {
        (first..(first + together).min(count)).for_each(work);
        let now = Instant::now();
        pieces.push((now - end).as_secs_f64());
        end = now;
    }
    let cut = Cut::Pieces(pieces);
    regions.push(Region { start, end, cut });
    REGIONS.set(Some(regions));
}

/// Runs on one thread what several would cut into as many equal parts as they are, at most `most`.
pub fn divisible(most: usize, work: impl FnOnce()) {
    let Some(mut regions) = REGIONS.take() else {
        return work();
    };
    let start = Instant::now();
    work();
    regions.push(Region {
        start,
        end: Instant::now(),
        cut: Cut::Evenly(most),
    });
    REGIONS.set(Some(regions));
}

#[cfg(test)]
mod tests {
    use super::super::{for_each, with_threads};
    use super::*;
    use std::time::Duration;

    #[test]
    fn outer_regions_are_traced_piece_by_piece_on_one_thread_only() {
        let work = || {
            for_each(3, |i| {
                for_each(2, |_| ());
                std::thread::sleep(Duration::from_millis(i as u64));
            });
            for_each(1000, |_| ());
            divisible(7, || for_each(3, |_| ()));
        };
        let ((), regions) = with_threads(1, || traced(work));
        let [
            Region {
                cut: Cut::Pieces(few),
                end,
                ..
            },
            Region {
                cut: Cut::Pieces(many),
                start,
                ..
            },
            Region {
                cut: Cut::Evenly(7),
                ..
            },
        ] = &regions[..]
        else {
            panic!("{regions:?}");
        };
        assert_eq!((few.len(), many.len()), (3, 125));
        assert!(few[2] >= 0.002 && end <= start);
        let two = || for_each(9, |_| ());
        assert!(with_threads(2, || traced(two)).1.is_empty());
        with_threads(1, work);
        assert!(REGIONS.take().is_none());
    }
}
