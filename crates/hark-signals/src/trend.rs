//! Lines through points that single jumps do not turn, and when they reach something.
//!
//! The slope is the median of the slopes of all pairs of points (Theil 1950, Sen 1968): up to 29 % of the
//! points may be anywhere. Whether it is there at all is asked by counting how many pairs rise and how many
//! fall (Kendall), whether it may be carried on by comparing what it explains with what it leaves over.

use hark_model::Unix;

use crate::stats::{median, scatter};
use crate::teeth::Teeth;

/// Fewer points make no line.
const LEAST_POINTS: usize = 8;

/// So many standard deviations the count of rising pairs must be from that of chance: one in 400.
const SURE: f64 = 3.0;

/// The growth must be so many times what the points are away from the line. Where something was said already it
/// is kept until half of that, so that a forecast does not come and go with the noise.
const CLEAR: f64 = 4.0;

/// The part of the points that is newest, by which it is known whether growth goes on: a third.
const RECENT: usize = 3;

/// If the newest part grows by less than this share of the whole, growth has come to an end.
const GOES_ON: f64 = 0.25;

/// What has become so many times faster is told by its newest part alone.
const FASTER: f64 = 1.25;

/// A line through points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// By how much it grows in a second; negative if it falls.
    pub slope: f64,
    /// Where the line is at the newest point.
    pub level: f64,
    /// When that was.
    pub at: Unix,
    /// How long the points reach back, in seconds.
    pub span_s: f64,
    /// Through how many points.
    pub points: usize,
    /// How far the points usually are from the line, as a standard deviation.
    pub scatter: f64,
    /// Rising pairs less falling ones, in standard deviations of what chance makes of it.
    pub surely: f64,
}

impl Fit {
    /// Returns how many times the change along the line is what the points are away from it.
    pub fn clearness(&self) -> f64 {
        let change = (self.slope * self.span_s).abs();
        if self.scatter > 0.0 { change / self.scatter } else { f64::INFINITY }
    }

    /// Returns where the line is at some time.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of days")]
    pub fn value_at(&self, at: Unix) -> f64 {
        self.level + self.slope * (at.0 - self.at.0) as f64 / 1000.0
    }
}

/// Lays a line through points that ascend in time; `None` through fewer than eight.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of days, and a few points")]
pub fn theil_sen(points: &[(Unix, f64)]) -> Option<Fit> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    let n = points.len();
    if n < LEAST_POINTS || last <= first {
        return None;
    }
    let back = |at: Unix| (at.0 - last.0) as f64 / 1000.0;
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    let mut rising = 0_i32;
    for (i, (at, value)) in points.iter().enumerate() {
        for (later, other) in points.iter().skip(i + 1) {
            let seconds = back(*later) - back(*at);
            if seconds > 0.0 {
                slopes.push((other - value) / seconds);
                rising += i32::from(other > value) - i32::from(other < value);
            }
        }
    }
    let slope = median(&mut slopes)?;
    let left = |(at, value): &(Unix, f64)| value - slope * back(*at);
    let level = median(&mut points.iter().map(left).collect::<Vec<_>>())?;
    let n = n as f64;
    // The standard deviation of Kendall's count where there is no trend.
    let chance = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    Some(Fit {
        slope,
        level,
        at: last,
        span_s: -back(first),
        points: points.len(),
        scatter: scatter(points.iter().map(left), level)?,
        surely: f64::from(rising) / chance,
    })
}

/// Which way something runs full or dry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Toward {
    /// It grows up to this.
    Up(f64),
    /// It falls down to this.
    Down(f64),
}

impl Toward {
    /// Returns what is reached.
    pub fn border(self) -> f64 {
        match self {
            Self::Up(border) | Self::Down(border) => border,
        }
    }

    /// Returns true if a value has reached it.
    pub fn is_reached(self, value: f64) -> bool {
        match self {
            Self::Up(border) => value >= border,
            Self::Down(border) => value <= border,
        }
    }

    /// Returns 1 if it grows, -1 if it falls.
    pub fn sign(self) -> f64 {
        match self {
            Self::Up(_) => 1.0,
            Self::Down(_) => -1.0,
        }
    }
}

/// Why nothing is said of the future.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quiet {
    /// It neither grows nor falls steadily.
    Still,
    /// It moves the other way.
    Away,
    /// It did grow, and does so no more.
    Stopped,
    /// The values lie too far from any line.
    Scattered,
    /// It was this high before and came back by itself, so many times; and how high it was.
    ComesBack {
        /// How often.
        times: usize,
        /// The height that it came back from; the second highest of them.
        from: f64,
    },
}

/// What is expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outlook {
    /// It is there.
    Reached,
    /// It will be there.
    Reaches {
        /// In how many seconds from the newest point on.
        in_s: f64,
        /// By this line.
        fit: Fit,
    },
    /// Nothing is expected.
    Quiet(Quiet, Option<Fit>),
}

/// Returns the line by which a series moves steadily, else why none is believed. `held` is true where one was
/// believed before.
///
/// # Errors
/// Why not, and the line that is not believed if there is one.
pub fn steady(points: &[(Unix, f64)], held: bool) -> Result<Fit, (Quiet, Option<Fit>)> {
    let Some(fit) = theil_sen(points) else { return Err((Quiet::Still, None)) };
    let newest = &points[points.len() - (points.len() / RECENT).max(1)..];
    let recent = theil_sen(newest).filter(|recent| believed(recent, held));
    if believed(&fit, held) {
        let still_slope = median_slope(newest).unwrap_or(fit.slope);
        let goes_on = if held { GOES_ON / 2.0 } else { GOES_ON };
        if still_slope * fit.slope.signum() >= fit.slope.abs() * goes_on {
            // What has become faster is known by its newest part.
            let faster = recent.filter(|recent| recent.slope.abs() > fit.slope.abs() * FASTER);
            return Ok(faster.unwrap_or(fit));
        }
        return recent.ok_or((Quiet::Stopped, Some(fit)));
    }
    if let Some(recent) = recent {
        return Ok(recent);
    }
    let why = if fit.surely.abs() < SURE { Quiet::Still } else { Quiet::Scattered };
    Err((why, Some(fit)))
}

fn believed(fit: &Fit, held: bool) -> bool {
    let clear = if held { CLEAR / 2.0 } else { CLEAR };
    fit.surely.abs() >= SURE && fit.slope != 0.0 && fit.clearness() >= clear
}

fn median_slope(points: &[(Unix, f64)]) -> Option<f64> {
    theil_sen(points).map(|fit| fit.slope)
}

/// Returns what is expected of a series whose newest value is `newest`.
pub fn outlook(
    points: &[(Unix, f64)],
    newest: f64,
    toward: Toward,
    teeth: &Teeth,
    held: bool,
) -> Outlook {
    if toward.is_reached(newest) {
        return Outlook::Reached;
    }
    let fit = match steady(points, held) {
        Ok(fit) => fit,
        Err((why, fit)) => return Outlook::Quiet(why, fit),
    };
    if fit.slope * toward.sign() <= 0.0 {
        return Outlook::Quiet(Quiet::Away, Some(fit));
    }
    let left = (toward.border() - newest).abs();
    if let Some((times, from)) = teeth.came_back(newest, left, toward) {
        return Outlook::Quiet(Quiet::ComesBack { times, from }, Some(fit));
    }
    Outlook::Reaches { in_s: left / fit.slope.abs(), fit }
}

#[cfg(test)]
mod tests;
