//! Days and hours in which something applies, and when something is to happen again.
//!
//! An [`ActiveWindow`] says for each moment whether it is inside, and when that next changes. People write
//! it as `mon-fri 08:00-18:00, sat 10:00-12:00`; see [`ActiveWindow::parse`]. Hours are those of the clock
//! on the wall in the window's time zone: where the clocks are put forward an hour of it is missing,
//! where they are put back it is there twice.
//!
//! A [`Rota`] says who is on call when, and [`calendar`] writes that for calendar programs.
//!
//! A [`Recurrence`] says when something is to happen the next time: after a while, or by a pattern of cron.
//!
//! Deliberately absent: a clock (moments are arguments), holidays, and what a window is good for.

#![deny(clippy::indexing_slicing)]

mod ical;
mod parse;
mod read;
mod read_rota;
mod recurrence;
mod rota;
mod seed;
mod window;

pub use ical::calendar;
pub use parse::WindowError;
pub use read::{ACTIVE, KEYS};
pub use read_rota::ROTA_KEYS;
pub use recurrence::{Recurrence, RecurrenceError};
pub use rota::{MAX_SHIFTS, Rota, Shift};
pub use seed::Monday;
pub use window::ActiveWindow;
