//! Samples that programs bring.

use hark_web::{Answer, Credentials, Inlet, Parcel, Receipt};

use super::ServerBackend;

impl Inlet for ServerBackend {
    fn source(&self, credentials: &Credentials) -> Answer<Option<String>> {
        Ok(self.links.inlets.source_of(credentials))
    }

    fn take_parcel(&self, parcel: &Parcel) -> Answer<Receipt> {
        Ok(self.links.inlets.take(&self.links, parcel))
    }
}
