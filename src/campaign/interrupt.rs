//! Ctrl-C: the first stops at the next safe place, the second at once.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C sets the flag.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let installed = ctrlc::set_handler(|| {
            if REQUESTED.swap(true, Ordering::Relaxed) {
                std::process::exit(1);
            }
            eprintln!("\nstopping; run the same command again to go on (Ctrl-C again: at once)");
        });
        if let Err(error) = installed {
            tracing::warn!("Ctrl-C will stop at once: {error}");
        }
    });
}

/// The flag that long work looks at.
pub fn flag() -> &'static AtomicBool {
    &REQUESTED
}

/// Whether to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
