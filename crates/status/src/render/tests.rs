//! The picture: order, room, and text that stays where it was put.

use proptest::prelude::*;

use super::*;
use crate::identity::Writer;
use crate::row::{Annotation, Change, Row, State};

const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";

fn document(rows: impl IntoIterator<Item = (String, Change)>) -> Document {
    let mut document = Document::default();
    document.turn_to(HEAD);
    for (index, (task, change)) in rows.into_iter().enumerate() {
        let job = format!("job {:02}", index % 20);
        let workflow = ".github/workflows/ci.yml".to_owned();
        let writer = Writer {
            workflow,
            job,
            run: "77".to_owned(),
            event: "push".to_owned(),
            ..Writer::default()
        };
        let row = document.page(HEAD).slot(&writer, 1).row(&task);
        row.take(&change, Timestamp::UNIX_EPOCH);
    }
    document
}

fn drawn(document: &Document, state: Keep) -> Rendering {
    let template = Template::default();
    let view = View::new(document, |_| false);
    let options = Options {
        marker: "<!-- marker -->",
        title: None,
        template: &template,
        time: Timestamp::UNIX_EPOCH,
        budget: Some(80),
        limit: COMMENT,
        state,
    };
    render(document, 1, &view, &options)
}

fn large(state: State) -> Change {
    Change {
        url: Some("https://github.com/octo/tones/actions/runs/123456789/job/1234567890".to_owned()),
        message: Some("expected <1>, found |2| in `x` 🦀 ".repeat(40)),
        reproduce: Some(vec!["cargo test --workspace -- --exact a::b".to_owned(); 5]),
        annotations: Some(vec![
            Annotation {
                path: "src/a.rs".to_owned(),
                line: Some(3),
                ..Annotation::default()
            };
            8
        ]),
        tips: Some(vec!["Look at the log.".to_owned()]),
        ..Change::to(state)
    }
}

#[test]
fn failed_first_then_running_then_flagged_and_passed_is_folded() {
    let flaky = Change { flags: Some(vec!["flaky".to_owned()]), ..Change::to(State::Passed) };
    let rows = [
        ("a-passed", Change::to(State::Passed)),
        ("b-running", Change { phase: Some("linking".to_owned()), ..Change::to(State::Running) }),
        ("c-flaky", flaky),
        ("d-failed", large(State::Failed)),
        ("e-warning", Change::to(State::Warning)),
        ("f-skipped", Change::to(State::Skipped)),
        ("g-queued", Change::to(State::Queued)),
    ];
    let document = document(rows.map(|(task, change)| (task.to_owned(), change)));
    let body = drawn(&document, Keep::Room).body;
    let places: Vec<usize> = [
        "d-failed",
        "b-running",
        "g-queued",
        "c-flaky",
        "e-warning",
        "Reproduce",
        "a-passed",
        "f-skipped",
    ]
    .iter()
    .map(|text| body.find(text).unwrap_or_else(|| panic!("{text} in {body}")))
    .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(body.contains("<details><summary>✅ 1 passed</summary>"));
    assert!(body.contains("**🔥 1 failed, 1 running, 1 queued, 1 warning, 2 passed, 1 skipped**"));
    assert!(body.contains("cargo test --workspace") && body.contains("linking"));
    assert!(body.starts_with("<!-- marker -->\n<!-- interlock-state:1:"));
    assert!(body.trim_end().ends_with("80 % of the API budget left · Interlock</sub>"));
    assert!(body.contains("commit 0123456789ab"));
}

#[track_caller]
fn check_fits(count: usize, failed: usize, keep: Keep) -> String {
    let rows = (0..count).map(|index| {
        let state = if index < failed { State::Failed } else { State::Passed };
        (format!("task-{index}"), large(state))
    });
    let rendering = drawn(&document(rows), keep);
    let length = rendering.body.encode_utf16().count();
    assert!(length <= COMMENT, "{count} rows, {failed} failed: {length}");
    assert!(rendering.body.starts_with("<!-- marker -->\n"));
    assert!(rendering.body.ends_with("</sub>\n"));
    for index in 0..failed {
        let name = format!("task-{index}");
        assert!(rendering.body.contains(&name), "{name} of {count} is hidden");
    }
    rendering.body
}

#[test]
fn every_number_of_rows_fits_and_no_failure_is_hidden() {
    for keep in [Keep::Nothing, Keep::Room, Keep::First] {
        for (count, failed) in [(1, 1), (45, 45), (300, 1), (300, 300), (1000, 400)] {
            check_fits(count, failed, keep);
        }
    }
    check_fits(5000, 0, Keep::First);
    check_fits(5000, 4000, Keep::Room);
}

