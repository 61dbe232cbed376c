//! Buckets on servers that keep their promises, and behind a proxy that loses answers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use store::{ErrorKind, Expect, Key, Objects, Store, Surroundings, Wait, Written, conformance};
use testkit::servers::{Answer, Azure, Proxy, Request, S3, Variables};

fn open(url: &str, variables: Variables) -> Objects {
    let surroundings = Surroundings { variables, ..Surroundings::default() };
    Objects::open(url, &surroundings).expect("open")
}

fn s3(port: u16, prefix: &str) -> Objects {
    open(&format!("s3://{}/{prefix}", S3::BUCKET), S3::variables(port))
}

fn azure(port: u16, prefix: &str) -> Objects {
    open(&format!("az://{}/{prefix}", Azure::CONTAINER), Azure::variables(port))
}

fn key() -> Key {
    Key::new(["lock", "octo/repo"])
}

#[tokio::test]
async fn s3_keeps_the_contract() {
    let Some(server) = S3::start().await else { return };
    conformance::check(&s3(server.port(), "")).await;
    conformance::check_shared(&s3(server.port(), "a"), &s3(server.port(), "a")).await;
}

#[tokio::test]
async fn azure_keeps_the_contract() {
    let Some(server) = Azure::start() else { return };
    conformance::check(&azure(server.port(), "")).await;
    conformance::check_shared(&azure(server.port(), "a"), &azure(server.port(), "a")).await;
}

#[tokio::test]
async fn one_of_fifty_creates_wins_on_s3() {
    let Some(server) = S3::start().await else { return };
    fifty_race(&s3(server.port(), "race")).await;
}

#[tokio::test]
async fn one_of_fifty_creates_wins_on_azure() {
    let Some(server) = Azure::start() else { return };
    fifty_race(&azure(server.port(), "race")).await;
}

/// Fifty writers create one record, three times, and then add one to one counter, each once.
async fn fifty_race(store: &dyn Store) {
    for round in ["1", "2", "3"] {
        let key = Key::new(["race", round]);
        let writers = (0..50u8).map(|n| store.write(&key, vec![n].into(), Expect::Absent));
        let ends = join_all(writers).await;
        let won = ends.iter().filter(|end| matches!(end, Ok(Written::Stored(_)))).count();
        assert_eq!(won, 1, "round {round}");
        // Whose refusal is lost does not know that it was one.
        let unknown = |error: &store::Error| error.kind == ErrorKind::Unknown;
        assert!(ends.iter().filter_map(|end| end.as_ref().err()).all(unknown), "round {round}");
    }
    let adds = join_all((0..50).map(|_| add(store))).await;
    let lost = adds.iter().filter(|lost| **lost).count() as u64;
    let record = store.read(&key()).await.expect("read").expect("record");
    let count: u64 = std::str::from_utf8(&record.value).expect("digits").parse().expect("a number");
    assert!(lost < 50 && 50 - lost <= count && count <= 50, "{count} of 50, and {lost} unknown");
}

/// Adds one, and returns whether it is unknown if it did.
async fn add(store: &dyn Store) -> bool {
    loop {
        let record = store.read(&key()).await.expect("read");
        let (count, expect) = match record {
            None => (0, Expect::Absent),
            Some(record) => {
                let text = std::str::from_utf8(&record.value).expect("digits").to_owned();
                (text.parse::<u64>().expect("a number"), Expect::At(record.version))
            }
        };
        match store.write(&key(), (count + 1).to_string().into(), expect).await {
            Ok(Written::Stored(_)) => return false,
            Ok(Written::Conflict) => {}
            Err(error) if error.kind == ErrorKind::Unknown => return true,
            Err(error) => panic!("{error}: {}", error.source),
        }
    }
}

/// Applies the first PUT of each path and condition as given, and passes on all others.
fn first_put_is(answer: Answer) -> impl Fn(&Request) -> Answer + Send + Sync {
    let seen = Mutex::new(HashSet::new());
    move |request| {
        let this = (request.path.clone(), request.condition.clone());
        let first = request.method == "PUT" && seen.lock().expect("unpoisoned").insert(this);
        if first { answer } else { Answer::True }
    }
}

/// What becomes of a create and a swap whose first attempt meets this.
async fn first_put_meets(port: u16, answer: Answer, open: fn(u16, &str) -> Objects) {
    let proxy = Proxy::start(port, first_put_is(answer)).await;
    let store = open(proxy.port(), "");
    let key = Key::new(["lost", &format!("{answer:?}")]);
    let created = store.write(&key, "mine".into(), Expect::Absent).await;
    let Ok(Written::Stored(version)) = created else { panic!("{answer:?}: {created:?}") };
    assert_eq!(store.read(&key).await.expect("read").expect("record").version, version);
    let swapped = store.write(&key, "mine again".into(), Expect::At(version)).await;
    let Ok(Written::Stored(version)) = swapped else { panic!("{answer:?}: {swapped:?}") };
    let removed = store.remove(&key, &version).await;
    assert!(matches!(removed, Ok(Written::Stored(_))), "{answer:?}: {removed:?}");
    assert_eq!(store.read(&key).await.expect("read"), None);
}

