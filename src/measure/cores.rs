//! How far apart the cores are: the time until one core sees what another has written.

use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Most cores that the first one is measured against.
const MOST: usize = 63;
/// Handovers of a batch, there and back; the median batch counts, so that a thread that loses its
/// core for a while spoils only some.
const ROUNDS: usize = 100;
const BATCHES: usize = 101;
/// Time after which a pair ends with the batches it has.
const LIMIT: Duration = Duration::from_millis(100);
/// Looks after which a thread that waits lets others have its core: the one it waits for, perhaps.
const LOOKS: usize = 4096;

/// Nanoseconds that a cache line takes from the first core to the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CoreDistance {
    /// Pairs of cores measured.
    pub pairs: usize,
    /// Whether the threads were held on their cores; else the system chose them.
    pub pinned: bool,
    /// Of the nearest core.
    pub nearest_ns: f64,
    /// Median over the cores.
    pub median_ns: f64,
    /// Of the farthest core.
    pub farthest_ns: f64,
}

/// Measures it in at most a tenth of a second a core; `None` with one core.
pub fn distance() -> Option<CoreDistance> {
    let allowed = allowed_cores();
    let mut times: Vec<f64> = match &allowed[..] {
        [first, others @ ..] => {
            let others = others.iter().take(MOST);
            others
                .filter_map(|&other| handover(Some((*first, other))))
                .collect()
        }
        [] if super::machine::cores() > 1 => handover(None).into_iter().collect(),
        [] => Vec::new(),
    };
    times.sort_by(f64::total_cmp);
    Some(CoreDistance {
        pairs: times.len(),
        pinned: !allowed.is_empty(),
        nearest_ns: *times.first()?,
        median_ns: times[times.len() / 2],
        farthest_ns: *times.last()?,
    })
}

/// Nanoseconds of one way between two threads, on these cores if any are named; `None` if they cannot
/// be had or not even one batch ended in time.
fn handover(cores: Option<(usize, usize)>) -> Option<f64> {
    #[repr(align(128))]
    struct Line(AtomicUsize);
    let (line, end) = (Line(AtomicUsize::new(0)), AtomicBool::new(false));
    let begin = Instant::now();
    // Waits for a value; false if the measurement ends first.
    let wait = |value: usize| {
        loop {
            for _ in 0..LOOKS {
                if line.0.load(Ordering::Acquire) == value {
                    return true;
                }
                std::hint::spin_loop();
            }
            if end.load(Ordering::Relaxed) || begin.elapsed() > LIMIT {
                return false;
            }
            std::thread::yield_now();
        }
    };
    // One says odd numbers, the other the even ones after them.
    let answer = |core: Option<usize>| {
        let mut value = 0;
        let ready = core.is_none_or(pin);
        while ready && wait(value + 1) {
            value += 2;
            line.0.store(value, Ordering::Release);
        }
    };
    let ask = |core: Option<usize>| {
        let mut value = 0;
        let mut say = || {
            line.0.store(value + 1, Ordering::Release);
            value += 2;
            wait(value)
        };
        let mut batches = Vec::new();
        let ready = core.is_none_or(pin);
        while ready && batches.len() < BATCHES {
            let start = Instant::now();
            if !(0..ROUNDS).all(|_| say()) {
                break;
            }
            batches.push(start.elapsed().as_secs_f64() * 1e9 / (2 * ROUNDS) as f64);
        }
        end.store(true, Ordering::Relaxed);
        batches
    };
    let mut batches = std::thread::scope(|scope| {
        scope.spawn(|| answer(cores.map(|c| c.1)));
        scope
            .spawn(|| ask(cores.map(|c| c.0)))
            .join()
            .unwrap_or_default()
    });
    batches.sort_by(f64::total_cmp);
    batches.get(batches.len() / 2).copied()
}

/// The cores that this program may use, by their numbers; none where the system does not tell.
fn allowed_cores() -> Vec<usize> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a set of cores is plain bits, zeros among them; the call writes no more than its size.
        let set = unsafe {
            let mut set = std::mem::zeroed::<libc::cpu_set_t>();
            let known = libc::sched_getaffinity(0, size_of_val(&set), &mut set) == 0;
            known.then_some(set)
        };
        // SAFETY: the numbers are within the set.
        let has = |set: &libc::cpu_set_t, i| unsafe { libc::CPU_ISSET(i, set) };
        let all = 0..libc::CPU_SETSIZE as usize;
        set.map_or(Vec::new(), |set| all.filter(|&i| has(&set, i)).collect())
    }
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}

/// Holds the current thread on a core; says whether that worked.
fn pin(core: usize) -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: a set of cores is plain bits; the number is one that `allowed_cores` gave.
    unsafe {
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set) == 0
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = core;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_some_nanoseconds_apart() {
        // On a loaded machine a pair may not meet in its time at all.
        if let Some(found) = distance() {
            assert!(found.pairs >= 1, "{found:?}");
            assert!(found.nearest_ns > 0.5, "{found:?}");
            assert!(found.nearest_ns <= found.median_ns && found.median_ns <= found.farthest_ns);
        }
        #[cfg(target_os = "linux")]
        assert!(!allowed_cores().is_empty());
    }

    #[test]
    fn two_threads_on_one_core_end_in_time() {
        let Some(&core) = allowed_cores().first() else {
            return;
        };
        let begin = Instant::now();
        handover(Some((core, core)));
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}
