//! What Git's words mean: its push report is made for programs, its messages are not.

use crate::ErrorKind;

/// What a push says about its one ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// The ref was moved by this push.
    Moved,
    /// It was not, or that is not proved. It is a question: where is the ref now?
    Condition,
    /// It may have been moved.
    Lost,
    /// It was not moved, and it will not be.
    Fatal(ErrorKind),
}

/// Reads the report of `git push --porcelain` about a ref, then the message.
pub(super) fn pushed(success: bool, report: &[u8], message: &str, reference: &str) -> Pushed {
    let report = String::from_utf8_lossy(report);
    let mut lines = report.lines().filter_map(|line| {
        let (flag, rest) = line.split_once('\t')?;
        let (refs, summary) = rest.split_once('\t')?;
        let (_, to) = refs.rsplit_once(':')?;
        (to == reference).then_some((flag, summary))
    });
    match lines.next() {
        Some((" " | "+" | "*" | "-", _)) if success => Pushed::Moved,
        Some(("!", summary)) if summary.contains("declined") || summary.contains("denied") => {
            Pushed::Fatal(ErrorKind::Denied)
        }
        Some(("!", summary)) if summary.contains("remote failure") => Pushed::Lost,
        // `=` says that the ref is where it should be, not that we have put it there.
        Some(("!" | "=", _)) => Pushed::Condition,
        // A flag that we do not know, or none at all.
        _ => match kind(message) {
            Some(kind) => Pushed::Fatal(kind),
            None => Pushed::Lost,
        },
    }
}

/// Returns what a message means if it is certain that nothing was sent; otherwise `None`.
pub(super) fn kind(message: &str) -> Option<ErrorKind> {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["RPC failed", "hung up unexpectedly", "unexpected disconnect", "early EOF"]) {
        return None;
    }
    if says(&["unknown option", "usage: git"]) {
        // Only our own options can be meant: `fetch --porcelain` came with Git 2.41.
        return Some(ErrorKind::Unsupported);
    }
    let denied = [
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "Permission denied",
        "Permission to ",
        "dubious ownership",
        "Host key verification failed",
        "returned error: 401",
        "returned error: 403",
        "Repository not found",
        "not authorized",
        "access denied",
        "unable to create temporary object directory",
    ];
    if says(&denied) {
        return Some(ErrorKind::Denied);
    }
    let before = [
        "unable to access",
        "Could not resolve",
        "does not appear to be a git repository",
        "repository not found",
        "not found",
        "Connection refused",
        "Could not read from remote repository",
        "Connection timed out",
    ];
    says(&before).then_some(ErrorKind::Unavailable)
}

/// Returns whether a fetch says that there is no such ref.
pub(super) fn is_absent(message: &str) -> bool {
    message.contains("couldn't find remote ref")
}

/// Reads the report of `git fetch --porcelain`: object ids and the names they were given here.
pub(super) fn fetched(report: &[u8]) -> Vec<(String, String)> {
    let report = String::from_utf8_lossy(report);
    let lines = report.lines().filter_map(|line| {
        // One character, a space, the old id, the new id, the name.
        let mut words = line.get(2..)?.split(' ');
        let (_, new, name) = (words.next()?, words.next()?, words.next()?);
        is_object_id(new).then(|| (new.to_owned(), name.to_owned()))
    });
    lines.collect()
}

/// Returns whether a text is an object's full id, and so can stand in a lease.
pub(super) fn is_object_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REF: &str = "refs/interlock/lock";

    #[track_caller]
    fn check(success: bool, report: &str, message: &str, expected: Pushed) {
        assert_eq!(pushed(success, report.as_bytes(), message, REF), expected);
    }

    #[test]
    fn only_a_moved_ref_is_won() {
        let line = |flag, summary| format!("To url\n{flag}\tabc:{REF}\t{summary}\nDone\n");
        check(true, &line("*", "[new reference]"), "", Pushed::Moved);
        check(true, &line("+", "a...b (forced update)"), "", Pushed::Moved);
        check(true, &line("=", "[up to date]"), "", Pushed::Condition);
        check(false, &line("!", "[rejected] (stale info)"), "", Pushed::Condition);
        check(false, &line("!", "[remote rejected] (failed to update ref)"), "", Pushed::Condition);
        let declined = "[remote rejected] (pre-receive hook declined)";
        check(false, &line("!", declined), "", Pushed::Fatal(ErrorKind::Denied));
        check(
            false,
            &line("!", "[remote failure] (remote failed to report status)"),
            "",
            Pushed::Lost,
        );
        check(true, "To url\n*\tabc:refs/interlock/other\t[new reference]\n", "", Pushed::Lost);
        check(false, &line("*", "[new reference]"), "", Pushed::Lost);
    }

    #[test]
    fn silence_after_sending_is_lost_and_before_it_is_not() {
        let lost = "error: RPC failed; HTTP 500\nfatal: the remote end hung up unexpectedly";
        check(false, "", lost, Pushed::Lost);
        check(false, "", "what nobody has ever seen", Pushed::Lost);
        let refused = "fatal: unable to access 'http://x/': Failed to connect";
        check(false, "", refused, Pushed::Fatal(ErrorKind::Unavailable));
        let denied = "fatal: Authentication failed for 'https://x/'";
        check(false, "", denied, Pushed::Fatal(ErrorKind::Denied));
        let old = "error: unknown option `porcelain'\nusage: git fetch";
        assert_eq!(kind(old), Some(ErrorKind::Unsupported));
    }

    #[test]
    fn reports_of_fetches_are_read_and_bounded() {
        let (zero, id) = ("0".repeat(40), "a".repeat(40));
        let report = format!("* {zero} {id} refs/scratch/lock\nnonsense\n* x y z\n");
        assert_eq!(fetched(report.as_bytes()), [(id, "refs/scratch/lock".to_owned())]);
        assert!(
            !is_object_id("") && !is_object_id("never-issued") && !is_object_id(&"A".repeat(40))
        );
    }
}
