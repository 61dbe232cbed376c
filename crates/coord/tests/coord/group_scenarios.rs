//! What a group does, as scenarios: events and times in, states out.
//!
//! A line is a time in seconds, an action, and the state after it. In a state, `a*` is in progress, `a~`
//! was told to end, `a` waits; after a bar stands who is out and has not been told yet, and why; after
//! `->` stands what the newcomer itself was told if it did not get in.

use std::time::Duration;

use coord::group::{
    Death, Group, Member, Newcomer, Order, Phase, Policy, Position, Queue, Reason, Request, Told,
};
use coord::{Now, Stamp, Token, Value as _};
use jiff::Timestamp;

const TTL: Duration = Duration::from_mins(1);

/// Plays the lines and compares the state after each.
#[track_caller]
fn check(script: &str) {
    let mut group = Group::default();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (event, expected) = line.split_once(" =>").expect("a line has a state");
        let state = play(&mut group, event);
        assert_eq!(state, expected.trim(), "after `{event}`");
    }
}

fn play(group: &mut Group, event: &str) -> String {
    let mut words = event.split_whitespace();
    let seconds: u64 = words.next().unwrap().parse().unwrap();
    let stamp = Stamp::new("clock", Duration::from_secs(seconds));
    let now = Now::at(stamp.clone());
    let alive = Death::default();
    let action = words.next().unwrap();
    let name = words.next().unwrap_or("-");
    let token = Token::new(name);
    let mut answer = String::new();
    match action {
        "enter" => {
            let told = group.enter(newcomer(name, words), &alive, &now);
            if let Told::Out { reason } = told {
                answer = format!(" -> {}", reason.word());
            }
        }
        "leave" => {
            group.leave(&token, &alive, &now);
        }
        "renew" => drop(group.renew(&token, &alive, &now)),
        "look" => drop(group.look(&token, &alive, &now)),
        "proof" => drop(group.look(&token, &Death(vec![token.clone()]), &now)),
        _ => panic!("no such action: {action}"),
    }
    group.each_life(&mut |life| {
        life.note(&stamp);
    });
    state(group, &now) + &answer
}

fn newcomer<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Newcomer {
    let mut request = Request::default();
    let mut member = Member {
        token: Token::new(name),
        run: name.to_owned(),
        attempt: 1,
        job: None,
        link: None,
        surface: "test".to_owned(),
        entered: Timestamp::UNIX_EPOCH,
        boot: Some("boot".to_owned()),
        lock: Some(format!("/locks/{name}")),
        holds: Vec::new(),
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("cancel", _) => request.cancel_in_progress = true,
            ("max", _) => request.queue = Queue::Max,
            ("latest", _) => request.policy = Some(Policy::Latest),
            ("first", _) => request.policy = Some(Policy::First),
            ("queue", _) => request.policy = Some(Policy::Queue),
            ("coalesce", _) => request.policy = Some(Policy::Coalesce),
            ("digest", text) => request.digest = Some(text.to_owned()),
            ("commit", number) => {
                let number = number.parse().unwrap();
                request.order = Order::Commit(Position { number, label: format!("#{number}") });
            }
            ("debounce", seconds) => {
                request.debounce = Some(Duration::from_secs(seconds.parse().unwrap()));
            }
            ("run", run) => run.clone_into(&mut member.run),
            ("attempt", number) => member.attempt = number.parse().unwrap(),
            ("job", job) => member.job = Some(job.to_owned()),
            _ => panic!("no such option: {word}"),
        }
    }
    Newcomer { member, request, ttl: TTL }
}

