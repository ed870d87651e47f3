use std::path::Path;

use proptest::prelude::*;

use super::*;

fn columns_of(frames: &[(i64, Vec<Item>)], n_series: usize) -> Columns {
    let encoded: Vec<(i64, Vec<u8>)> = frames
        .iter()
        .map(|(at, items)| {
            let mut out = Vec::new();
            for item in items {
                encode_item(*item, &mut out);
            }
            (*at, out)
        })
        .collect();
    Columns::of(encoded.iter().map(|(at, bytes)| (*at, bytes.as_slice())), n_series)
}

fn check_round_trip(frames: &[(i64, Vec<Item>)], n_series: usize) {
    let bytes = encode(&columns_of(frames, n_series));
    let chunk = Chunk::open(&bytes).unwrap();
    let times: Vec<i64> = frames.iter().map(|f| f.0).collect();
    if !times.is_empty() {
        assert_eq!(chunk.times().unwrap(), times);
    }
    for series in 0..n_series {
        let column = chunk.column(series).unwrap();
        for (at, frame) in frames.iter().enumerate() {
            assert_eq!(column.item(at), frame.1[series], "series {series} frame {at}");
        }
    }
}

fn sample() -> Vec<(i64, Vec<Item>)> {
    (0..100i64)
        .map(|n| {
            let odd = if n % 10 == 3 { Item::Float(1e300) } else { Item::Scaled(n * n) };
            let gap = if n > 50 { Item::Absent } else { Item::Scaled(-n) };
            let items = vec![Item::Scaled(7), Item::Scaled(n % 13), odd, gap, Item::Absent];
            (1_700_000_000_000 + n * 15_000 + n % 3, items)
        })
        .collect()
}

fn golden(version: &str) -> Vec<u8> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    std::fs::read(golden.join(version).join("chunk.bin")).unwrap()
}

#[test]
fn chunks_of_every_version_are_read_and_keep_it_when_columns_are_let_go() {
    let frames = sample();
    for (number, version) in (1..).zip(["v1", "v2"]) {
        let stored = golden(version);
        assert_eq!(stored[0], number);
        let Some(Without::Other(thinned)) = without(&stored, &[true, false, false, false, false])
        else {
            panic!("the first column of {version} is let go");
        };
        assert_eq!(thinned[0], number);
        for (bytes, first) in [(&stored, 0), (&thinned, 1)] {
            let chunk = Chunk::open(bytes).unwrap();
            assert_eq!(chunk.times().unwrap(), frames.iter().map(|f| f.0).collect::<Vec<_>>());
            for series in first..5 {
                let column = chunk.column(series).unwrap();
                for (at, frame) in frames.iter().enumerate() {
                    assert_eq!(column.item(at), frame.1[series], "{version}");
                }
            }
        }
    }
    assert_eq!(Chunk::open(&chunk_of_version(0)).map(drop), None);
    assert_eq!(Chunk::open(&chunk_of_version(VERSION + 1)).map(drop), None);
}

fn chunk_of_version(version: u8) -> Vec<u8> {
    let mut bytes = encode(&columns_of(&sample(), 5));
    bytes[0] = version;
    let n = bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[..n]);
    bytes[n..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn columns_are_let_go_and_the_others_stay_as_they_lie_there() {
    let frames = sample();
    let bytes = encode(&columns_of(&frames, 5));
    for gone in 0..32u8 {
        let gone: Vec<bool> = (0..5).map(|n| gone & (1 << n) != 0).collect();
        let emptied: Vec<(i64, Vec<Item>)> = frames
            .iter()
            .map(|(at, items)| {
                let left = items.iter().zip(&gone);
                let left = left.map(|(item, gone)| if *gone { Item::Absent } else { *item });
                (*at, left.collect())
            })
            .collect();
        // The last one never had a value.
        let expected = match &gone[..4] {
            [true, true, true, true] => Without::Nothing,
            [false, false, false, false] => Without::Same,
            _ => Without::Other(encode(&columns_of(&emptied, 5))),
        };
        assert_eq!(without(&bytes, &gone), Some(expected), "{gone:?}");
    }
    assert_eq!(without(&bytes[1..], &[true; 5]), None);
    let mut columns = columns_of(&frames, 5);
    columns.let_go(&[true, false, true, true, false]);
    assert_eq!((columns.times.len(), columns.series[1].item(3)), (100, Item::Scaled(3)));
    columns.let_go(&[false, true, false, false, false]);
    assert!(columns.times.is_empty());
}

#[test]
fn a_damaged_chunk_is_refused() {
    let bytes = encode(&columns_of(&sample(), 5));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(Chunk::open(&damaged).is_none(), "byte {at}");
        assert!(Chunk::open(&bytes[..at]).is_none());
    }
}

