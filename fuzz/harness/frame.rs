//! Feeds bytes to the reader of sample frames.

use hark_model::frame::{ValueReader, check_values, encode_item, scale};

/// Must end without a panic for any input, and accept one form of each frame only.
pub(crate) fn run(input: &[u8]) {
    let mut items = Vec::new();
    for item in ValueReader::new(input) {
        let Ok(item) = item else {
            assert!(check_values(input, items.len()).is_err());
            return;
        };
        let _: f64 = scale(item, 1);
        items.push(item);
    }
    assert!(items.len() <= input.len());
    assert_eq!(check_values(input, items.len()), Ok(()));
    let mut again = Vec::new();
    for item in items {
        encode_item(item, &mut again);
    }
    assert_eq!(again, input);
}
