//! The audio callbacks' ends of the queues: whatever the worker does, they must not allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use denoised::pipeline::queue::{capture_queue, playback_queue};

struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn capture_neither_allocates_nor_frees() {
    let (mut side, mut drain) = capture_queue(std::thread::current());
    drain.state().set_bounds(0, 50_000);
    let period = vec![0.1; 960];
    let before = CALLS.get();
    assert!(before > 0, "the counter counts");
    for n in 0..10_000 {
        side.push(&period, 2);
        // At times the worker keeps up, at times it does not, in the end it is gone.
        while n % 1000 < 500 && drain.pop(|_, _, _| ()) {}
    }
    assert_eq!(CALLS.get(), before);
    assert!(drain.state().dropped_samples() > 0);
    drop(drain);
    let before = CALLS.get();
    for _ in 0..10_000 {
        side.push(&period, 2);
    }
    assert_eq!(CALLS.get(), before);
}

#[test]
fn playback_neither_allocates_nor_frees() {
    let (mut feed, mut side) = playback_queue();
    feed.state().set_bounds(1920, 9600);
    let mut period = vec![0.1; 960];
    let before = CALLS.get();
    for n in 0..10_000 {
        // Too little, just enough, far too much.
        for _ in 0..n / 500 % 3 {
            feed.push(&period, 2);
        }
        side.pull(&mut period, 2);
    }
    assert_eq!(CALLS.get(), before);
    assert!(feed.state().underruns() > 0 && feed.state().dropped_samples() > 0);
    drop(feed);
    let before = CALLS.get();
    for _ in 0..1000 {
        side.pull(&mut period, 2);
    }
    assert_eq!(CALLS.get(), before);
}
