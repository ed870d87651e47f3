//! Limits as a layer of the configuration gives them, and what they resolve to.

use std::sync::Arc;
use std::time::Duration;

use hark_model::Unit;
use hark_model::sample::show;

use super::{ConfirmRule, Direction, Limit, OnStale, Operator, Threshold};
use crate::plan::repair::RepairPlan;
use crate::plan::signal::{Measure, Terms};
use crate::words::lasting;

/// The limits of one metric as they stand in one layer of the configuration: every key may be left
/// to the layers below (seed 001, items 141 to 144).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Where warning begins.
    pub warning: Option<f64>,
    /// Where critical begins.
    pub critical: Option<f64>,
    /// How values are compared; `>` by default.
    pub operator: Option<Operator>,
    /// Share of the limit by which a value must come back; 0.1 by default.
    pub hysteresis: Option<f64>,
    /// An absolute value that ends warning, instead of the share.
    pub warning_clear: Option<f64>,
    /// An absolute value that ends critical, instead of the share.
    pub critical_clear: Option<f64>,
    /// See [`ConfirmRule::attempts`]; 1 by default.
    pub attempts: Option<u32>,
    /// See [`ConfirmRule::hold_for`].
    pub hold_for: Option<Duration>,
    /// See [`ConfirmRule::clear_attempts`].
    pub clear_attempts: Option<u32>,
    /// See [`ConfirmRule::keep_firing_for`].
    pub keep_firing_for: Option<Duration>,
    /// See [`Threshold::on_stale`].
    pub on_stale: Option<OnStale>,
    /// See [`Threshold::repair`].
    pub repair: Option<Arc<RepairPlan>>,
    /// See [`Threshold::signal`].
    pub terms: Terms,
}

/// Why limits cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// Neither limit is there.
    #[error("neither `warning` nor `critical` is given")]
    Empty,
    /// The clear value of a level lies on the bad side of its limit.
    #[error(
        "`{key}` is {clear}, on the bad side of the limit {raise}: the level would never be entered and left"
    )]
    ClearSide {
        /// Which key.
        key: &'static str,
        /// Its value.
        clear: String,
        /// The limit.
        raise: String,
    },
    /// Warning begins later than critical.
    #[error("warning ({warning}) lies beyond critical ({critical}): warning must come first")]
    Order {
        /// The warning limit.
        warning: String,
        /// The critical limit.
        critical: String,
    },
    /// A way to make one value of many, and not of which.
    #[error(
        "`by: {by}` makes one value of those of a while: it needs `over`, for example `over: 10m`"
    )]
    NoWindow {
        /// The way.
        by: String,
    },
    /// It is not known when it is full.
    #[error("`full_in` needs `full` or `empty`: the value at which it is so")]
    NoBorder,
    /// It is full and empty.
    #[error("`full` and `empty` exclude each other: something fills up or runs dry")]
    TwoBorders,
}

impl Limits {
    /// The share by which a value must come back, unless given (seed 001, item 114).
    pub const HYSTERESIS: f64 = 0.1;

    /// Lays `over` on top: what it gives wins, key by key (seed 001, item 143).
    pub fn overlay(&mut self, over: &Self) {
        fn put<T>(under: &mut Option<T>, over: Option<T>) {
            if over.is_some() {
                *under = over;
            }
        }
        put(&mut self.warning, over.warning);
        put(&mut self.critical, over.critical);
        put(&mut self.operator, over.operator);
        put(&mut self.hysteresis, over.hysteresis);
        put(&mut self.warning_clear, over.warning_clear);
        put(&mut self.critical_clear, over.critical_clear);
        put(&mut self.attempts, over.attempts);
        put(&mut self.hold_for, over.hold_for);
        put(&mut self.clear_attempts, over.clear_attempts);
        put(&mut self.keep_firing_for, over.keep_firing_for);
        put(&mut self.on_stale, over.on_stale);
        put(&mut self.repair, over.repair.clone());
        self.terms.overlay(&over.terms);
    }

