//! The routes: requests as GitHub's REST API takes them, answers in its shapes.

use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State as Extract;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};

use super::Shared;
use super::faults::Effect;
use super::shapes::{comment, job, pull, run, status, user, whole_pull};
use super::state::{Seen, State, Status};

/// What a request is answered with.
struct Reply {
    status: u16,
    body: Value,
}

/// A request in parts.
struct Asked {
    method: String,
    path: String,
    query: String,
    body: Bytes,
    login: Option<String>,
    age: std::time::Duration,
    if_none_match: Option<String>,
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(answer).with_state(shared)
}

async fn answer(
    Extract(shared): Extract<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let (effect, age) = {
        let mut faults = shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        (faults.hit(method.as_str(), uri.path()), faults.age())
    };
    let login = login(&shared, &headers);
    let asked = Asked {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        body,
        login,
        age,
        if_none_match: headers
            .get("if-none-match")
            .and_then(|value| value.to_str().ok())
            .map(ToOwned::to_owned),
    };
    match effect {
        None => respond(&shared, &asked, perform(&shared, &asked), &[]),
        Some(Effect::Delay(time)) => {
            tokio::time::sleep(time).await;
            respond(&shared, &asked, perform(&shared, &asked), &[])
        }
        Some(Effect::Refuse(status, headers, text)) => {
            let body = serde_json::from_str(&text).unwrap_or_else(|_| json!({ "message": text }));
            respond(&shared, &asked, Reply { status, body }, &headers)
        }
        Some(Effect::Lose) => {
            note(&shared, &asked, 0, &Value::Null);
            broken()
        }
        Some(Effect::LoseAnswer) => {
            let reply = perform(&shared, &asked);
            note(&shared, &asked, 0, &reply.body);
            broken()
        }
        Some(Effect::LandLater(time)) => {
            lock(&shared).in_flight += 1;
            note(&shared, &asked, 0, &Value::Null);
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                drop(perform(&shared, &asked));
                lock(&shared).in_flight -= 1;
            });
            broken()
        }
    }
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn login(shared: &Shared, headers: &HeaderMap) -> Option<String> {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.split_whitespace().nth(1)).unwrap_or_default();
    lock(shared).logins.get(token).cloned()
}

/// Answers with a body that breaks off: to the client, the answer is lost.
fn broken() -> Response<Body> {
    let pieces =
        futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("the connection breaks"))]);
    let response = Response::builder().status(200).header("content-length", "100");
    response.body(Body::from_stream(pieces)).expect("a plain response")
}

