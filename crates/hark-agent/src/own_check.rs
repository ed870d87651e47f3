//! Checks of the agent itself, which tell the server how it is with its settings.

use hark_model::check::CheckResult;
use hark_model::name::CheckName;
use hark_model::{Next, Now, Status};
use hark_proto::ReportItem;

/// Returns the result of one, which comes again only when it changes.
pub(crate) fn result(
    check: &'static str,
    status: Status,
    mut text: String,
    now: Now,
) -> ReportItem {
    text.truncate(text.floor_char_boundary(CheckResult::MAX_TEXT));
    ReportItem::Result(CheckResult {
        check: CheckName::new(check).expect("a name without control characters, and short"),
        status,
        text,
        began_at: now.unix,
        took_ms: 0,
        values: Vec::new(),
        limits: Vec::new(),
        next: Next::Whenever,
    })
}
