//! The client and the forge understand each other, over real HTTP.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::sync::Arc;
use std::time::Duration;

use github::{Client, ErrorKind, Http, Settings};
use testkit::forge::{Effect, Faults, Forge, Rule, State};

async fn world(faults: Faults) -> (Forge, Client) {
    let forge = Forge::start(State::new("octo/tones"), faults).await;
    let transport = Http::new(Some("token".into()), Duration::from_secs(5)).unwrap();
    let settings = Settings { retries: 2, pause: Duration::from_millis(1) };
    let client =
        Client::new(Arc::new(transport), &forge.url(), "octo/tones".parse().unwrap(), settings);
    (forge, client)
}

fn rule(method: &'static str, budget: u32, effect: Effect) -> Faults {
    Faults::new(1, vec![Rule { method, path: "", per_mille: 1000, budget, effect }])
}

#[tokio::test]
async fn comments_beyond_the_first_page_are_found() {
    let (forge, client) = world(Faults::default()).await;
    forge.with(|state| {
        for number in 0..250 {
            state.comment(7, "somebody", &number.to_string());
        }
    });
    let made = client.create_comment(7, "mine").await.unwrap();
    assert_eq!(made.author(), Some("interlock[bot]"));
    let all = client.comments(7).await.unwrap();
    assert_eq!((all.len(), all.last().map(|comment| comment.id)), (251, Some(made.id)));
    assert_eq!(client.quota().map(|quota| quota.limit), Some(5000));
}

#[tokio::test]
async fn write_whose_answer_is_lost_is_not_sent_again() {
    let (forge, client) = world(rule("POST", 1, Effect::LoseAnswer)).await;
    let error = client.create_comment(7, "once").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Lost);
    assert_eq!(forge.with(|state| state.comments.len()), 1);
    assert_eq!(forge.with(|state| state.count("POST", "/comments")), 1);
}

#[tokio::test]
async fn reading_is_repeated() {
    let (_forge, client) =
        world(rule("GET", 2, Effect::Refuse(502, Vec::new(), String::new()))).await;
    assert_eq!(client.comments(7).await.unwrap(), []);
}

#[tokio::test]
async fn limit_says_how_long() {
    let headers = vec![("retry-after", "3".to_owned())];
    let (_forge, client) =
        world(rule("PATCH", 1, Effect::Refuse(403, headers, "slow down".into()))).await;
    let error = client.update_comment(1, "x").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(3)) });
}

#[tokio::test]
async fn foreign_comment_cannot_be_changed() {
    let (forge, client) = world(Faults::default()).await;
    let id = forge.with(|state| state.comment(7, "somebody", "theirs"));
    assert_eq!(client.update_comment(id, "mine").await.unwrap_err().kind, ErrorKind::Denied);
}

#[tokio::test]
async fn late_write_lands() {
    let (forge, client) = world(Faults::default()).await;
    let made = client.create_comment(7, "old").await.unwrap();
    forge.set_faults(rule("PATCH", 1, Effect::LandLater(Duration::from_millis(20))));
    assert_eq!(client.update_comment(made.id, "late").await.unwrap_err().kind, ErrorKind::Lost);
    forge.settle().await;
    assert_eq!(client.comment(made.id).await.unwrap().body, "late");
}

#[tokio::test]
async fn answer_that_has_not_changed_costs_nothing() {
    let (forge, client) = world(Faults::default()).await;
    forge.with(|state| state.comment(7, "somebody", "hello"));
    let first = client.comments(7).await.unwrap();
    let left = forge.with(|state| state.remaining);
    assert_eq!(client.comments(7).await.unwrap(), first);
    assert_eq!(forge.with(|state| state.remaining), left);
    assert_eq!(forge.with(|state| state.seen.last().map(|seen| seen.status)), Some(304));
    forge.with(|state| state.comment(7, "somebody", "and again"));
    assert_eq!(client.comments(7).await.unwrap().len(), 2);
    assert_eq!(forge.with(|state| state.remaining), left - 1);
}
