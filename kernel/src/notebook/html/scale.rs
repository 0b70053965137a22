//! From numbers to places on an axis.

/// What division may be off by, in steps.
const SLACK: f64 = 1e-9;

/// A linear scale with round ticks.
pub struct Scale {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    step: f64,
}

impl Scale {
    /// The scale that covers the finite ones of some values; `None` where there are none.
    pub fn over(values: impl Iterator<Item = f64>, with_zero: bool) -> Option<Self> {
        let finite: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let mut from = finite.iter().copied().reduce(f64::min)?;
        let mut to = finite.iter().copied().reduce(f64::max)?;
        if with_zero {
            (from, to) = (from.min(0.0), to.max(0.0));
        }
        if from == to {
            (from, to) = (from - 0.5, to + 0.5);
        }
        let rough = (to - from) / 5.0;
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude).into_iter().find(|step| *step >= rough)?;
        Some(Self { from: (from / step + SLACK).floor() * step, to: (to / step - SLACK).ceil() * step, step })
    }

    /// The place of a value between 0 and 1.
    pub fn place(&self, value: f64) -> f64 {
        (value - self.from) / (self.to - self.from)
    }

    /// The values of the ticks and what stands beside them.
    pub fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        let count = ((self.to - self.from) / self.step).round() as i32;
        let digits = (-self.step.log10().floor()).max(0.0) as usize;
        (0..=count.min(20)).map(move |tick| {
            let value = self.from + f64::from(tick) * self.step;
            (value, format!("{:.digits$}", if value.abs() < self.step / 1e6 { 0.0 } else { value }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_round_ticks() {
        let ticks = |values: &[f64], zero| {
            let scale = Scale::over(values.iter().copied(), zero).unwrap();
            scale.ticks().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ticks(&[1.0, 9.0], true), "0 2 4 6 8 10");
        assert_eq!(ticks(&[0.11, 0.14], false), "0.11 0.12 0.13 0.14");
        assert_eq!(ticks(&[5.0], false), "4.4 4.6 4.8 5.0 5.2 5.4 5.6");
        assert_eq!(ticks(&[-3.0, 4.0], true), "-4 -2 0 2 4");
        assert!(Scale::over([f64::NAN].into_iter(), true).is_none());
    }
}