fn state(group: &mut Group, now: &Now) -> String {
    let member = |standing: &coord::group::Standing| {
        let mark = match standing.phase {
            Phase::Pending => "",
            Phase::InProgress => "*",
            Phase::Cancelling => "~",
        };
        format!("{}{mark}", standing.member.token.as_str())
    };
    let members: Vec<String> = group.members().iter().map(member).collect();
    let mut text = members.join(" ");
    let mut out = Vec::new();
    for name in ('a'..='z').map(|name| name.to_string()) {
        // Looking at a copy: this must not settle anything.
        if let Told::Out { reason } =
            group.clone().look(&Token::new(name.as_str()), &Death::default(), now)
        {
            out.push(format!("{name} {}", reason.word()));
        }
    }
    if !out.is_empty() {
        text.push_str(" | ");
        text.push_str(&out.join(", "));
    }
    text
}

// What GitHub does.

#[test]
fn one_is_in_progress_and_the_next_waits() {
    check(
        "0 enter a => a*
         1 enter b => a* b
         2 leave a => b*
         3 leave b => ",
    );
}

#[test]
fn a_newcomer_replaces_the_one_who_waits() {
    check(
        "0 enter a => a*
         1 enter b => a* b
         2 enter c => a* c | b superseded
         3 leave b => a* c
         4 leave a => c*",
    );
}

#[test]
fn a_newcomer_may_tell_the_one_in_progress_to_end() {
    check(
        "0 enter a => a*
         1 enter b cancel => a~ b
         2 leave a => b*",
    );
}

#[test]
fn only_the_newcomers_wish_decides() {
    check(
        "0 enter a cancel => a*
         1 enter b => a* b
         2 enter c cancel => a~ c | b superseded",
    );
}

#[test]
fn whoever_is_told_to_end_is_in_progress_until_it_has() {
    check(
        "0 enter a => a*
         1 enter b cancel => a~ b
         30 renew a => a~ b
         40 renew b => a~ b
         80 renew a => a~ b
         81 enter c cancel => a~ c | b superseded
         82 leave a => c* | b superseded",
    );
}

#[test]
fn a_wish_to_wait_does_not_undo_a_wish_to_end() {
    check(
        "0 enter a => a*
         1 enter b cancel => a~ b
         2 enter c => a~ c | b superseded",
    );
}

#[test]
fn queue_max_waits_in_order() {
    check(
        "0 enter a max => a*
         1 enter b max => a* b
         2 enter c max => a* b c
         3 enter d max => a* b c d
         4 leave a => b* c d
         5 leave c => b* d
         6 leave b => d*",
    );
}

#[test]
fn a_newcomer_that_does_not_queue_replaces_all_who_wait() {
    check(
        "0 enter a max => a*
         1 enter b max => a* b
         2 enter c max => a* b c
         3 enter d => a* d | b superseded, c superseded",
    );
}

#[test]
fn a_full_queue_cancels_the_newcomer() {
    let mut group = Group::default();
    let now = Now::at(Stamp::new("clock", Duration::ZERO));
    let mut enter = |name: String| {
        let newcomer = newcomer(&name, "max".split(' '));
        group.enter(newcomer, &Death::default(), &now)
    };
    for number in 0..=100 {
        assert!(!matches!(enter(format!("m{number}")), Told::Out { .. }), "{number}");
    }
    assert_eq!(enter("n".to_owned()), Told::Out { reason: Reason::QueueFull });
    assert!(group.leave(&Token::new("m0"), &Death::default(), &now));
    assert!(play(&mut group, "1 enter n max").ends_with(" n"));
}

#[test]
fn queue_max_cannot_be_combined_with_cancel_in_progress() {
    let request = newcomer("a", "max cancel".split(' ')).request;
    assert!(request.validate().is_err());
    assert!(newcomer("a", "max".split(' ')).request.validate().is_ok());
}

#[test]
fn order_is_that_of_waiting_and_not_of_the_name_or_the_run() {
    check(
        "0 enter z max => z*
         1 enter b max => z* b
         1 enter a max => z* b a
         2 leave z => b* a",
    );
}

#[test]
fn a_job_that_waits_can_be_replaced_by_a_job_of_another_run() {
    check(
        "0 enter a run=1 job=x => a*
         1 enter b run=2 job=x => a* b
         2 enter c run=3 job=other => a* c | b superseded",
    );
}

