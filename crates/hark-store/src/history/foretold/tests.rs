use proptest::prelude::*;

use super::*;

fn coded_of(values: &[i64]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    encode(values, &mut out).then_some(out)
}

fn check(values: &[i64]) -> usize {
    let bytes = coded_of(values).unwrap();
    assert_eq!(decode(&mut Reader::new(&bytes), values.len()).unwrap(), values);
    bytes.len()
}

/// Numbers without a pattern, always the same.
fn noise(n: usize, below: u64) -> Vec<i64> {
    let mut state = 7u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((state >> 33) % below).cast_signed()
    };
    (0..n).map(next).collect()
}

#[test]
fn what_is_regular_takes_nearly_nothing() {
    let n = 1000;
    let line: Vec<i64> = (0..n).map(|at| 1_700_000_000_000 + at * 15_000).collect();
    assert!(check(&line) < 40, "{}", check(&line));
    let one: Vec<i64> = (0..n).map(|at| i64::from(at == 500)).collect();
    assert!(check(&one) < 40, "{}", check(&one));
    let pages: Vec<i64> = noise(1000, 16).iter().map(|v| 1 << 30 | v << 20).collect();
    assert!(check(&pages) < 600, "four bits each: {}", check(&pages));
}

#[test]
fn noise_takes_what_it_must() {
    for bits in [2, 5, 9, 20, 30] {
        let values = noise(2000, 1 << bits);
        let bytes = check(&values);
        assert!(bytes * 8 < 2000 * bits + 2000, "{bits} bits: {bytes} bytes");
    }
}

#[test]
fn what_lies_too_far_apart_is_left_to_others() {
    let most = MOST.cast_signed();
    for far in [most, -most] {
        check(&[0, far]);
        check(&[5, 5 + far, 5 - far, 5 + far, 5, 6]);
    }
    for far in [most + 1, -most - 1, i64::MAX, i64::MIN] {
        assert_eq!(coded_of(&[0, far]), None);
        assert_eq!(coded_of(&[far, 0, far]), None);
    }
    assert_eq!(coded_of(&[i64::MIN, i64::MAX]), None);
    check(&[i64::MAX, i64::MAX - 3, i64::MAX - 9]);
    check(&[i64::MIN, i64::MIN + 2]);
}

#[test]
fn damaged_bytes_are_read_without_panic() {
    let values: Vec<i64> = (0..300).zip(noise(300, 1 << 40)).map(|(a, b)| a * b).collect();
    let bytes = coded_of(&values).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let read = decode(&mut Reader::new(&damaged), values.len());
            assert!(read.is_none_or(|read| read.len() == values.len()));
        }
        let cut = decode(&mut Reader::new(&bytes[..at]), values.len());
        assert!(cut.is_none_or(|read| read.len() == values.len()));
    }
}

fn any_walk() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![Just(0i64), -3i64..4, -1000i64..1000, any::<i32>().prop_map(i64::from)];
    (any::<i32>(), 1i64..5000, prop::collection::vec(step, 1..400)).prop_map(
        |(first, by, steps)| {
            let mut at = i64::from(first);
            steps
                .into_iter()
                .map(|step| {
                    at += step * by;
                    at
                })
                .collect()
        },
    )
}

proptest! {
    #[test]
    fn walks_come_back(values in any_walk()) {
        check(&values);
    }

    #[test]
    fn any_integers_come_back_or_are_refused(values in prop::collection::vec(any::<i64>(), 1..50), shift in 0u32..64) {
        let values: Vec<i64> = values.into_iter().map(|v| v >> shift).collect();
        if let Some(bytes) = coded_of(&values) {
            prop_assert_eq!(decode(&mut Reader::new(&bytes), values.len()).unwrap(), values);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), n in 0usize..300) {
        let read = decode(&mut Reader::new(&bytes), n);
        prop_assert!(read.is_none_or(|read| read.len() == n));
    }
}
