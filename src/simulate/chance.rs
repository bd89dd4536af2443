//! Chance, the same every time: numbers that depend on the seed and on what they are drawn for.
//!
//! Whoever acts draws from a chance of their own, so that one more person changes nothing for the others.
//!
//! Invariant: nothing here asks the machine for randomness.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A source of numbers for one purpose.
#[derive(Debug, Clone)]
pub struct Chance {
    numbers: fastrand::Rng,
}

impl Chance {
    /// Returns the chance that belongs to `purpose` in the simulation of `seed`.
    pub fn of(seed: u64, purpose: &str) -> Self {
        Self { numbers: fastrand::Rng::with_seed(xxh3_64_with_seed(purpose.as_bytes(), seed)) }
    }

    /// Returns a number below `end`, which is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        self.numbers.usize(..end.max(1))
    }

    /// Returns a number from `low` up to and without `high`; `low` if there is none between.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        self.numbers.i64(low..high.max(low + 1))
    }

    /// Returns a number from 0 up to and without 1.
    pub fn share(&mut self) -> f64 {
        self.numbers.f64()
    }

    /// Returns whether something that happens in `share` of all cases happens in this one.
    pub fn holds(&mut self, share: f64) -> bool {
        self.numbers.f64() < share
    }

    /// Returns one of `from`, which is not empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Returns an index into `ranks`, the first ones most often.
    pub fn rank(&mut self, ranks: &Ranks) -> usize {
        let place = self.share();
        ranks.upto.partition_point(|upto| *upto <= place).min(ranks.upto.len().saturating_sub(1))
    }

    /// Returns how long until the next of something that happens every `mean` seconds on average; at least 1.
    pub fn wait(&mut self, mean: f64) -> i64 {
        let wait = -mean * (1.0 - self.share()).ln();
        (wait.round() as i64).max(1)
    }

    /// Returns how often something happens that happens `mean` times on average (Poisson's law).
    pub fn times(&mut self, mean: f64) -> usize {
        // Knuth's way needs e^-mean; far from zero, the sum of two halves follows the same law.
        if mean > 30.0 {
            return self.times(mean / 2.0) + self.times(mean / 2.0);
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.share(), 0);
        while product > limit {
            product *= self.share();
            count += 1;
        }
        count
    }

    /// Returns 128 bits, for ids.
    pub fn bits(&mut self) -> u128 {
        self.numbers.u128(..)
    }

    /// Returns `length` letters of `alphabet`, which is ASCII.
    pub fn letters(&mut self, length: usize, alphabet: &str) -> String {
        (0..length).map(|_| char::from(*self.pick(alphabet.as_bytes()))).collect()
    }

    /// Returns `length` hexadecimal digits.
    pub fn hex(&mut self, length: usize) -> String {
        self.letters(length, "0123456789abcdef")
    }

    /// Returns an id as IAM makes them: a prefix of four letters and seventeen more.
    pub fn unique_id(&mut self, prefix: &str) -> String {
        format!("{prefix}{}", self.letters(17, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
    }

    /// Returns an access key id: `AKIAEXAMPLE…` or `ASIAEXAMPLE…`, which no real key begins with.
    pub fn key(&mut self, prefix: &str) -> String {
        format!("{prefix}EXAMPLE{}", self.letters(9, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
    }
}

/// Weights by rank after Zipf's law: the k-th weighs 1/k to the power of the exponent.
#[derive(Debug, Clone)]
pub struct Ranks {
    upto: Vec<f64>,
}

impl Ranks {
    /// Returns the ranks of `count` things.
    pub fn zipf(count: usize, exponent: f64) -> Self {
        let weights: Vec<f64> =
            (1..=count.max(1)).map(|rank| (rank as f64).powf(-exponent)).collect();
        Self::weighted(&weights)
    }

    /// Returns ranks with these weights.
    pub fn weighted(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let upto = weights.iter().map(|weight| {
            sum += weight / total;
            sum
        });
        Self { upto: upto.collect() }
    }

    /// Returns the share of the whole that falls to `rank`.
    pub fn share(&self, rank: usize) -> f64 {
        let before = rank.checked_sub(1).and_then(|it| self.upto.get(it)).unwrap_or(&0.0);
        self.upto.get(rank).map_or(0.0, |upto| upto - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_purpose_draws_the_same_and_another_draws_other_numbers() {
        let draw = |seed, purpose| Chance::of(seed, purpose).bits();
        assert_eq!(draw(7, "ana"), draw(7, "ana"));
        assert_ne!(draw(7, "ana"), draw(7, "bob"));
        assert_ne!(draw(7, "ana"), draw(8, "ana"));
    }

    #[test]
    fn the_first_rank_of_zipf_is_drawn_as_often_as_it_weighs() {
        let (ranks, mut chance) = (Ranks::zipf(50, 1.1), Chance::of(1, "ranks"));
        let first = (0..20_000).filter(|_| chance.rank(&ranks) == 0).count() as f64 / 20_000.0;
        assert!((first - ranks.share(0)).abs() < 0.015, "{first} for {}", ranks.share(0));
        let whole: f64 = (0..50).map(|rank| ranks.share(rank)).sum();
        assert!((whole - 1.0).abs() < 1e-9);
    }

    #[test]
    fn times_and_waits_have_the_mean_that_was_asked_for() {
        let mut chance = Chance::of(1, "means");
        for mean in [0.3, 4.0, 200.0] {
            let sum: usize = (0..4_000).map(|_| chance.times(mean)).sum();
            let found = sum as f64 / 4_000.0;
            assert!((found - mean).abs() < 0.06 * mean.max(0.5), "{found} for {mean}");
        }
        let sum: i64 = (0..20_000).map(|_| chance.wait(90.0)).sum();
        let found = sum as f64 / 20_000.0;
        assert!((found - 90.0).abs() < 4.0, "{found}");
    }
}
