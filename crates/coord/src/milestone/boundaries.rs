//! Which numbers are boundaries, and which of them lie between two values.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The numbers that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boundaries {
    /// Every multiple of a step.
    Step(i64),
    /// These.
    At(Vec<i64>),
}

/// Which way the value has to go to cross one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// It grows: from below a boundary to it, or beyond it.
    #[default]
    Up,
    /// It falls: from above a boundary to it, or below it.
    Down,
}

impl Boundaries {
    /// Checks that there are any.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Step(step) if *step < 1 => {
                Err(Error::Request(format!("a step must be at least 1, not {step}")))
            }
            Self::At(list) if list.is_empty() => {
                Err(Error::Request("a list of boundaries must not be empty".to_owned()))
            }
            Self::Step(_) | Self::At(_) => Ok(()),
        }
    }

    /// Returns the boundaries that are crossed from one value to another, in the order of crossing, or
    /// how many they are if they are more than `limit`.
    pub(super) fn crossed(
        &self,
        direction: Direction,
        from: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<i64>, u64> {
        match direction {
            Direction::Up => self.above(from.into(), to.into(), limit),
            // Falling from 5 to 3 is growing from -5 to -3, in the mirror.
            Direction::Down => {
                let mirrored = self.mirrored().above(-i128::from(from), -i128::from(to), limit)?;
                Ok(mirrored.into_iter().map(i64::wrapping_neg).collect())
            }
        }
    }

    /// Returns the last boundary that is crossed from one value to another.
    pub(super) fn last(&self, direction: Direction, from: i64, to: i64) -> Option<i64> {
        match self {
            Self::Step(step) => {
                let (step, from, to) = (i128::from(*step), i128::from(from), i128::from(to));
                let last = match direction {
                    Direction::Up => to.div_euclid(step) * step,
                    Direction::Down => -((-to).div_euclid(step) * step),
                };
                let is_beyond = match direction {
                    Direction::Up => last > from,
                    Direction::Down => last < from,
                };
                i64::try_from(last).ok().filter(|_| is_beyond)
            }
            Self::At(_) => self.crossed(direction, from, to, usize::MAX).ok()?.pop(),
        }
    }

    /// Returns from where a value must have come that crosses all there is up to `value`.
    ///
    /// Growing begins at zero. Falling with a step has no beginning: only the last boundary counts.
    pub(super) fn origin(&self, direction: Direction, value: i64) -> i64 {
        match (direction, self) {
            (Direction::Up, Self::Step(_)) => value.min(0),
            (Direction::Up, Self::At(list)) => {
                list.iter().min().map_or(value, |first| first.saturating_sub(1)).min(value)
            }
            (Direction::Down, Self::Step(step)) => value.saturating_add(*step),
            (Direction::Down, Self::At(list)) => {
                list.iter().max().map_or(value, |first| first.saturating_add(1)).max(value)
            }
        }
    }

    fn mirrored(&self) -> Self {
        match self {
            Self::Step(step) => Self::Step(*step),
            Self::At(list) => Self::At(list.iter().copied().map(i64::wrapping_neg).collect()),
        }
    }

    /// Returns the boundaries in `from < b <= to`.
    fn above(&self, from: i128, to: i128, limit: usize) -> Result<Vec<i64>, u64> {
        let mut crossed: Vec<i128> = match self {
            Self::Step(step) => {
                let step = i128::from((*step).max(1));
                let (first, last) = (from.div_euclid(step) + 1, to.div_euclid(step));
                let count = u64::try_from((last - first + 1).max(0)).unwrap_or(u64::MAX);
                if usize::try_from(count).unwrap_or(usize::MAX) > limit {
                    return Err(count);
                }
                (first..=last).map(|number| number * step).collect()
            }
            Self::At(list) => {
                let all = list.iter().copied().map(i128::from);
                all.filter(|number| (from + 1..=to).contains(number)).collect()
            }
        };
        crossed.sort_unstable();
        crossed.dedup();
        if crossed.len() > limit {
            return Err(u64::try_from(crossed.len()).unwrap_or(u64::MAX));
        }
        Ok(crossed.into_iter().filter_map(|number| i64::try_from(number).ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(boundaries: Boundaries, direction: Direction, from: i64, to: i64, expected: &[i64]) {
        assert_eq!(boundaries.crossed(direction, from, to, 100), Ok(expected.to_vec()));
        assert_eq!(boundaries.last(direction, from, to), expected.last().copied());
    }

    #[test]
    fn growing_crosses_what_is_reached_and_not_where_it_began() {
        let step = || Boundaries::Step(100);
        check(step(), Direction::Up, 0, 99, &[]);
        check(step(), Direction::Up, 0, 100, &[100]);
        check(step(), Direction::Up, 100, 150, &[]);
        check(step(), Direction::Up, 95, 305, &[100, 200, 300]);
        check(step(), Direction::Up, 305, 95, &[]);
        check(step(), Direction::Up, -150, 50, &[-100, 0]);
        check(Boundaries::At(vec![500, 100, 500]), Direction::Up, 99, 1000, &[100, 500]);
    }

    #[test]
    fn falling_is_growing_in_the_mirror() {
        let step = || Boundaries::Step(100);
        check(step(), Direction::Down, 305, 95, &[300, 200, 100]);
        check(step(), Direction::Down, 300, 250, &[]);
        check(step(), Direction::Down, 301, 300, &[300]);
        check(step(), Direction::Down, 50, -150, &[0, -100]);
        check(Boundaries::At(vec![10, 20]), Direction::Down, 30, 10, &[20, 10]);
    }

    #[test]
    fn too_many_are_counted_and_not_made() {
        let step = Boundaries::Step(1);
        assert_eq!(
            step.crossed(Direction::Up, 0, i64::MAX, 100),
            Err(1 << 63).map_err(|n: u64| n - 1)
        );
        assert_eq!(step.crossed(Direction::Up, i64::MIN, i64::MAX, 100), Err(u64::MAX));
        assert_eq!(step.last(Direction::Up, i64::MIN, i64::MAX), Some(i64::MAX));
    }

    proptest! {
        #[test]
        fn a_way_in_two_parts_crosses_the_same_once(
            step in 1..50i64, a in -500..500i64, b in -500..500i64, c in -500..500i64, down: bool,
        ) {
            let mut way = [a, b, c];
            way.sort_unstable();
            let direction = if down { way.reverse(); Direction::Down } else { Direction::Up };
            let crossed = |from, to| Boundaries::Step(step).crossed(direction, from, to, 2000).unwrap();
            let mut parts = crossed(way[0], way[1]);
            parts.extend(crossed(way[1], way[2]));
            prop_assert_eq!(parts, crossed(way[0], way[2]));
        }

        #[test]
        fn no_numbers_panic(step: i64, at: Vec<i64>, from: i64, to: i64, down: bool) {
            let direction = if down { Direction::Down } else { Direction::Up };
            for boundaries in [Boundaries::Step(step.max(1)), Boundaries::At(at)] {
                drop(boundaries.crossed(direction, from, to, 10));
                boundaries.last(direction, from, to);
                boundaries.origin(direction, from);
            }
        }
    }
}
