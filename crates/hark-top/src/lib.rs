//! The live view in a terminal: `hark top`.
//!
//! [`Top`] is what is shown. It says which questions the API is to be asked for it ([`Top::asks`]), takes the
//! answers ([`Top::take`]) and keys ([`Top::press`]), and is drawn with [`draw`]. Who owns the terminal and the
//! connection is `hark`: nothing here reads a clock, waits or sends, so that every screen is a test.
//!
//! | screen | asks for | keys |
//! | --- | --- | --- |
//! | incidents | `overview`, `incidents` | move, open, take, filter |
//! | hosts | `overview`, `hosts` | move, open, look now, filter by text and state |
//! | an incident | `overview`, `incidents/N` | scroll, take, give back |
//! | a host | `overview`, `hosts/NAME`, its metrics, one series | choose metric and range, look now |
//!
//! Lists hold at most [`MOST_ROWS`]: who has more narrows them, as on the page.
#![deny(clippy::indexing_slicing)]

mod ask;
mod draw;
mod keys;
mod rows;
mod state;
mod words;

pub use ask::{Act, Ask};
pub use draw::draw;
pub use keys::{Input, Order};
pub use state::{MOST_ROWS, Top};
