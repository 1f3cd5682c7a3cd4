//! Rounds in which all subjects take their turn, and what is made of them.

/// One number a round.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// The middle one; nothing where there is none.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// The median of the ratios to what another subject got in the same rounds. What disturbs a round disturbs both.
    #[must_use]
    pub fn ratio_to(&self, floor: &Self) -> f64 {
        let pairs = self.0.iter().zip(&floor.0);
        median(pairs.map(|(own, floor)| own / floor).collect())
    }
}

impl From<&[f64]> for Samples {
    fn from(values: &[f64]) -> Self {
        Self(values.to_vec())
    }
}

/// Lets each subject run once a round, and the one that begins is another each time: what runs first may find a colder
/// or a quieter machine.
///
/// # Errors
///
/// The first that a subject has.
pub fn in_turn<S, E>(
    rounds: usize,
    subjects: &mut [S],
    mut run: impl FnMut(&mut S) -> Result<f64, E>,
) -> Result<Vec<Samples>, E> {
    let mut samples = vec![Samples::default(); subjects.len()];
    for round in 0..rounds {
        for turn in 0..subjects.len() {
            let index = (round + turn) % subjects.len();
            if let (Some(subject), Some(samples)) =
                (subjects.get_mut(index), samples.get_mut(index))
            {
                samples.0.push(run(subject)?);
            }
        }
    }
    Ok(samples)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or_default();
    match values.len() % 2 {
        0 => {
            let lower = values.get(middle.saturating_sub(1)).copied();
            f64::midpoint(lower.unwrap_or_default(), upper)
        }
        _ => upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_rounds_and_not_of_medians() {
        let (own, floor) = ([10.0, 1.0, 100.0], [5.0, 1.0, 10.0]);
        let (own, floor) = (Samples::from(&own[..]), Samples::from(&floor[..]));
        assert_eq!((own.median(), own.ratio_to(&floor)), (10.0, 2.0));
        assert_eq!(Samples::from(&[1.0, 2.0][..]).median(), 1.5);
        assert_eq!(Samples::default().median(), 0.0);
    }

    #[test]
    fn each_subject_begins_in_its_turn() {
        let mut order = String::new();
        let samples = in_turn(3, &mut ['a', 'b', 'c'], |subject| {
            order.push(*subject);
            Ok::<_, ()>(order.len() as f64)
        });
        assert_eq!(order, "abcbcacab");
        assert_eq!(samples.unwrap()[0], Samples(vec![1.0, 6.0, 8.0]));
    }
}
