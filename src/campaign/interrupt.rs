//! Ctrl-C, and the signals by which systems end programs (SIGTERM; SIGHUP of a terminal that closes):
//! the first stops at the next safe place, a second one later at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};
use std::time::{Duration, Instant};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Signals nearer together are one: schedulers send several, and `timeout` each one twice.
const ONE: Duration = Duration::from_secs(1);

/// From now on these signals set the flag.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let installed = unless_ignored(|| ctrlc::set_handler(stop));
        if let Err(error) = installed {
            tracing::warn!("Ctrl-C will stop at once: {error}");
        }
    });
}

fn stop() {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let first = *FIRST.get_or_init(Instant::now);
    if REQUESTED.swap(true, Ordering::Relaxed) {
        if first.elapsed() > ONE {
            std::process::exit(1);
        }
        return;
    }
    eprintln!("\nstopping; run the same command again to go on (Ctrl-C again: at once)");
}

/// Sets handlers, but leaves SIGHUP ignored where it was: `nohup` asks for that.
#[cfg(unix)]
fn unless_ignored<T>(set: impl FnOnce() -> T) -> T {
    // SAFETY: nothing but what is done on a signal is read and set, to values that were there.
    let before = unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    let result = set();
    if before == libc::SIG_IGN {
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGHUP, before) };
    }
    result
}

#[cfg(not(unix))]
fn unless_ignored<T>(set: impl FnOnce() -> T) -> T {
    set()
}

/// The flag that long work looks at.
pub fn flag() -> &'static AtomicBool {
    &REQUESTED
}

/// Whether to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