#[test]
fn more_failures_than_any_comment_can_name_are_counted() {
    let rows = (0..5000)
        .map(|index| (format!("a rather long name of a task {index}"), large(State::Failed)));
    let body = drawn(&document(rows), Keep::Room).body;
    assert!(body.encode_utf16().count() <= COMMENT);
    assert!(body.contains("#### Failed (5000)"));
    assert!(body.contains("more failed; ") && body.contains("in .github/workflows/ci.yml"));
}

#[test]
fn block_of_the_picture_is_the_document() {
    let document = document((0..100).map(|index| (format!("t{index}"), Change::to(State::Passed))));
    let block = Block::decode(&drawn(&document, Keep::Room).body).unwrap();
    assert_eq!(block.document, Some(document));
}

#[test]
fn silent_row_is_shown_as_aborted_and_stays_as_it_was() {
    let document = document([("x".to_owned(), Change::to(State::Running))]);
    let view = View::new(&document, |_| true);
    assert_eq!((view.rows[0].state, view.overall()), (State::Aborted, State::Failed));
    assert_eq!(document.shown().unwrap().1.slots[0].rows[0].state, State::Running);
    let template = Template::default();
    let options = Options {
        marker: "",
        title: None,
        template: &template,
        time: Timestamp::UNIX_EPOCH,
        budget: None,
        limit: COMMENT,
        state: Keep::Nothing,
    };
    let body = render(&document, 1, &view, &options).body;
    assert!(body.contains("| 🛑 aborted | x |"), "{body}");
    assert!(body.contains("no sign of life since 1970-01-01 00:00:00 UTC"));
}

#[test]
fn rows_with_one_name_say_where_they_are_from() {
    let mut document = Document::default();
    document.turn_to(HEAD);
    for event in ["push", "pull_request"] {
        let writer = Writer {
            workflow: ".github/workflows/ci.yml".to_owned(),
            event: event.to_owned(),
            job: "test".to_owned(),
            ..Writer::default()
        };
        document
            .page(HEAD)
            .slot(&writer, 1)
            .row("unit")
            .take(&Change::to(State::Passed), Timestamp::UNIX_EPOCH);
    }
    let body = drawn(&document, Keep::Room).body;
    assert!(
        body.contains("ci · push · test") && body.contains("ci · pull\\_request · test"),
        "{body}"
    );
}

#[test]
fn a_row_keeps_its_place_among_others_of_its_group() {
    let states = [State::Queued, State::Running, State::Failing];
    let order = |states: &[State]| {
        let rows = states.iter().enumerate();
        let document =
            document(rows.map(|(index, state)| (format!("t{index}"), Change::to(*state))));
        let content = drawn(&document, Keep::Nothing).content;
        let mut places: Vec<_> =
            (0..states.len()).map(|index| (content.find(&format!("t{index} ")), index)).collect();
        places.sort_unstable();
        places.into_iter().map(|(_, index)| index).collect::<Vec<_>>()
    };
    assert_eq!(order(&states), [0, 1, 2]);
    assert_eq!(order(&[State::Failing, State::Queued, State::Running]), [0, 1, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn hostile_text_adds_no_lines_and_no_columns(text in "\\PC{0,40}|[|`<>@#\\\\\n\r*_\\[\\]()!-]{0,40}") {
        let change = Change {
            title: Some(text.clone()),
            message: Some(text.clone()),
            phase: Some(text.clone()),
            flags: Some(vec![text.clone()]),
            url: Some(format!("https://x/{text}")),
            ..Change::to(State::Failed)
        };
        let document = document([("task".to_owned(), change)]);
        let content = drawn(&document, Keep::Nothing).content;
        let plain = drawn(&self::document([("task".to_owned(), Change::to(State::Failed))]), Keep::Nothing).content;
        prop_assert_eq!(content.lines().count(), plain.lines().count());
        let row = content.lines().find(|line| line.starts_with("| ❌")).unwrap();
        let bars = row.replace("\\\\", "").replace("\\|", "").matches('|').count();
        prop_assert_eq!(bars, 5, "{}", row);
    }

    #[test]
    fn hostile_rows_from_a_block_are_drawn(task in "\\PC{0,300}", elapsed in any::<u64>(), line in any::<u64>()) {
        let mut document = Document::default();
        document.turn_to(HEAD);
        let annotations = vec![Annotation { line: Some(line), ..Annotation::default() }];
        let row = Row { task: task.clone(), elapsed_ms: Some(elapsed), annotations, ..Row::default() };
        document.page(HEAD).slot(&Writer::default(), u32::MAX).rows.push(row.bounded());
        prop_assert!(drawn(&document, Keep::First).body.len() < COMMENT);
    }
}