    /// Returns the threshold that these limits make of the value of a series that counts in no unit.
    ///
    /// # Errors
    /// See [`Limits::resolve_as`].
    pub fn resolve(&self) -> Result<Threshold, LimitsError> {
        self.resolve_as(Measure::Value, Unit::None)
    }

    /// Returns the threshold that these limits make of what is measured of a series that counts in `unit`.
    ///
    /// # Errors
    /// If there is no limit, a clear value on the wrong side, a warning stricter than critical, or
    /// something missing from what a signal is derived by (rule 6.4): refused when the configuration is
    /// read, never guessed.
    pub fn resolve_as(&self, measure: Measure, unit: Unit) -> Result<Threshold, LimitsError> {
        let usual = if measure == Measure::FullIn { Operator::Less } else { Operator::Greater };
        let operator = self.operator.unwrap_or(usual);
        let first = self.warning.or(self.critical).unwrap_or_default();
        let signal = self.terms.resolve(measure, unit, first)?;
        if self.warning.is_none() && self.critical.is_none() {
            return Err(LimitsError::Empty);
        }
        if let (Some(warning), Some(critical)) = (self.warning, self.critical) {
            let stricter = match operator.direction() {
                Direction::Above => warning > critical,
                Direction::Below => warning < critical,
                Direction::None => false,
            };
            if stricter {
                let show = |limit| if measure.is_time() { lasting(limit) } else { show(limit) };
                return Err(LimitsError::Order {
                    warning: show(warning),
                    critical: show(critical),
                });
            }
        }
        Ok(Threshold {
            signal,
            operator,
            warning: self.limit(
                operator,
                unit,
                self.warning,
                (self.warning_clear, "warning_clear"),
            )?,
            critical: self.limit(
                operator,
                unit,
                self.critical,
                (self.critical_clear, "critical_clear"),
            )?,
            confirm: ConfirmRule {
                attempts: self.attempts.unwrap_or(1).max(1),
                hold_for: self.hold_for.unwrap_or_default(),
                clear_attempts: self.clear_attempts.unwrap_or(1).max(1),
                keep_firing_for: self.keep_firing_for.unwrap_or_default(),
            },
            on_stale: self.on_stale.unwrap_or_default(),
            repair: self.repair.clone(),
        })
    }

    fn limit(
        &self,
        operator: Operator,
        unit: Unit,
        raise: Option<f64>,
        (clear, key): (Option<f64>, &'static str),
    ) -> Result<Option<Limit>, LimitsError> {
        let Some(raise) = raise else { return Ok(None) };
        // Relative hysteresis is nothing for the limit 0: that is what the absolute keys are for
        // (seed 001, item 122).
        let margin = self.hysteresis.unwrap_or(Self::HYSTERESIS) * raise.abs();
        let (clear, wrong) = match operator.direction() {
            Direction::Above => {
                let clear = clear.unwrap_or(raise - margin);
                (clear, clear > raise)
            }
            Direction::Below => {
                let usual = raise + margin;
                let usual =
                    if self.hysteresis.is_none() { within(unit, raise, usual) } else { usual };
                let clear = clear.unwrap_or(usual);
                (clear, clear < raise)
            }
            Direction::None => (raise, false),
        };
        if wrong {
            return Err(LimitsError::ClearSide { key, clear: show(clear), raise: show(raise) });
        }
        Ok(Some(Limit { raise, clear }))
    }
}

/// Returns `clear`, but no more than a series of this unit can be that is judged bad below `raise`: what is one or
/// nothing (a link, a unit of systemd, a container) never comes to 1.1, and no share to 104 %.
fn within(unit: Unit, raise: f64, clear: f64) -> f64 {
    let most = if unit == Unit::Percent { 100.0 } else { 1.0 };
    let has_most = matches!(unit, Unit::Percent | Unit::None) && raise > 0.0 && raise <= most;
    if has_most { clear.min(most) } else { clear }
}
