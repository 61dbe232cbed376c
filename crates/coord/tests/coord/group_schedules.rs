//! Whatever happens to a group in whatever order, its invariants hold.

use std::collections::BTreeSet;
use std::time::Duration;

use coord::group::{
    Death, Group, Member, Newcomer, Order, Policy, Position, Queue, Reason, Request, Told,
};
use coord::{Fence, Now, Stamp, Token, Value as _};
use jiff::Timestamp;
use proptest::prelude::*;

const TTL: Duration = Duration::from_mins(1);

#[derive(Clone, Debug)]
enum Event {
    Enter { who: u8, request: Request },
    Leave(u8),
    Renew(u8),
    Look(u8),
    Die(u8),
    Cancel(u8),
    Wait(u64),
}

fn requests() -> impl Strategy<Value = Request> {
    let policy = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Policy::Latest)),
        1 => Just(Some(Policy::First)),
        1 => Just(Some(Policy::Queue)),
        1 => Just(Some(Policy::Coalesce)),
    ];
    let order = prop::option::weighted(0.3, 0..9u64);
    let digest = prop::option::weighted(0.3, 0..3u8);
    let debounce = prop::option::weighted(0.3, 1..20u64);
    (any::<bool>(), any::<bool>(), policy, order, digest, debounce).prop_map(
        |(cancel, max, policy, order, digest, debounce)| Request {
            cancel_in_progress: cancel && !max,
            queue: if max { Queue::Max } else { Queue::Single },
            policy,
            order: order.map_or(Order::Arrival, |number| {
                Order::Commit(Position { number, label: number.to_string() })
            }),
            digest: digest.map(|digest| digest.to_string()),
            debounce: debounce.map(Duration::from_secs),
        },
    )
}

fn events() -> impl Strategy<Value = Event> {
    let who = || 0..12u8;
    prop_oneof![
        4 => (who(), requests()).prop_map(|(who, request)| Event::Enter { who, request }),
        2 => who().prop_map(Event::Leave),
        2 => who().prop_map(Event::Renew),
        2 => who().prop_map(Event::Look),
        1 => who().prop_map(Event::Die),
        1 => who().prop_map(Event::Cancel),
        2 => (0..40u64).prop_map(Event::Wait),
    ]
}

fn member(who: u8, turn: usize) -> Member {
    Member {
        token: Token::new(format!("{who}.{turn}")),
        run: format!("{who}.{turn}"),
        attempt: 1,
        job: None,
        link: None,
        surface: "test".to_owned(),
        entered: Timestamp::UNIX_EPOCH,
        boot: None,
        lock: None,
        holds: Vec::new(),
    }
}

fn in_progress(group: &Group) -> Option<(Token, Fence)> {
    let working: Vec<_> = group.members().iter().filter(|one| one.is_in_progress()).collect();
    assert!(working.len() <= 1, "two are in progress");
    working.first().map(|one| (one.member.token.clone(), one.fence()))
}

fn pending(group: &Group) -> Vec<Token> {
    let pending = group.members().iter().filter(|one| !one.is_in_progress());
    pending.map(|one| one.member.token.clone()).collect()
}

fn note(group: &mut Group, seconds: u64) {
    let stamp = Stamp::new("clock", Duration::from_secs(seconds));
    group.each_life(&mut |life| {
        life.note(&stamp);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn one_is_in_progress_and_nobody_is_forgotten(schedule in prop::collection::vec(events(), 1..80)) {
        let (mut group, mut seconds, mut turn) = (Group::default(), 0, [0; 12]);
        let (mut last_fence, mut working) = (Fence::default(), None);
        for event in schedule {
            let now = Now::at(Stamp::new("clock", Duration::from_secs(seconds)));
            let alive = Death::default();
            let token = |who: u8| member(who, turn[usize::from(who)]).token;
            let before = pending(&group);
            let mut entered = None;
            match event {
                Event::Enter { who, request } => {
                    let newcomer = member(who, turn[usize::from(who)]);
                    let was_there = group.members().iter().any(|one| one.member == newcomer);
                    entered = (!was_there).then(|| newcomer.token.clone());
                    let told = group.enter(Newcomer { member: newcomer, request, ttl: TTL }, &alive, &now);
                    prop_assert!(!matches!(told, Told::Gone), "a newcomer is told something");
                }
                Event::Leave(who) => {
                    group.leave(&token(who), &alive, &now);
                    prop_assert_eq!(group.look(&token(who), &alive, &now), Told::Gone);
                    turn[usize::from(who)] += 1;
                }
                Event::Renew(who) => drop(group.renew(&token(who), &alive, &now)),
                Event::Look(who) => drop(group.look(&token(who), &alive, &now)),
                Event::Die(who) => drop(group.look(&token(who), &Death(vec![token(who)]), &now)),
                Event::Cancel(who) => {
                    group.cancel(&token(who), Reason::Asked { why: "test".to_owned() }, &now);
                }
                Event::Wait(time) => seconds += time,
            }
            note(&mut group, seconds);
            // A turn in progress ends once, and every later one has a larger fence.
            let current = in_progress(&group);
            if current != working {
                if let Some((_, fence)) = &current {
                    prop_assert!(*fence > last_fence);
                    last_fence = *fence;
                }
                working = current;
            }
            prop_assert!(group.fence() >= last_fence);
            // Those who wait keep their order, whoever goes.
            let after: Vec<_> =
                pending(&group).into_iter().filter(|token| Some(token) != entered.as_ref()).collect();
            let kept: Vec<_> = before.into_iter().filter(|token| after.contains(token)).collect();
            prop_assert_eq!(kept, after);
        }
        // Everything ends: whoever is still there gets a turn within the windows, one after the other.
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let Some(last) = group.members().last().map(|one| one.member.token.clone()) else { break };
            seconds += 1;
            let now = Now::at(Stamp::new("clock", Duration::from_secs(seconds)));
            let everybody: Vec<_> = group.members().iter().map(|one| one.member.token.clone()).collect();
            for token in everybody {
                group.renew(&token, &Death::default(), &now);
            }
            note(&mut group, seconds);
            group.look(&last, &Death::default(), &now);
            if let Some((token, _)) = in_progress(&group) {
                prop_assert!(seen.insert(token.clone()));
                group.leave(&token, &Death::default(), &now);
            }
        }
        prop_assert!(group.members().is_empty(), "somebody waits for ever: {:?}", group.members());
    }
}
