//! Tables of settings and facts, put together of those that several types share.

/// Returns the entries of both tables. `N` must be the sum of their lengths; the compiler refuses
/// another number.
pub(crate) const fn join<T: Copy, const N: usize>(first: &[T], second: &[T]) -> [T; N] {
    assert!(first.len() + second.len() == N, "N is the sum of both lengths");
    let some = if first.is_empty() { second[0] } else { first[0] };
    let mut all = [some; N];
    let mut n = 0;
    while n < N {
        all[n] = if n < first.len() { first[n] } else { second[n - first.len()] };
        n += 1;
    }
    all
}
