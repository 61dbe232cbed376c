//! Answers that are known already: asked for again, they cost nothing of the budget if they have not changed.

use crate::transport::Answer;

/// How many answers are kept.
const MOST: usize = 32;
/// The longest answer that is kept.
const LONGEST: usize = 1 << 20;

/// The answers, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Known {
    answers: Vec<(String, String, Answer)>,
}

impl Known {
    /// Returns the tag of the answer about a path.
    pub(crate) fn tag(&self, path: &str) -> Option<String> {
        self.find(path).map(|(_, tag, _)| tag.clone())
    }

    /// Returns the answer about a path.
    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        self.find(path).map(|(_, _, answer)| answer.clone())
    }

    /// Keeps an answer, if it has a tag to ask with.
    pub(crate) fn keep(&mut self, path: &str, answer: &Answer) {
        self.answers.retain(|(known, _, _)| known != path);
        let Some(tag) = answer.header("etag").filter(|_| answer.body.len() <= LONGEST) else {
            return;
        };
        if self.answers.len() == MOST {
            self.answers.remove(0);
        }
        self.answers.push((path.to_owned(), tag.to_owned(), answer.clone()));
    }

    fn find(&self, path: &str) -> Option<&(String, String, Answer)> {
        self.answers.iter().find(|(known, _, _)| known == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(tag: Option<&str>, body: &'static str) -> Answer {
        let headers = tag.map(|tag| ("etag".to_owned(), tag.to_owned())).into_iter().collect();
        Answer { status: 200, headers, date: None, body: body.into() }
    }

    #[test]
    fn the_latest_answer_is_the_one_that_is_known() {
        let mut known = Known::default();
        known.keep("/a", &answer(Some("1"), "one"));
        known.keep("/a", &answer(Some("2"), "two"));
        assert_eq!(known.tag("/a").as_deref(), Some("2"));
        assert_eq!(known.get("/a").map(|answer| answer.body), Some("two".into()));
        known.keep("/a", &answer(None, "three"));
        assert_eq!(known.tag("/a"), None);
    }

    #[test]
    fn few_answers_are_kept() {
        let mut known = Known::default();
        for path in 0..100 {
            known.keep(&path.to_string(), &answer(Some("1"), ""));
        }
        assert_eq!((known.answers.len(), known.tag("99").is_some()), (MOST, true));
    }
}
