//! Many who want one lock at once: each gets it, one at a time, also where answers are lost.

use crate::backend::{ALL, Backend, on_each};
use crate::call::Call;
use crate::history::History;

#[test]
fn everybody_has_it_one_at_a_time() {
    on_each(&ALL, check);
}

#[test]
fn nobody_is_refused_in_favour_of_itself() {
    let (file, others) = ALL.split_first().expect("five kinds");
    assert_eq!(file.0, "file", "nothing is between its writers and their answers");
    on_each(others, |backend| {
        backend.lose_answers();
        check(backend);
        assert!(backend.lost_answers() > 0);
    });
}

#[track_caller]
fn check(backend: &Backend) {
    let history = History::new(backend);
    let start = |_| backend.hold(&["--wait", "2m"], &history.section());
    let calls: Vec<Call> = (0..backend.crowd).map(start).collect();
    for call in calls {
        call.end().expect_code(0);
    }
    history.check_sections(backend.crowd);
    assert_eq!(backend.show()["outcome"], "free");
    assert_eq!(backend.queue(), 0);
}
