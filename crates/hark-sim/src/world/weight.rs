//! What a part of a test holds in memory: an allocator that counts on one thread while it is asked to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Passes everything on to the system's allocator.
struct Counting;

fn note(bytes: usize, sign: isize) {
    if COUNTS.get() {
        HELD.set(HELD.get() + sign * isize::try_from(bytes).unwrap_or(isize::MAX));
    }
}

#[expect(unsafe_code, reason = "an allocator that counts cannot be written without")]
// SAFETY: every call is passed on to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(layout.size(), -1);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Does `act`; what it keeps is weighed.
pub(super) fn weighed<T>(act: impl FnOnce() -> T) -> T {
    let before = COUNTS.replace(true);
    let result = act();
    COUNTS.set(before);
    result
}

/// Does `act` within what is weighed, without weighing it.
pub(super) fn unweighed<T>(act: impl FnOnce() -> T) -> T {
    let before = COUNTS.replace(false);
    let result = act();
    COUNTS.set(before);
    result
}

/// Returns the bytes that all weighed acts of this thread have kept so far.
pub(super) fn held() -> isize {
    HELD.get()
}

#[test]
fn only_what_is_kept_and_asked_for_weighs() {
    let before = held();
    let kept = weighed(|| {
        drop(vec![0_u8; 5000]);
        drop(unweighed(|| vec![0_u8; 0]));
        vec![0_u8; 3000]
    });
    let other = vec![0_u8; 7000];
    assert_eq!(held() - before, 3000);
    weighed(|| drop(kept));
    assert_eq!(held() - before, 0);
    drop(other);
}