#[test]
fn frames_with_too_few_or_too_many_items_are_left_out_and_counted() {
    let frames = vec![
        (1, vec![Item::Scaled(1), Item::Scaled(2)]),
        (2, vec![Item::Scaled(1)]),
        (3, vec![Item::Scaled(1), Item::Scaled(2), Item::Scaled(3)]),
        (4, vec![Item::Scaled(5), Item::Absent]),
    ];
    let columns = columns_of(&frames, 2);
    assert_eq!((columns.times.as_slice(), columns.damaged), ([1, 4].as_slice(), 2));
    assert_eq!(columns.series[0], Column::Integers(vec![1, 5]));
    assert_eq!(columns.series[1], Column::Items(vec![Item::Scaled(2), Item::Absent]));
}

fn any_item() -> impl Strategy<Value = Item> {
    prop_oneof![
        4 => (-1000i64..1000).prop_map(Item::Scaled),
        1 => (i64::MIN / 2..=i64::MAX / 2).prop_map(Item::Scaled),
        1 => any::<f64>().prop_filter("no value", |v| !v.is_nan()).prop_map(Item::Float),
        1 => Just(Item::Absent),
    ]
}

proptest! {
    #[test]
    fn every_item_comes_back(
        items in prop::collection::vec(prop::collection::vec(any_item(), 3), 1..80),
        start in -1_000_000i64..1_000_000,
        steps in prop::collection::vec(1i64..100_000, 80),
    ) {
        let mut at = start;
        let frames: Vec<_> = items
            .into_iter()
            .zip(steps)
            .map(|(items, step)| {
                at += step;
                (at, items)
            })
            .collect();
        check_round_trip(&frames, 3);
    }

    #[test]
    fn every_bit_of_a_number_comes_back(
        all in prop::collection::vec((any::<u64>(), any::<i64>(), 0u8..4), 1..200),
    ) {
        let odd = [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 5e-324];
        let items: Vec<Item> = all
            .iter()
            .map(|(bits, scaled, kind)| match kind {
                0 => Item::Float(f64::from_bits(*bits)),
                1 => Item::Float(odd[usize::try_from(bits % 7).unwrap()]),
                2 => Item::Scaled(*scaled),
                _ => Item::Absent,
            })
            .collect();
        let times: Vec<i64> = (0..).take(items.len()).collect();
        let columns = Columns { times, series: vec![Column::of(&items)], damaged: 0 };
        let bytes = encode(&columns);
        let column = Chunk::open(&bytes).unwrap().column(0).unwrap();
        for (at, item) in items.iter().enumerate() {
            match (column.item(at), item) {
                (Item::Float(read), Item::Float(written)) => {
                    prop_assert_eq!(read.to_bits(), written.to_bits());
                }
                (read, written) => prop_assert_eq!(read, *written),
            }
        }
    }

    #[test]
    fn integers_of_any_size_come_back(values in prop::collection::vec(any::<i64>(), 1..200)) {
        let mut out = Vec::new();
        encode_integers(&values, &mut out);
        let chunk = Chunk { n_frames: values.len(), columns: vec![&out] };
        prop_assert_eq!(chunk.times().unwrap(), values);
    }
}
