//! Doing one job, and keeping secrets out of what is said about it.

use crate::call::masked;
use crate::machine::{Job, Outcome, What};
use crate::verify;
use crate::way::Context;

/// Does `job`. Cancelling leaves open whether it was done.
pub async fn perform(job: &Job, context: &Context) -> Outcome {
    let way = &job.zone.way;
    match job.what {
        What::Publish => {
            let secrets = way.secrets();
            let published = way.publish(&job.change, context).await;
            Outcome::Published(match published {
                Ok(text) => Ok(masked(&text, &secrets)),
                Err(mut failure) => {
                    failure.text = masked(&failure.text, &secrets);
                    Err(failure)
                }
            })
        }
        What::Ask => Outcome::Found(verify::ask(&job.zone, &job.change, context).await),
    }
}
