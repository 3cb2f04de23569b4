//! Chance that can be repeated: ids and disorder, both drawn from a seed.

/// A stream of numbers that a seed decides (splitmix64).
#[derive(Debug, Clone)]
pub struct Seed(u64);

const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The characters of an id after its prefix, about as many as Stripe's have.
const ID_LENGTH: usize = 14;

impl Seed {
    /// The stream of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.draw().checked_rem(bound).unwrap_or(0)).unwrap_or(0)
    }

    /// Whether something that happens in so many of 100 cases happens.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < usize::from(percent)
    }

    /// An id such as `sub_0aB…`. Ids say nothing about their order, as Stripe's do not.
    pub fn id(&mut self, prefix: &str) -> String {
        let mut id = String::with_capacity(prefix.len() + 1 + ID_LENGTH);
        id.push_str(prefix);
        id.push('_');
        for _ in 0..ID_LENGTH {
            id.push(char::from(LETTERS[self.below(LETTERS.len())]));
        }
        id
    }

    /// Mixes up the order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_another_differs() {
        let ids = |seed| {
            let mut seed = Seed::new(seed);
            [seed.id("sub"), seed.id("sub")]
        };
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
        assert_ne!(ids(7)[0], ids(7)[1]);
        assert!(ids(7)[0].starts_with("sub_") && ids(7)[0].len() == 18);
    }

    #[test]
    fn shuffling_keeps_what_it_mixes() {
        let mut mixed: Vec<u32> = (0..50).collect();
        Seed::new(1).shuffle(&mut mixed);
        assert_ne!(mixed, (0..50).collect::<Vec<_>>());
        mixed.sort_unstable();
        assert_eq!(mixed, (0..50).collect::<Vec<_>>());
    }
}
