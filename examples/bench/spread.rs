//! Which account the next debit is for.

use std::sync::Arc;

/// How debits are spread over accounts.
#[derive(Clone)]
pub(super) enum Spread {
    /// All on one.
    One,
    /// On so many, one after the other.
    Turn(u64),
    /// Evenly over so many, at random.
    Even(u64),
    /// As Zipf has it: the second half as often as the first, the third a third as often.
    Zipf(Arc<[f64]>),
}

impl Spread {
    pub(super) fn zipf(accounts: usize) -> Self {
        let mut sum = 0.0;
        let upto = (1..=accounts).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Self::Zipf(upto.collect())
    }

    /// The account of a debit, by the debit's number.
    pub(super) fn account(&self, number: usize) -> String {
        let random = mixed(number as u64);
        let place = match self {
            Self::One => 0,
            Self::Turn(accounts) => number as u64 % accounts,
            Self::Even(accounts) => random % accounts,
            Self::Zipf(upto) => {
                let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
                let aim = share * upto[upto.len() - 1];
                let rank = upto.partition_point(|sum| *sum <= aim) as u64;
                // Neighbours in rank are not neighbours in the tables.
                (rank * 7_919) % upto.len() as u64
            }
        };
        format!("account-{place:08}")
    }
}

/// Splitmix64: an even mixture of a number's bits.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