#[test]
fn two_jobs_of_one_run_in_one_group_wait_for_each_other() {
    check(
        "0 enter a run=1 job=x => a*
         1 enter b run=1 job=y => a* b
         2 leave a => b*",
    );
}

#[test]
fn names_are_compared_without_case_and_runs_share_them_with_jobs() {
    use coord::group::GroupName;
    let name = GroupName::new("github.com", "Octo/Repo", "Deploy-PROD");
    assert_eq!(name, GroupName::new("GitHub.com", "octo/repo", "deploy-prod"));
    assert_ne!(name, GroupName::new("github.com", "octo/other", "deploy-prod"));
    assert_ne!(name, GroupName::new("ghe.example", "octo/repo", "deploy-prod"));
    assert_ne!(
        GroupName::new("h", "a/b", "c").key(),
        GroupName::new("h", "a", "b/c").key(),
        "a slash moves nothing from one part to another"
    );
}

// Who comes back, who dies.

#[test]
fn entering_twice_is_entering_once() {
    check(
        "0 enter a => a*
         1 enter a => a*
         2 enter b => a* b
         3 enter b cancel => a* b",
    );
}

#[test]
fn leaving_twice_is_leaving_once() {
    check(
        "0 enter a => a*
         1 enter b => a* b
         2 leave a => b*
         3 leave a => b*",
    );
}

#[test]
fn a_member_that_does_not_renew_leaves_by_itself() {
    check(
        "0 enter a => a*
         30 enter b => a* b
         59 look b => a* b
         60 look b => b*",
    );
}

#[test]
fn a_member_that_renews_stays() {
    check(
        "0 enter a => a*
         30 enter b => a* b
         50 renew a => a* b
         80 renew b => a* b
         109 look b => a* b
         110 look b => b*",
    );
}

#[test]
fn a_dead_member_that_waits_is_passed_over() {
    check(
        "0 enter a max => a*
         1 enter b max => a* b
         50 renew a => a* b
         50 enter c max => a* b c
         61 leave a => c*",
    );
}

#[test]
fn proof_of_death_shortens_the_wait() {
    check(
        "0 enter a => a*
         1 enter b => a* b
         2 proof a => b*",
    );
}

#[test]
fn a_higher_attempt_of_the_same_run_takes_the_place_of_the_lower() {
    check(
        "0 enter a run=7 => a*
         1 enter b run=7 attempt=2 => b*",
    );
    check(
        "0 enter a run=7 attempt=2 => a*
         1 enter b run=7 attempt=1 => a* b",
    );
    check(
        "0 enter a run=7 job=x => a*
         1 enter b run=7 job=y attempt=2 => a* b",
    );
}

#[test]
fn the_next_is_told_whose_processes_to_end_until_it_has() {
    let mut group = Group::default();
    play(&mut group, "0 enter a");
    play(&mut group, "1 enter b");
    play(&mut group, "2 proof a");
    let orphans = |group: &mut Group, name: &str| match group.look(
        &Token::new(name),
        &Death::default(),
        &Now::at(Stamp::new("clock", Duration::from_secs(3))),
    ) {
        Told::Running { orphans, .. } => {
            orphans.iter().map(|orphan| orphan.run.clone()).collect::<Vec<_>>().join(" ")
        }
        told => panic!("{told:?}"),
    };
    assert_eq!(orphans(&mut group, "b"), "a");
    // A successor that dies before it has done so hands the duty on, and is one more itself.
    play(&mut group, "3 enter c");
    play(&mut group, "3 proof b");
    assert_eq!(orphans(&mut group, "c"), "a b");
    assert!(group.clear(&[Token::new("a"), Token::new("b")]));
    assert_eq!(orphans(&mut group, "c"), "");
    play(&mut group, "4 leave c");
    assert!(group.is_idle());
}

#[test]
fn a_member_that_left_is_nobodys_orphan() {
    let mut group = Group::default();
    play(&mut group, "0 enter a");
    play(&mut group, "1 leave a");
    assert!(group.is_idle());
}

