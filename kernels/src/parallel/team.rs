//! A driver and its workers, who start on a piece of work within a microsecond.
//!
//! A general pool's fork and join cost about 15 µs here, as much as a token of a small model. A
//! worker of a team has one thing to wait for, the next region, and spins on it for a short while
//! before it sleeps. The driver never waits for a worker that has not begun: it works on the region
//! itself, then closes it, and whoever comes later finds nothing to do. So a team that gets fewer
//! cores than it has threads is slow, never stuck.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Idle workers spin this long, so that the operations of a step find them awake, then sleep.
pub const SPIN: Duration = Duration::from_micros(100);
/// From this time on they offer their core to other threads between looks.
const POLITE: Duration = Duration::from_micros(20);
/// Looks between two readings of the clock.
const LOOKS: usize = 64;

// `Shared::state`: whether workers may enter, how many are inside, and the number of the region.
const OPEN: u64 = 1;
const ONE_INSIDE: u64 = 1 << 1;
const INSIDE: u64 = (1 << 20) - ONE_INSIDE;
const NUMBER: u32 = 20;

/// Called with the number of the thread in its team; the driver is 0.
type Work = dyn Fn(usize) + Sync + 'static;

struct Shared {
    state: AtomicU64,
    /// The region's work. Written by the driver while the region is closed and empty, read by
    /// workers inside.
    work: UnsafeCell<Option<*const Work>>,
    /// The first panic of a worker inside.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleepers: AtomicUsize,
    stop: AtomicBool,
    bed: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `work` is shared as its comment says; everything else is made for sharing.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Threads that work for one driver, the thread that calls [`Team::run`].
pub struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Team {
    /// Starts `threads - 1` workers.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            work: UnsafeCell::new(None),
            panic: Mutex::new(None),
            sleepers: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            bed: Mutex::new(()),
            wake: Condvar::new(),
        });
        let workers = (1..threads).map(|i| {
            let shared = shared.clone();
            std::thread::Builder::new()
                .name(format!("seqduel-{i}"))
                .spawn(move || shared.serve(i))
                .unwrap_or_else(|e| panic!("cannot start {threads} threads: {e}"))
        });
        Team {
            workers: workers.collect(),
            shared,
        }
    }

    /// Threads, the driver included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `work` on the calling thread and on every worker that comes before it is done there,
    /// each with its number below [`Team::threads`], 0 here; returns when all have left it. A panic
    /// in any of them goes on here.
    ///
    /// # Safety
    /// No other call of this team's `run` is under way.
    pub unsafe fn run(&self, work: &(dyn Fn(usize) + Sync + '_)) {
        let shared = &*self.shared;
        let number = shared.state.load(Ordering::Relaxed) >> NUMBER;
        // SAFETY: the region is closed and empty, and stays so until the store below. The borrow
        // ends after this function, which leaves no worker inside.
        unsafe {
            *shared.work.get() = Some(std::mem::transmute::<
                *const (dyn Fn(usize) + Sync + '_),
                *const Work,
            >(work));
        }
        // Sequentially consistent with the worker's count of sleepers and last look: either we see
        // the sleeper, or it sees the region.
        let opened = (number + 1) << NUMBER | OPEN;
        shared.state.store(opened, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            drop(shared.bed());
            shared.wake.notify_all();
        }
        let own = catch_unwind(AssertUnwindSafe(|| work(0)));
        shared.state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut looks = 0;
        while shared.state.load(Ordering::Acquire) & INSIDE != 0 {
            looks += 1;
            if looks % LOOKS == 0 {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        if let Err(panic) = own {
            shared.take_panic();
            resume_unwind(panic);
        }
        if let Some(panic) = shared.take_panic() {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        drop(self.shared.bed());
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // Panics of the work went to the driver; the loop itself has none.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn bed(&self) -> MutexGuard<'_, ()> {
        self.bed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        self.panic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The life of worker `own`.
    fn serve(&self, own: usize) {
        let mut last = 0;
        while let Some(number) = self.next(last) {
            last = number;
            if !self.enter(number) {
                continue;
            }
            // SAFETY: the driver wrote it before opening the region, and keeps the borrow alive
            // until nobody is inside.
            let work = unsafe {
                (*self.work.get())
                    .expect("an open region has work")
                    .as_ref()
            };
            let work = work.expect("made from a reference");
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(own))) {
                let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(panic);
            }
            self.state.fetch_sub(ONE_INSIDE, Ordering::Release);
        }
    }

    /// Goes into region `number`, unless it is closed.
    fn enter(&self, number: u64) -> bool {
        let mut state = self.state.load(Ordering::Acquire);
        while state & OPEN != 0 && state >> NUMBER == number {
            let inside = state + ONE_INSIDE;
            match self.state.compare_exchange_weak(
                state,
                inside,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Waits for a region after `last` that is open and returns its number; `None` to stop.
    fn next(&self, last: u64) -> Option<u64> {
        let open =
            |state: u64| (state & OPEN != 0 && state >> NUMBER != last).then_some(state >> NUMBER);
        let begin = Instant::now();
        loop {
            for _ in 0..LOOKS {
                if let Some(number) = open(self.state.load(Ordering::Acquire)) {
                    return Some(number);
                }
                std::hint::spin_loop();
            }
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            let idle = begin.elapsed();
            if idle > SPIN {
                break;
            }
            if idle > POLITE {
                std::thread::yield_now();
            }
        }
        let mut bed = self.bed();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let found = loop {
            if self.stop.load(Ordering::SeqCst) {
                break None;
            }
            if let Some(number) = open(self.state.load(Ordering::SeqCst)) {
                break Some(number);
            }
            bed = self.wake.wait(bed).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often `work` ran in `regions` regions whose driver waits until `wanted` have come.
    fn visits(team: &Team, regions: usize, wanted: usize) -> usize {
        let mut total = 0;
        for _ in 0..regions {
            let visits = AtomicUsize::new(0);
            let work = |_| {
                visits.fetch_add(1, Ordering::SeqCst);
                while visits.load(Ordering::SeqCst) < wanted {
                    std::thread::yield_now();
                }
            };
            // SAFETY: one call after the other.
            unsafe { team.run(&work) };
            total += visits.into_inner();
        }
        total
    }

    #[test]
    fn all_come_awake_or_asleep_and_none_twice() {
        let team = Team::new(4);
        assert_eq!(team.threads(), 4);
        assert_eq!(visits(&team, 200, 4), 800);
        for _ in 0..3 {
            std::thread::sleep(20 * SPIN);
            assert_eq!(visits(&team, 1, 4), 4);
        }
        assert!((20_000..=80_000).contains(&visits(&team, 20_000, 1)));
    }

    #[test]
    fn many_more_threads_than_cores_are_never_stuck() {
        let team = Team::new(40);
        assert!(visits(&team, 2_000, 1) >= 2_000);
        assert_eq!(visits(&team, 5, 40), 200);
    }

    #[test]
    fn idle_workers_use_no_core() {
        let team = Team::new(3);
        visits(&team, 1, 3);
        let begin = Instant::now();
        while team.shared.sleepers.load(Ordering::SeqCst) < 2 {
            assert!(begin.elapsed() < Duration::from_secs(20), "still spinning");
            std::thread::yield_now();
        }
    }

    #[test]
    fn panics_reach_the_driver_and_the_team_goes_on() {
        let team = Team::new(3);
        for victim in 0..3 {
            let visits = AtomicUsize::new(0);
            let work = |_| {
                let own = visits.fetch_add(1, Ordering::SeqCst);
                while visits.load(Ordering::SeqCst) < 3 {
                    std::thread::yield_now();
                }
                assert_ne!(own, victim, "visitor {victim}");
            };
            // SAFETY: one call after the other.
            let result = catch_unwind(AssertUnwindSafe(|| unsafe { team.run(&work) }));
            let panic = result.expect_err("one visitor panics");
            let message = panic.downcast_ref::<String>().expect("a formatted message");
            assert!(message.contains(&format!("visitor {victim}")), "{message}");
        }
        assert_eq!(visits(&team, 10, 3), 30);
    }
}
