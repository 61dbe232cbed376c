//! The suggestion: what somebody who wrote an unknown word may have meant.

/// Words longer than this are not compared.
const LONGEST: usize = 64;

/// Returns "did you mean 'x'?" for the nearest of some words, if one is near.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, known).map(|known| format!("did you mean '{known}'?"))
}

/// Returns the nearest of some words, if it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = word.chars().take(LONGEST + 1).map(fold).collect();
    if letters.len() > LONGEST {
        return None;
    }
    known
        .into_iter()
        .filter(|known| known.len() <= LONGEST)
        .map(|known| (distance(&letters, &known.chars().map(fold).collect::<Vec<_>>()), known))
        .filter(|(distance, known)| *distance <= known.chars().count().max(2) / 3 + 1)
        .filter(|(distance, known)| *distance < known.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Makes letters alike that are often taken for each other.
fn fold(letter: char) -> char {
    if letter == '_' { '-' } else { letter.to_ascii_lowercase() }
}

/// Counts the letters to insert, remove, replace or swap with the next.
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..width).collect();
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![i + 1; width];
        for (j, right) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(left != right);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *left == b[j - 1] && a[i - 1] == *right {
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
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        let known = ["runs-on", "run", "uses", "needs", "timeout-minutes", "if"];
        assert_eq!(nearest(word, known), expected, "{word}");
    }

    #[test]
    fn near_words_are_meant() {
        check("rnu", Some("run"));
        check("runs_on", Some("runs-on"));
        check("Runs-On", Some("runs-on"));
        check("timeout-minute", Some("timeout-minutes"));
        check("need", Some("needs"));
        check("fi", Some("if"));
    }

    #[test]
    fn far_words_are_not() {
        check("banana", None);
        check("x", None);
        check("", None);
        check(&"r".repeat(1000), None);
    }
}
