//! How long this program's step takes on p threads of this machine, predicted from a run on one.
//!
//! The graph's span is what an ideal schedule could reach; this program cuts each operation into
//! pieces of its own (a recurrent layer into groups of sequences: a single sequence is one piece) and
//! runs the operations one after the other. So a step is recorded on one thread: what ran serially,
//! and the seconds of every piece that threads would share. The prediction hands these pieces out
//! as the program does, in order, to whoever is free first, on p threads of this machine, which
//! - come to a region late, as measured, awake or asleep;
//! - compute together at the rate of [`roofline`]'s multiply-adds with p threads, not p times one's;
//! - move an operation's bytes no faster than p threads copy as many.
//!
//! Nothing of it was measured on a step with p threads, so that the clock can contradict it. Not
//! modelled: caches that p cores share or do not share, and other programs.

use super::graph::Graph;
use super::roofline::{self, CopyRate};
use crate::stats::median;
use kernels::parallel::{self, Cut, Region, SPIN, traced};
use kernels::{cost, with_threads};
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A step as it ran on one thread.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its operations and what they hand each other.
    pub graph: Graph,
    /// Seconds of all calls of each operation, with what ran before them: medians over the steps.
    pub seconds: BTreeMap<&'static str, f64>,
    /// The steps' timelines.
    pub steps: Vec<Vec<Stretch>>,
}

/// An operation in a timeline, with what ran since the one before.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stretch {
    /// In order.
    pub parts: Vec<Part>,
    /// Bytes read and written once each.
    pub bytes: f64,
}

/// Serial or shared work.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Seconds on one thread, whatever the number of threads.
    Serial(f64),
    /// Seconds of pieces that threads share.
    Shared(Vec<f64>),
    /// Seconds of work that they share evenly, at most so many of them.
    Even(f64, usize),
}

/// What a number of threads of this machine is like.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Threads.
    pub threads: usize,
    /// Seconds a computation takes while all threads compute, over those while one does.
    pub slowdown: f64,
    /// Copy rates with all threads, by working set, rising.
    pub copy: Vec<CopyRate>,
    /// A region while the workers are awake, and while they sleep.
    pub awake: Start,
    /// As above, after [`SPIN`] without work.
    pub asleep: Start,
}

/// Seconds from the call of a region until pieces begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// On the calling thread.
    pub driver: f64,
    /// On the last of the others.
    pub worker: f64,
}

/// Takes `steps` (at least one) steps on one thread and records them.
pub(super) fn record(mut step: impl FnMut() -> f64 + Send, steps: usize) -> Recorded {
    let mut graph = Graph::default();
    let mut seconds: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    let mut timelines = Vec::with_capacity(steps);
    with_threads(1, || {
        for _ in 0..steps.max(1) {
            let start = Instant::now();
            let ((_, costs), regions) = traced(|| cost::stamped(&mut step));
            let end = Instant::now();
            let mut totals: BTreeMap<&'static str, f64> = BTreeMap::new();
            let mut last = start;
            for (cost, at) in &costs {
                *totals.entry(cost.name).or_default() += (*at - last).as_secs_f64();
                last = *at;
            }
            for (name, total) in totals {
                seconds.entry(name).or_default().push(total);
            }
            let stops = costs
                .iter()
                .map(|(cost, at)| (*at, cost.bytes))
                .chain([(end, 0.0)]);
            timelines.push(timeline(start, stops, regions));
            let costs: Vec<cost::Cost> = costs.into_iter().map(|(cost, _)| cost).collect();
            graph = Graph::of(&costs);
        }
    });
    let seconds = seconds.into_iter().map(|(name, all)| (name, median(&all)));
    Recorded {
        graph,
        seconds: seconds.collect(),
        steps: timelines,
    }
}

/// Cuts a step into stretches that end at `stops`.
fn timeline(
    start: Instant,
    stops: impl Iterator<Item = (Instant, f64)>,
    regions: Vec<Region>,
) -> Vec<Stretch> {
    let mut regions = regions.into_iter().peekable();
    let mut last = start;
    let cut = |(stop, bytes): (Instant, f64)| {
        let mut parts = Vec::new();
        while let Some(region) = regions.next_if(|r| r.end <= stop) {
            parts.push(Part::Serial((region.start - last).as_secs_f64()));
            parts.push(match region.cut {
                Cut::Pieces(pieces) => Part::Shared(pieces),
                Cut::Evenly(most) => Part::Even((region.end - region.start).as_secs_f64(), most),
            });
            last = region.end;
        }
        parts.push(Part::Serial((stop - last).as_secs_f64()));
        last = stop;
        Stretch { parts, bytes }
    };
    stops.map(cut).collect()
}

impl Recorded {
    /// The graph in seconds of workers like one of this machine's threads.
    pub fn timed_graph(&self) -> Graph {
        static LATENCY: OnceLock<f64> = OnceLock::new();
        let latency = *LATENCY.get_or_init(roofline::chain_seconds);
        self.graph.at_rates(&self.seconds, latency)
    }

