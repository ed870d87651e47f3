//! Doing one job, and keeping secrets out of what is said about it.

use hark_net::Masks;

use crate::machine::{Job, Outcome, What};
use crate::verify;
use crate::way::Context;

/// Does `job`. Cancelling leaves open whether it was done.
pub async fn perform(job: &Job, context: &Context) -> Outcome {
    let way = &job.zone.way;
    match job.what {
        What::Publish => {
            let mut masks = Masks::default();
            way.secrets().into_iter().for_each(|secret| masks.hide(secret.expose()));
            let published = way.publish(&job.change, context).await;
            Outcome::Published(match published {
                Ok(text) => Ok(masks.clean(&text)),
                Err(mut failure) => {
                    failure.text = masks.clean(&failure.text);
                    Err(failure)
                }
            })
        }
        What::Ask => Outcome::Found(verify::ask(&job.zone, &job.change, context).await),
    }
}