#[test]
fn fences_grow_with_every_turn() {
    let mut group = Group::default();
    let mut last = 0;
    for (enter, leave) in [("0 enter a", "1 leave a"), ("2 enter b", "3 leave b")] {
        play(&mut group, enter);
        assert!(group.members()[0].fence().0 > last);
        last = group.members()[0].fence().0;
        play(&mut group, leave);
    }
    play(&mut group, "4 enter c");
    play(&mut group, "5 enter d");
    play(&mut group, "6 proof c");
    assert!(group.members()[0].fence().0 > last + 1);
}

// What GitHub cannot say.

#[test]
fn latest_replaces_all_and_tells_the_one_in_progress_to_end() {
    check(
        "0 enter a latest => a*
         1 enter b latest => a~ b
         2 enter c latest => a~ c | b superseded",
    );
}

#[test]
fn first_turns_everybody_away_while_one_is_there() {
    check(
        "0 enter a first => a*
         1 enter b first => a* -> not-first
         2 leave a => ",
    );
    check(
        "0 enter a => a*
         1 enter b => a* b
         2 enter c first => a* b -> not-first
         3 enter d cancel => a~ d | b superseded",
    );
}

#[test]
fn first_waits_for_one_that_was_told_to_end() {
    let mut group = Group::default();
    play(&mut group, "0 enter a first");
    let reason = Reason::Asked { why: "by hand".to_owned() };
    let now = Now::at(Stamp::new("clock", Duration::from_secs(1)));
    assert!(group.cancel(&Token::new("a"), reason, &now));
    assert_eq!(play(&mut group, "2 enter b first"), "a~ b");
}

#[test]
fn queue_waits_like_queue_max() {
    check(
        "0 enter a queue => a*
         1 enter b queue => a* b
         2 enter c queue => a* b c",
    );
}

#[test]
fn coalesce_keeps_one_that_stands_for_all_since() {
    check(
        "0 enter a coalesce => a*
         1 enter b coalesce => a* b
         2 enter c coalesce => a* c | b coalesced",
    );
}

#[test]
fn equal_work_is_done_once_and_changed_work_supersedes() {
    check(
        "0 enter a digest=1 => a*
         1 enter b digest=1 => a* -> coalesced
         2 enter c digest=2 => a~ c
         3 enter d digest=2 => a~ c -> coalesced
         4 enter e digest=1 => a~ e | c superseded
         5 leave a => e* | c superseded",
    );
}

#[test]
fn equal_work_is_compared_with_the_newest_only() {
    check(
        "0 enter a queue digest=1 => a*
         1 enter b queue digest=2 => a* b
         2 enter c queue digest=1 => a* b c",
    );
}

#[test]
fn work_done_before_is_not_remembered_by_the_group() {
    check(
        "0 enter a digest=1 => a*
         1 leave a =>
         2 enter b digest=1 => b*",
    );
}

#[test]
fn an_older_commit_never_follows_a_newer_one() {
    check(
        "0 enter a commit=5 => a*
         1 enter b commit=4 => a* -> older
         2 leave a => ",
    );
    check(
        "0 enter a commit=5 => a*
         1 enter b commit=7 => a* b
         2 enter c commit=6 => a* b -> older
         3 enter d commit=8 => a* d | b superseded
         4 enter e cancel commit=3 => a* d | b superseded -> older",
    );
}

#[test]
fn the_order_of_commits_outlives_those_who_ran() {
    let mut group = Group::default();
    play(&mut group, "0 enter a commit=5");
    play(&mut group, "1 leave a");
    assert!(play(&mut group, "2 enter b commit=4").ends_with("-> older"));
    assert_eq!(play(&mut group, "3 enter c commit=5"), "c*");
}

#[test]
fn a_commit_that_never_ran_bars_nobody() {
    check(
        "0 enter a commit=5 => a*
         1 enter b commit=9 => a* b
         2 leave b => a*
         3 enter c commit=7 => a* c",
    );
}

