//! Whether a commit is the head of its pull request: what the API says, since nobody else can know.

use std::time::Duration;

use github::Client;

/// How often the API is asked before an answer that surprises is believed; replicas lag.
const QUESTIONS: u32 = 3;

/// What a head is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the current one; this is its whole name.
    Current(String),
    /// Another one is.
    Older {
        /// The current one.
        current: String,
    },
    /// It could not be found out.
    Unknown {
        /// Why.
        why: String,
    },
}

/// Asks whether `mine` is the head of a pull request.
///
/// `known` is the head that was current before. An answer that agrees with both is believed at once. Any
/// other is asked for again, for as long as a replica may lag, and the last one counts: a new push must not
/// be taken for an old one, nor the other way round.
pub async fn judge(
    client: &Client,
    pull: u64,
    mine: &str,
    known: Option<&str>,
    lag: Duration,
) -> Verdict {
    let mut verdict = Verdict::Unknown { why: "nobody was asked".to_owned() };
    for question in 0..QUESTIONS {
        if question > 0 {
            tokio::time::sleep(lag / (QUESTIONS - 1)).await;
        }
        let head = match client.pull(pull).await {
            Ok(pull) => pull.head.sha.to_ascii_lowercase(),
            Err(error) if !error.is_passing() => {
                return Verdict::Unknown { why: error.to_string() };
            }
            Err(error) => {
                verdict = Verdict::Unknown { why: error.to_string() };
                continue;
            }
        };
        let is_mine = is_same(mine, &head);
        if is_mine && known.is_none_or(|known| known == head) {
            return Verdict::Current(head);
        }
        verdict = if is_mine { Verdict::Current(head) } else { Verdict::Older { current: head } };
    }
    verdict
}

/// Compares a commit as somebody gave it with a whole name.
fn is_same(given: &str, whole: &str) -> bool {
    let given = given.to_ascii_lowercase();
    given.len() >= 7 && whole.starts_with(&given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_mean_the_commit_they_begin() {
        let whole = "0123456789abcdef0123456789abcdef01234567";
        assert!(
            is_same(whole, whole) && is_same("0123456", whole) && is_same("0123456789A", whole)
        );
        assert!(!is_same("012345", whole) && !is_same("", whole) && !is_same("1234567", whole));
    }
}
