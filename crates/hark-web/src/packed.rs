//! The fleet as it goes over the network to who takes it packed: a tenth of what it is else, since its columns repeat
//! themselves.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hark_api::fleet::Fleet;
use hark_model::Mono;

use crate::app::Shared;
use crate::failure::{Failure, Reply};

/// How long a packed answer is sent again while no state, text or tag changes: its values and times are older by so much.
/// So packing costs a few hundredths of a core at most, however many browsers come at once.
const FRESH: Duration = Duration::from_secs(2);

/// The last answer that was packed, with its version and until when it is fresh. One: nearly all who look at a large
/// fleet see all of it, and what others see is packed for each.
#[derive(Debug, Default)]
pub(crate) struct Packed(Mutex<Option<(String, Mono, Bytes)>>);

impl Packed {
    fn fresh(&self, version: &str, now: Mono) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, until, bytes) = kept.as_ref()?;
        (known == version && now < *until).then(|| bytes.clone())
    }

    fn keep(&self, version: &str, bytes: &Bytes, now: Mono) {
        let kept = (version.to_owned(), now + FRESH, bytes.clone());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }
}

/// Returns `fleet` as JSON, packed. That is done where the backend is asked, beside the network.
pub(crate) async fn fleet(app: &Shared, fleet: Fleet) -> Reply<Bytes> {
    let (version, now) = (fleet.etag.clone(), app.now().mono);
    if let Some(bytes) = app.packed_fleet.fresh(&version, now) {
        return Ok(bytes);
    }
    let bytes = app.ask(move |_| Ok(pack(&fleet))).await?.ok_or(Failure::Internal)?;
    app.packed_fleet.keep(&version, &bytes, now);
    Ok(bytes)
}

/// Packs fast rather than small: it is done while somebody waits.
fn pack(fleet: &Fleet) -> Option<Bytes> {
    let json = serde_json::to_vec(fleet).ok()?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&json).ok()?;
    Some(Bytes::from(encoder.finish().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_sent_again_for_its_version_while_it_is_fresh() {
        let packed = Packed::default();
        let now = Mono(1_000_000);
        assert_eq!(packed.fresh("r1", now), None);
        packed.keep("r1", &Bytes::from_static(b"x"), now);
        assert!(packed.fresh("r1", now + FRESH - Duration::from_millis(1)).is_some());
        assert_eq!(packed.fresh("r1", now + FRESH), None, "its values are old");
        assert_eq!(packed.fresh("r1-another", now), None, "of what another sees");
    }
}