const ODDITIES: [Answer; 10] = [
    // The write took effect, and the client is not told so.
    Answer::Lost,
    Answer::Replaced(500),
    Answer::Replaced(503),
    // A repetition by somebody on the way was refused, because of the first attempt.
    Answer::Replaced(412),
    Answer::Replaced(409),
    // The write did not take effect, and is not lost either.
    Answer::Dropped,
    Answer::Invented(409),
    Answer::Invented(412),
    Answer::Invented(429),
    Answer::Invented(503),
];

#[tokio::test]
async fn nobody_is_refused_in_favour_of_itself_on_s3() {
    let Some(server) = S3::start().await else { return };
    join_all(ODDITIES.map(|answer| first_put_meets(server.port(), answer, s3))).await;
}

#[tokio::test]
async fn nobody_is_refused_in_favour_of_itself_on_azure() {
    let Some(server) = Azure::start() else { return };
    join_all(ODDITIES.map(|answer| first_put_meets(server.port(), answer, azure))).await;
}

/// What becomes of a look at the clock whose first write meets this.
async fn first_look_at_the_clock_meets(port: u16, answer: Answer, open: fn(u16, &str) -> Objects) {
    let proxy = Proxy::start(port, first_put_is(answer)).await;
    let prefix = format!("{answer:?}");
    let time = open(proxy.port(), &prefix).now().await;
    assert!(matches!(time, Ok(Some(_))), "{answer:?}: {time:?}");
}

const CLOCK_ODDITIES: [Answer; 6] = [
    Answer::Lost,
    Answer::Replaced(500),
    Answer::Replaced(503),
    Answer::Dropped,
    Answer::Invented(409),
    Answer::Invented(503),
];

#[tokio::test]
async fn clock_is_read_though_an_answer_is_lost_on_s3() {
    let Some(server) = S3::start().await else { return };
    join_all(CLOCK_ODDITIES.map(|it| first_look_at_the_clock_meets(server.port(), it, s3))).await;
}

#[tokio::test]
async fn clock_is_read_though_an_answer_is_lost_on_azure() {
    let Some(server) = Azure::start() else { return };
    let port = server.port();
    join_all(CLOCK_ODDITIES.map(|it| first_look_at_the_clock_meets(port, it, azure))).await;
}

#[tokio::test]
async fn race_whose_answers_are_lost_still_has_one_winner() {
    let Some(server) = S3::start().await else { return };
    let proxy = Proxy::start(server.port(), first_put_is(Answer::Lost)).await;
    let store: Arc<dyn Store> = Arc::new(s3(proxy.port(), ""));
    fifty_race(&*store).await;
}

#[tokio::test]
async fn loser_after_a_lost_answer_is_told_that_it_is_unknown() {
    let Some(server) = S3::start().await else { return };
    let direct = s3(server.port(), "");
    let Ok(Written::Stored(_)) = direct.write(&key(), "theirs".into(), Expect::Absent).await else {
        panic!("nobody else is there")
    };
    let proxy = Proxy::start(server.port(), first_put_is(Answer::Lost)).await;
    let store = s3(proxy.port(), "");
    let error = store.write(&key(), "mine".into(), Expect::Absent).await.expect_err("not known");
    assert_eq!(error.kind, ErrorKind::Unknown, "it may have been ours, and replaced since");
}

#[tokio::test]
async fn failures_are_told_by_kind() {
    let Some(server) = S3::start().await else { return };
    let always = |answer| move |_: &Request| answer;
    for (answer, kind) in [
        (Answer::Invented(403), ErrorKind::Denied),
        (Answer::Invented(401), ErrorKind::Denied),
        (Answer::Invented(400), ErrorKind::Unavailable),
        (Answer::Invented(501), ErrorKind::Unsupported),
    ] {
        let proxy = Proxy::start(server.port(), always(answer)).await;
        let error = s3(proxy.port(), "").write(&key(), "x".into(), Expect::Absent).await;
        assert_eq!(error.expect_err("refused").kind, kind, "{answer:?}");
    }
    let proxy = Proxy::start(server.port(), |request: &Request| {
        if request.method == "PUT" { Answer::Lost } else { Answer::Invented(400) }
    });
    let proxy = proxy.await;
    let error = s3(proxy.port(), "").write(&key(), "x".into(), Expect::Absent).await;
    assert_eq!(error.expect_err("nobody answers").kind, ErrorKind::Unknown);

    let gone = server.port();
    let missing = open("s3://no-such-bucket", S3::variables(gone));
    assert_eq!(missing.read(&key()).await.expect_err("no bucket").kind, ErrorKind::Unavailable);
    drop(server);
    let error = s3(gone, "").write(&key(), "x".into(), Expect::Absent).await;
    assert_eq!(error.expect_err("nobody listens").kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn waiting_costs_a_bounded_number_of_requests() {
    let Some(server) = S3::start().await else { return };
    let requests = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&requests);
    let proxy = Proxy::start(server.port(), move |_: &Request| {
        *counter.lock().expect("unpoisoned") += 1;
        Answer::True
    });
    let proxy = proxy.await;
    let store = s3(proxy.port(), "");
    let wait = Wait { timeout: Duration::from_secs(3), ..Wait::default() };
    assert!(!store.changed(&key(), &wait).await.expect("wait"));
    let requests = *requests.lock().expect("unpoisoned");
    assert!((3..=10).contains(&requests), "{requests} requests in three seconds");
}
