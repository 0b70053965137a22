/// The candidate that a mistyped name most likely means: at most a third of its characters wrong, swaps counted once.
pub fn nearest<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    /// Longer names are no typing mistakes, and comparing them would cost.
    const LONGEST: usize = 64;
    let wanted: Vec<char> = name.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect();
    if wanted.is_empty() || wanted.len() > LONGEST {
        return None;
    }
    let limit = (wanted.len() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect();
            let distance = distance(&wanted, &letters);
            (distance <= limit && distance < letters.len()).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance with adjacent swaps (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row[j + 1] = best;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_mistakes_find_their_name() {
        let names = ["question", "urgent", "id", "classify-all"];
        for (given, expected) in [
            ("qestion", Some("question")),
            ("quesiton", Some("question")),
            ("URGENT", Some("urgent")),
            ("ids", Some("id")),
            ("classify_all", Some("classify-all")),
            ("answer", None),
            ("x", None),
            ("", None),
            ("question", None),
        ] {
            assert_eq!(nearest(given, names), expected, "{given}");
        }
    }
}