#[test]
fn those_who_queue_by_commit_stand_in_that_order() {
    check(
        "0 enter a queue commit=1 => a*
         1 enter b queue commit=5 => a* b
         2 enter c queue commit=3 => a* c b
         3 enter d queue commit=9 => a* c b d
         4 leave a => c* b d",
    );
}

#[test]
fn a_storm_collapses_into_the_newest_and_cancels_nothing() {
    check(
        "0 enter a cancel debounce=5 => a
         1 enter b cancel debounce=5 => b | a debounced
         2 enter c cancel debounce=5 => c | a debounced, b debounced
         4 look c => c | a debounced, b debounced
         5 look c => c* | a debounced, b debounced",
    );
}

#[test]
fn a_storm_tells_the_one_in_progress_only_when_its_window_is_closed() {
    check(
        "0 enter a => a*
         10 enter b cancel debounce=5 => a* b
         11 enter c cancel debounce=5 => a* c | b debounced
         14 look c => a* c | b debounced
         15 look c => a~ c | b debounced
         16 leave a => c* | b debounced",
    );
}

#[test]
fn a_storm_that_does_not_end_starts_all_the_same() {
    check(
        "0 enter a debounce=5 => a
         3 enter b debounce=5 => b | a debounced
         6 look b => b* | a debounced
         7 enter c debounce=5 => b* c | a debounced",
    );
}

#[test]
fn equal_requests_inside_a_window_coalesce() {
    check(
        "0 enter a digest=1 debounce=5 => a
         1 enter b digest=1 debounce=5 => a -> coalesced
         2 enter c digest=2 debounce=5 => c | a debounced
         5 look c => c* | a debounced",
    );
}

#[test]
fn a_queue_keeps_its_order_behind_a_window() {
    check(
        "0 enter a queue debounce=5 => a
         1 enter b queue => a b
         5 look b => a* b",
    );
}

#[test]
fn who_is_out_is_forgotten_when_told_or_dead() {
    let mut group = Group::default();
    for number in 0..1000 {
        play(&mut group, &format!("{number} enter m{number}"));
        play(&mut group, &format!("{number} renew m0"));
    }
    let size = serde_json::to_vec(&group).unwrap().len();
    assert!(size < 40_000, "{size} bytes after a thousand members");
}

#[test]
fn a_finished_member_leaves_nothing_behind() {
    let mut group = Group::default();
    play(&mut group, "0 enter a");
    play(&mut group, "0 leave a");
    let size = serde_json::to_vec(&group).unwrap().len();
    for number in 0..1000 {
        play(&mut group, &format!("{number} enter m{number}"));
        play(&mut group, &format!("{number} leave m{number}"));
    }
    // The fence has grown from one digit to four.
    assert_eq!(serde_json::to_vec(&group).unwrap().len(), size + 3);
}

#[test]
fn reasons_are_sentences() {
    let mut group = Group::default();
    play(&mut group, "0 enter a run=17");
    play(&mut group, "1 enter b run=18 attempt=2");
    play(&mut group, "2 enter c run=19 job=build");
    let now = Now::at(Stamp::new("clock", Duration::from_secs(3)));
    let told = group.look(&Token::new("b"), &Death::default(), &now);
    let Told::Out { reason } = told else { panic!("{told:?}") };
    assert_eq!(reason.to_string(), "superseded by run 19, job build in the same group");
    assert!(reason.is_replaced());
}

#[test]
fn a_closed_window_wakes_nobody() {
    let mut group = Group::default();
    play(&mut group, "0 enter a");
    play(&mut group, "1 enter b debounce=5");
    let now = Now::at(Stamp::new("clock", Duration::from_secs(20)));
    let told = group.look(&Token::new("b"), &Death::default(), &now);
    assert!(
        matches!(told, Told::Pending { wake, .. } if wake == Duration::from_secs(40)),
        "{told:?}"
    );
}