    /// Predicted seconds of a step: the median over the recorded ones.
    pub fn seconds_on(&self, limits: &Limits) -> f64 {
        let all: Vec<f64> = self
            .steps
            .iter()
            .map(|step| predict(step, limits))
            .collect();
        median(&all)
    }

    /// Predicted speed-up from one thread: of the recorded steps, whose drift thereby cancels.
    pub fn speed_up_on(&self, limits: &Limits) -> f64 {
        self.seconds_on(&Limits::alone()) / self.seconds_on(limits)
    }
}

/// Seconds of a recorded step on so many threads.
pub fn predict(step: &[Stretch], limits: &Limits) -> f64 {
    if limits.threads == 1 {
        let of_part = |part: &Part| match part {
            Part::Serial(seconds) | Part::Even(seconds, _) => *seconds,
            Part::Shared(pieces) => pieces.iter().sum(),
        };
        return step.iter().flat_map(|s| &s.parts).map(of_part).sum();
    }
    let (mut total, mut idle) = (0.0, f64::INFINITY);
    for stretch in step {
        let mut seconds = 0.0;
        for part in &stretch.parts {
            let asleep = idle > SPIN.as_secs_f64();
            let start = if asleep { limits.asleep } else { limits.awake };
            idle = match part {
                Part::Serial(serial) => idle + serial,
                _ => 0.0,
            };
            seconds += match part {
                Part::Serial(serial) => *serial,
                Part::Shared(pieces) => region(pieces, start, limits),
                Part::Even(whole, most) => even_region(*whole, *most, start, limits),
            };
        }
        total += seconds.max(limits.least_seconds(stretch.bytes));
    }
    total
}

/// Seconds of a region: each piece goes to the thread that is free first.
fn region(pieces: &[f64], start: Start, limits: &Limits) -> f64 {
    let mut free = vec![start.worker; limits.threads];
    free[0] = start.driver;
    let mut end = start.driver;
    for piece in pieces {
        let first = free.iter_mut().min_by(|a, b| a.total_cmp(b));
        let first = first.expect("at least one thread");
        *first += piece * limits.slowdown;
        end = f64::max(end, *first);
    }
    end
}

/// Seconds of a region cut evenly: all end together, but nobody comes after its end.
fn even_region(whole: f64, most: usize, start: Start, limits: &Limits) -> f64 {
    let parts = limits.threads.min(most).max(1) as f64;
    let late = start.driver + (parts - 1.0) * start.worker;
    let together = (whole * limits.slowdown + late) / parts;
    together.max(start.driver).min(start.driver + whole)
}

impl Limits {
    /// One thread: the recording itself.
    pub fn alone() -> Self {
        let start = Start {
            driver: 0.0,
            worker: 0.0,
        };
        Limits {
            threads: 1,
            slowdown: 1.0,
            copy: Vec::new(),
            awake: start,
            asleep: start,
        }
    }

    /// Measures this machine with so many threads, once in the life of the program; in about a
    /// second.
    pub fn measured(threads: usize) -> Self {
        static KNOWN: Mutex<BTreeMap<usize, Limits>> = Mutex::new(BTreeMap::new());
        if threads == 1 {
            return Limits::alone();
        }
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(threads)
            .or_insert_with(|| measure(threads))
            .clone()
    }

    /// Seconds below which the bytes cannot be moved.
    fn least_seconds(&self, bytes: f64) -> f64 {
        let rate = self.copy.iter().find(|rate| bytes <= rate.bytes as f64);
        let rate = rate.or(self.copy.last());
        rate.map_or(0.0, |rate| bytes / rate.bytes_per_second)
    }
}

fn measure(threads: usize) -> Limits {
    let (one, all) = (roofline::peak_flops(1), roofline::probe(threads));
    Limits {
        threads,
        slowdown: (threads as f64 * one / all.fma_flops).max(1.0),
        copy: all.copy,
        awake: start_of_region(threads, Duration::ZERO),
        asleep: start_of_region(threads, 3 * SPIN),
    }
}

/// Regions of which the median counts.
const STARTS: usize = 41;
/// A piece lasts so long that every thread takes one.
const PIECE: Duration = Duration::from_micros(150);

/// How late the pieces of a region begin, after `idle` without one.
fn start_of_region(threads: usize, idle: Duration) -> Start {
    let spin = |until: Instant| {
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    };
    let (driver, worker): (Vec<f64>, Vec<f64>) = with_threads(threads, || {
        let once = |_| {
            let here = std::thread::current().id();
            spin(Instant::now() + idle);
            let called = Instant::now();
            let begun = parallel::map(threads, |_| {
                let begun = Instant::now();
                spin(begun + PIECE);
                (
                    (begun - called).as_secs_f64(),
                    std::thread::current().id() == here,
                )
            });
            let latest = |own: bool| {
                let these = begun.iter().filter(|(_, is_own)| *is_own == own);
                these.map(|(late, _)| *late).fold(0.0, f64::max)
            };
            (latest(true), latest(false))
        };
        (0..STARTS).map(once).unzip()
    });
    Start {
        driver: median(&driver),
        worker: median(&worker),
    }
}