fn respond(
    shared: &Shared,
    asked: &Asked,
    reply: Reply,
    extra: &[(&'static str, String)],
) -> Response<Body> {
    let tag = tag(asked, &reply);
    let is_known = tag.is_some() && asked.if_none_match == tag;
    let (limit, remaining) = {
        let mut state = lock(shared);
        // An answer that nothing has changed costs nothing.
        state.remaining = state.remaining.saturating_sub(u32::from(!is_known));
        (state.limit, state.remaining)
    };
    let status = if is_known { 304 } else { reply.status };
    note(shared, asked, status, &reply.body);
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json; charset=utf-8")
        .header("x-ratelimit-limit", limit)
        .header("x-ratelimit-remaining", remaining);
    for (name, value) in extra {
        response = response.header(*name, value);
    }
    if let Some(tag) = tag {
        response = response.header("etag", tag);
    }
    let body = if matches!(status, 204 | 304) {
        Body::empty()
    } else {
        Body::from(reply.body.to_string())
    };
    response.body(body).expect("a plain response")
}

/// Returns what tells this answer from others about the same thing.
fn tag(asked: &Asked, reply: &Reply) -> Option<String> {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    if asked.method != "GET" || reply.status != 200 {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    reply.body.to_string().hash(&mut hasher);
    Some(format!("\"{:016x}\"", hasher.finish()))
}

fn note(shared: &Shared, asked: &Asked, status: u16, answer: &Value) {
    let body = String::from_utf8_lossy(&asked.body).into_owned();
    let (method, path) = (asked.method.clone(), asked.path.clone());
    lock(shared).seen.push(Seen { method, path, status, body, answer: answer.to_string() });
}

fn perform(shared: &Shared, asked: &Asked) -> Reply {
    let mut state = lock(shared);
    let Some(login) = asked.login.clone() else {
        return Reply { status: 401, body: json!({ "message": "Bad credentials" }) };
    };
    if asked.path == "/user" {
        return Reply { status: 200, body: user(&login) };
    }
    let prefix = format!("/repos/{}/", state.repository);
    let Some(rest) = asked.path.strip_prefix(&prefix).map(ToOwned::to_owned) else {
        return missing();
    };
    let segments: Vec<&str> = rest.split('/').collect();
    match asked.method.as_str() {
        "GET" => read(&state, &segments, asked),
        _ => change(&mut state, &segments, &login, asked),
    }
}

fn read(state: &State, segments: &[&str], asked: &Asked) -> Reply {
    match segments {
        ["issues", "comments", id] => {
            let comments = state.comments_before(asked.age);
            let found = comments.iter().find(|comment| comment.id.to_string() == *id);
            found.map_or_else(missing, |found| Reply { status: 200, body: comment(state, found) })
        }
        ["issues", issue, "comments"] => list_comments(state, issue, asked),
        ["pulls", number] => {
            let found = state.pulls.iter().find(|pull| pull.number.to_string() == *number);
            found
                .map_or_else(missing, |found| Reply { status: 200, body: whole_pull(state, found) })
        }
        ["pulls"] => {
            let head = parameter(&asked.query, "head").unwrap_or_default();
            let branch = head.split_once(':').map_or("", |(_, branch)| branch);
            let found = state.pulls.iter().rev().filter(|pull| pull.branch == branch);
            paged(found.map(|found| pull(state, found)).collect(), asked)
        }
        ["commits", sha, "pulls"] => {
            let found = state.pulls.iter().filter(|pull| pull.sha == *sha);
            paged(found.map(|found| pull(state, found)).collect(), asked)
        }
        ["branches", name] => branch(state, &decode(name)),
        ["actions", "runs"] => {
            let sha = parameter(&asked.query, "head_sha").unwrap_or_default();
            let found =
                state.runs.iter().filter(|run| run.sha == sha).map(|found| run(state, found));
            wrapped("workflow_runs", found.collect(), asked)
        }
        ["actions", "runs", id] => {
            let found = state.runs.iter().find(|run| run.id.to_string() == *id);
            found.map_or_else(missing, |found| Reply { status: 200, body: run(state, found) })
        }
        ["actions", "runs", id, "jobs"] => jobs(state, id, asked),
        _ => missing(),
    }
}

fn change(state: &mut State, segments: &[&str], login: &str, asked: &Asked) -> Reply {
    match (asked.method.as_str(), segments) {
        ("POST", ["issues", issue, "comments"]) => create_comment(state, issue, login, asked),
        ("PATCH", ["issues", "comments", id]) => change_comment(state, id, login, asked),
        ("DELETE", ["issues", "comments", id]) => {
            let removed = id.parse().is_ok_and(|id| state.remove(id));
            if removed { Reply { status: 204, body: Value::Null } } else { missing() }
        }
        ("POST", ["actions", "runs", id, "cancel"]) => cancel(state, id),
        ("POST", ["statuses", sha]) => set_status(state, sha, login, asked),
        _ => missing(),
    }
}

fn branch(state: &State, name: &str) -> Reply {
    if !state.branches.contains(name) {
        return missing();
    }
    let commit = json!({ "sha": "0".repeat(40) });
    Reply { status: 200, body: json!({ "name": name, "commit": commit, "protected": false }) }
}

fn cancel(state: &mut State, id: &str) -> Reply {
    match state.runs.iter_mut().find(|run| run.id.to_string() == id) {
        None => missing(),
        Some(run) if run.status == "completed" => Reply {
            status: 409,
            body: json!({ "message": "Cannot cancel a workflow run that is completed." }),
        },
        Some(run) => {
            run.cancelled = true;
            Reply { status: 202, body: json!({}) }
        }
    }
}

fn missing() -> Reply {
    Reply {
        status: 404,
        body: json!({ "message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404" }),
    }
}

fn invalid(message: &str) -> Reply {
    Reply { status: 422, body: json!({ "message": message, "errors": [] }) }
}

fn list_comments(state: &State, issue: &str, asked: &Asked) -> Reply {
    let comments = state.comments_before(asked.age);
    let of_issue = comments.iter().filter(|comment| comment.issue.to_string() == issue);
    paged(of_issue.map(|found| comment(state, found)).collect(), asked)
}

fn text_of(asked: &Asked, field: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&asked.body).ok()?;
    body.get(field)?.as_str().map(ToOwned::to_owned)
}

fn create_comment(state: &mut State, issue: &str, login: &str, asked: &Asked) -> Reply {
    let (Some(text), Ok(issue)) = (text_of(asked, "body"), issue.parse()) else {
        return invalid("Invalid request.");
    };
    if text.chars().count() > state.max_comment {
        return invalid("Body is too long (maximum is 65536 characters)");
    }
    let id = state.comment(issue, login, &text);
    let made = state.comments.iter().find(|comment| comment.id == id);
    made.map_or_else(missing, |made| Reply { status: 201, body: comment(state, made) })
}

fn change_comment(state: &mut State, id: &str, login: &str, asked: &Asked) -> Reply {
    let (Some(text), Ok(id)) = (text_of(asked, "body"), id.parse()) else {
        return invalid("Invalid request.");
    };
    if text.chars().count() > state.max_comment {
        return invalid("Body is too long (maximum is 65536 characters)");
    }
    match state.comments.iter().find(|comment| comment.id == id) {
        None => return missing(),
        Some(found) if found.author != login => {
            return Reply {
                status: 403,
                body: json!({ "message": "Must have admin rights to Repository." }),
            };
        }
        Some(_) => {}
    }
    state.edit(id, &text);
    let made = state.comments.iter().find(|comment| comment.id == id);
    made.map_or_else(missing, |made| Reply { status: 200, body: comment(state, made) })
}

fn set_status(state: &mut State, sha: &str, login: &str, asked: &Asked) -> Reply {
    let Some(word) = text_of(asked, "state") else { return invalid("Invalid request.") };
    let context = text_of(asked, "context").unwrap_or_else(|| "default".to_owned());
    let description = text_of(asked, "description").unwrap_or_default();
    if !["pending", "success", "failure", "error"].contains(&word.as_str())
        || description.chars().count() > 140
    {
        return invalid("Validation Failed");
    }
    let made = Status { sha: sha.to_owned(), context, state: word, description };
    let body = status(&made, login);
    state.statuses.push(made);
    Reply { status: 201, body }
}

fn jobs(state: &State, id: &str, asked: &Asked) -> Reply {
    let Some(found) = state.runs.iter().find(|run| run.id.to_string() == id) else {
        return missing();
    };
    let jobs = found.jobs.iter().map(|known| job(state, found, known));
    wrapped("jobs", jobs.collect(), asked)
}

fn paged(items: Vec<Value>, asked: &Asked) -> Reply {
    Reply { status: 200, body: Value::Array(page(items, asked)) }
}

fn wrapped(field: &str, items: Vec<Value>, asked: &Asked) -> Reply {
    let total = items.len();
    Reply { status: 200, body: json!({ "total_count": total, field: page(items, asked) }) }
}

fn page(items: Vec<Value>, asked: &Asked) -> Vec<Value> {
    let number = |name: &str, default: usize| {
        parameter(&asked.query, name).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let size = number("per_page", 30).clamp(1, 100);
    items.into_iter().skip((number("page", 1).max(1) - 1) * size).take(size).collect()
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let pair =
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    pair.map(|(_, value)| decode(value))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail
            .get(..2)
            .and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        if let (b'%', Some(byte)) = (first, hex) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
