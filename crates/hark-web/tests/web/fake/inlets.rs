//! Programs that bring samples.

use hark_web::{Answer, Credentials, Inlet, Parcel, Receipt};

use super::Fake;

impl Inlet for Fake {
    fn source(&self, credentials: &Credentials) -> Answer<Option<String>> {
        let said = credentials.authorization.as_ref().or(credentials.password.as_ref());
        let is_good = said.is_some_and(|said| said.expose().ends_with("0123456789abcdef"));
        Ok(is_good.then(|| "prom".to_owned()))
    }

    fn take_parcel(&self, parcel: &Parcel) -> Answer<Receipt> {
        let Parcel { door, content_type, encoding, precision, database, body, .. } = parcel;
        let body = String::from_utf8_lossy(body);
        Ok(Receipt {
            status: 200,
            retry_after: Some(7),
            headers: vec![("x-prometheus-remote-write-samples-written", "3".to_owned())],
            content_type: "text/plain",
            body: format!("{door:?} {content_type} {encoding} {precision} {database} {body}")
                .into(),
        })
    }
}
