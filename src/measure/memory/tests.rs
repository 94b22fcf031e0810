//! The library's tests run on the counting allocator, in many threads at once: what they assert of
//! the global numbers holds whatever the other tests do.

use super::*;

#[global_allocator]
static GLOBAL: CountingAllocator = CountingAllocator;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("valid")
}

#[test]
fn classes_hold_their_sizes_and_waste_at_most_an_eighth() {
    let mut last = 0;
    for class in 0..CLASSES {
        let size = class_size(class);
        assert!(size > last, "class {class}");
        assert_eq!(class_of(layout(size, 64)), Some(class));
        assert_eq!(class_of(layout(size, 1)), Some(class));
        if class > 0 {
            assert_eq!(class_of(layout(last + 1, 4)), Some(class));
            assert!(
                (size - last) * 8 <= last.next_power_of_two(),
                "class {class}"
            );
        }
        last = size;
    }
    assert_eq!(class_of(layout(LARGE - 1, 1)), None);
    assert_eq!(class_of(layout(1 << 20, 128)), None);
}

#[test]
fn blocks_are_aligned_zeroed_and_keep_their_contents() {
    for align in [1, 4, 16, 64, 128, 4096] {
        for size in [1, 100, LARGE - 1, LARGE, LARGE + 1, 300_000, 5 << 20] {
            // SAFETY: used within its size, freed with the layout it was made with.
            unsafe {
                for _ in 0..3 {
                    let block = GLOBAL.alloc(layout(size, align));
                    assert_eq!(block as usize % align, 0);
                    if size >= LARGE {
                        assert_eq!(block as usize % 64, 0);
                    }
                    block.write_bytes(0xA5, size);
                    GLOBAL.dealloc(block, layout(size, align));
                    let block = GLOBAL.alloc_zeroed(layout(size, align));
                    assert!((0..size).all(|i| *block.add(i) == 0));
                    block.write_bytes(0xA5, size);
                    GLOBAL.dealloc(block, layout(size, align));
                }
            }
        }
    }
}

#[test]
fn reallocation_keeps_contents_and_alignment_over_every_border() {
    let sizes = [10, LARGE - 1, LARGE, LARGE + 10, 1 << 20, (1 << 20) + 1];
    for align in [1, 64, 256] {
        for from in sizes {
            for to in sizes {
                // SAFETY: used within its size; the layout follows the reallocation.
                unsafe {
                    let block = GLOBAL.alloc(layout(from, align));
                    for i in 0..from {
                        block.add(i).write(i as u8);
                    }
                    let moved = GLOBAL.realloc(block, layout(from, align), to);
                    assert_eq!(moved as usize % align, 0);
                    assert!((0..from.min(to)).all(|i| *moved.add(i) == i as u8));
                    moved.write_bytes(1, to);
                    GLOBAL.dealloc(moved, layout(to, align));
                }
            }
        }
    }
}

#[test]
fn a_kept_block_is_used_again() {
    let mut kept = Kept {
        heads: [null_mut(); CLASSES],
        kept: 0,
        live: 0,
        high: 0,
    };
    let class = class_of(layout(1 << 20, 4)).expect("large");
    assert_eq!(kept.take(class), None);
    // SAFETY: a block of this class, as the caller of `take` makes it.
    let block = unsafe { System.alloc(class_layout(class)) };
    // SAFETY: of this class, unused.
    unsafe { kept.put(class, block) };
    assert_eq!((kept.live, kept.kept), (0, 1 << 20));
    assert_eq!(kept.take(class), Some(block));
    assert_eq!((kept.live, kept.kept), (1 << 20, 0));
    // SAFETY: of this class, unused.
    unsafe { kept.put(class, block) };
    kept.shrink_to(0);
    assert_eq!(kept.kept, 0);
}

#[test]
fn what_is_kept_stays_bounded_whatever_is_asked() {
    let mut kept = Kept {
        heads: [null_mut(); CLASSES],
        kept: 0,
        live: 0,
        high: 0,
    };
    // One block at a time, of ever other classes: at most 8 MiB are in use at once.
    for round in 0..3 {
        for class in 0..=class_of(layout(8 << 20, 4)).expect("large") {
            let block = kept.take(class).unwrap_or_else(|| {
                // SAFETY: not empty.
                unsafe { System.alloc(class_layout(class)) }
            });
            assert!(kept.live + kept.kept <= bound(kept.high), "round {round}");
            // SAFETY: of this class, unused.
            unsafe { kept.put(class, block) };
            assert!(kept.live + kept.kept <= bound(kept.high), "round {round}");
        }
    }
    assert!(kept.kept > 8 << 20, "smaller blocks are kept");
    kept.shrink_to(0);
    assert_eq!(kept.kept, 0);
}

#[test]
fn bytes_in_use_are_counted() {
    // Far more than the other tests use at once.
    const SIZE: usize = 1 << 30;
    let before = live();
    let block = Vec::<u8>::with_capacity(SIZE);
    assert!(is_counting() && live() + (SIZE / 2) >= before + SIZE);
    assert!(peak() >= SIZE);
    drop(block);
    assert!(live() < before + SIZE / 2);
}

#[test]
fn threads_do_not_share_blocks() {
    std::thread::scope(|scope| {
        for id in 0..4u8 {
            scope.spawn(move || {
                for i in 0..2000usize {
                    let size = LARGE + (i * 7919) % (4 * LARGE);
                    let mut mine = vec![id; size];
                    mine.extend_from_slice(&[id; 1000]);
                    assert!(mine.iter().all(|&b| b == id));
                }
            });
        }
    });
}
