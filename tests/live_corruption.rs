//! The live corruption runs in the audio path: it must not allocate there.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use denoised::corruption::live::LiveCorruption;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn processing_does_not_allocate_even_when_the_noise_repeats() {
    let mut live = LiveCorruption::new(&"snr=5,noise=pink".parse().unwrap(), 1).unwrap();
    let mut frame = [0.1f32; 480];
    let before = ALLOCATIONS.get();
    assert!(before > 0, "the counter counts");
    for _ in 0..4000 {
        frame.fill(0.1);
        live.process(&mut frame);
    }
    assert_eq!(ALLOCATIONS.get(), before);
    assert!(frame != [0.1; 480]);
}
