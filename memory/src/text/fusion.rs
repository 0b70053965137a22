//! Several lists of results become one.

use std::collections::BTreeMap;

/// How fast the worth of a rank falls (Cormack, Clarke and Büttcher, 2009).
pub const RRF_K: f64 = 60.0;

/// By ranks: what stands high in several lists comes first. Scores are from 0 to 1; 1 is the first of every list.
pub fn reciprocal_ranks(lists: &[Vec<u64>]) -> Vec<(u64, f64)> {
    let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
    for list in lists {
        for (rank, key) in list.iter().enumerate() {
            *sums.entry(*key).or_default() += 1.0 / (RRF_K + 1.0 + rank as f64);
        }
    }
    let most = lists.len().max(1) as f64 / (RRF_K + 1.0);
    best_first(sums.into_iter().map(|(key, sum)| (key, sum / most)).collect())
}

/// By scores from 0 to 1 and the weights of the lists; what a list does not hold has the score 0 there.
pub fn weighted(lists: &[(f64, Vec<(u64, f64)>)]) -> Vec<(u64, f64)> {
    let total: f64 = lists.iter().map(|(weight, _)| weight).sum();
    let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
    for (weight, list) in lists {
        for (key, score) in list {
            *sums.entry(*key).or_default() += weight * score.clamp(0.0, 1.0);
        }
    }
    best_first(sums.into_iter().map(|(key, sum)| (key, if total > 0.0 { sum / total } else { 0.0 })).collect())
}

fn best_first(mut list: Vec<(u64, f64)>) -> Vec<(u64, f64)> {
    list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    list
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_stands_high_twice_comes_first() {
        let fused = reciprocal_ranks(&[vec![1, 2, 3], vec![2, 4]]);
        assert_eq!(fused.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [2, 1, 4, 3]);
        assert_eq!(reciprocal_ranks(&[vec![7], vec![7]]), [(7, 1.0)]);
        assert_eq!(weighted(&[(3.0, vec![(1, 0.5)]), (1.0, vec![(2, 1.0), (1, 0.5)])]), [(1, 0.5), (2, 0.25)]);
        assert!(reciprocal_ranks(&[]).is_empty() && weighted(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn one_list_keeps_its_order(mut keys in prop::collection::vec(0u64..100, 0..20)) {
            keys.sort_unstable();
            keys.dedup();
            let fused = reciprocal_ranks(&[keys.clone()]);
            prop_assert_eq!(fused.iter().map(|(key, _)| *key).collect::<Vec<_>>(), keys);
            prop_assert!(fused.iter().all(|(_, score)| (0.0..=1.0).contains(score)));
        }
    }
}
