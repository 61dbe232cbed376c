//! The shapes: what we know, written as GitHub's API description says it is written.

use serde_json::{Map, Value, json};

use super::state::{Comment, Pull, Run, RunJob, State, Status};

/// When everything here has happened.
const THEN: &str = "2026-01-01T00:00:00Z";

/// The links of a person.
const PERSON: [&str; 11] = [
    "avatar",
    "events",
    "followers",
    "following",
    "gists",
    "organizations",
    "received_events",
    "repos",
    "starred",
    "subscriptions",
    "html",
];

/// The links of a repository.
const REPOSITORY: [&str; 37] = [
    "archive",
    "assignees",
    "blobs",
    "branches",
    "collaborators",
    "comments",
    "commits",
    "compare",
    "contents",
    "contributors",
    "deployments",
    "downloads",
    "events",
    "forks",
    "git_commits",
    "git_refs",
    "git_tags",
    "hooks",
    "html",
    "issue_comment",
    "issue_events",
    "issues",
    "keys",
    "labels",
    "languages",
    "merges",
    "milestones",
    "notifications",
    "pulls",
    "releases",
    "stargazers",
    "statuses",
    "subscribers",
    "subscription",
    "tags",
    "teams",
    "trees",
];

/// Returns links by name below a URL, with `_url` behind each.
fn links(base: &str, names: &[&str]) -> Map<String, Value> {
    names.iter().map(|name| (format!("{name}_url"), json!(format!("{base}/{name}")))).collect()
}

/// Puts the fields of an object over others.
fn over(mut fields: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    Value::Object(fields)
}

pub(super) fn user(login: &str) -> Value {
    let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
    let url = format!("https://api.github.com/users/{}", login.trim_end_matches("[bot]"));
    let fields = json!({
        "login": login, "id": 1, "node_id": "U_1", "gravatar_id": "", "type": kind, "site_admin": false, "url": url,
    });
    over(links(&url, &PERSON), fields)
}

fn repository(state: &State) -> Value {
    let (owner, name) = state.repository.split_once('/').unwrap_or_default();
    let url = format!("https://api.github.com/repos/{}", state.repository);
    let fields = json!({
        "id": 1, "node_id": "R_1", "name": name, "full_name": state.repository, "owner": user(owner),
        "private": false, "fork": false, "description": null, "url": url, "default_branch": "main",
        "clone_url": "https://github.com/x.git", "git_url": "git://github.com/x.git",
        "ssh_url": "git@github.com:x.git", "svn_url": "https://github.com/x", "mirror_url": null,
        "homepage": null, "language": null, "license": null, "archived": false, "disabled": false,
        "forks": 0, "forks_count": 0, "open_issues": 0, "open_issues_count": 0, "size": 1,
        "stargazers_count": 0, "watchers": 0, "watchers_count": 0, "has_downloads": true,
        "has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false,
        "has_discussions": false, "pushed_at": THEN, "created_at": THEN, "updated_at": THEN,
    });
    over(links(&url, &REPOSITORY), fields)
}

pub(super) fn comment(state: &State, comment: &Comment) -> Value {
    let (repository, issue, id) = (&state.repository, comment.issue, comment.id);
    json!({
        "id": id,
        "node_id": format!("IC_{id}"),
        "url": format!("https://api.github.com/repos/{repository}/issues/comments/{id}"),
        "html_url": format!("https://github.com/{repository}/issues/{issue}#issuecomment-{id}"),
        "issue_url": format!("https://api.github.com/repos/{repository}/issues/{issue}"),
        "created_at": THEN,
        "updated_at": THEN,
        "author_association": "NONE",
        "user": user(&comment.author),
        "body": comment.body,
    })
}

/// Returns a pull request as lists show it.
pub(super) fn pull(state: &State, pull: &Pull) -> Value {
    let (full, number) = (&state.repository, pull.number);
    let url = format!("https://api.github.com/repos/{full}/pulls/{number}");
    let owner = full.split('/').next().unwrap_or_default();
    let side = |branch: &str, sha: &str| {
        json!({
            "label": format!("{owner}:{branch}"), "ref": branch, "sha": sha, "repo": repository(state), "user": user(owner),
        })
    };
    let names = [
        "comments",
        "commits",
        "diff",
        "html",
        "issue",
        "patch",
        "review_comment",
        "review_comments",
        "statuses",
    ];
    let href = |name: &str| (name.to_owned(), json!({ "href": format!("{url}/{name}") }));
    let other = [
        "comments",
        "commits",
        "statuses",
        "html",
        "issue",
        "review_comments",
        "review_comment",
        "self",
    ];
    let fields = json!({
        "id": number, "node_id": "PR_1", "number": number, "url": url, "state": pull.state, "locked": false,
        "title": "A change", "body": null, "user": user("octocat"), "labels": [], "milestone": null,
        "assignee": null, "author_association": "NONE", "auto_merge": null, "merge_commit_sha": null,
        "created_at": THEN, "updated_at": THEN,
        "closed_at": (pull.state == "closed").then_some(THEN),
        "merged_at": pull.merged.then_some(THEN),
        "html_url": format!("https://github.com/{full}/pull/{number}"),
        "head": side(&pull.branch, &pull.sha),
        "base": side("main", &"0".repeat(40)),
        "_links": other.map(href).into_iter().collect::<Map<_, _>>(),
    });
    over(links(&url, &names), fields)
}

/// Returns a pull request as it is shown by itself.
pub(super) fn whole_pull(state: &State, found: &Pull) -> Value {
    let Value::Object(fields) = pull(state, found) else { return Value::Null };
    let more = json!({
        "additions": 1, "changed_files": 1, "comments": 0, "commits": 1, "deletions": 0, "mergeable": true,
        "mergeable_state": "clean", "merged": found.merged, "maintainer_can_modify": false, "merged_by": null,
        "review_comments": 0,
    });
    over(fields, more)
}

pub(super) fn run(state: &State, run: &Run) -> Value {
    let url = format!("https://api.github.com/repos/{}/actions/runs/{}", state.repository, run.id);
    let names = ["jobs", "logs", "check_suite", "cancel", "rerun", "artifacts", "workflow"];
    let fields = json!({
        "id": run.id, "node_id": "WFR_1", "run_number": 1, "run_attempt": run.attempt, "name": run.name,
        "display_title": run.name, "path": run.path, "event": run.event, "head_sha": run.sha,
        "head_branch": "main", "head_commit": null, "workflow_id": 1, "status": run.status,
        "conclusion": run.conclusion, "created_at": THEN, "updated_at": THEN, "url": url,
        "pull_requests": [], "repository": repository(state), "head_repository": repository(state),
        "html_url": format!("https://github.com/{}/actions/runs/{}", state.repository, run.id),
    });
    over(links(&url, &names), fields)
}

pub(super) fn job(state: &State, run: &Run, job: &RunJob) -> Value {
    let url = format!("https://api.github.com/repos/{}/actions/jobs/{}", state.repository, job.id);
    let site = format!("https://github.com/{}/actions/runs/{}", state.repository, run.id);
    json!({
        "id": job.id, "node_id": "CR_1", "run_id": run.id, "run_attempt": run.attempt, "name": job.name,
        "head_sha": run.sha, "head_branch": "main", "workflow_name": run.name, "status": job.status,
        "conclusion": job.conclusion, "created_at": THEN, "started_at": THEN,
        "completed_at": job.conclusion.as_ref().map(|_| THEN), "labels": [], "runner_id": null,
        "runner_name": null, "runner_group_id": null, "runner_group_name": null,
        "run_url": format!("{url}/run"), "check_run_url": format!("{url}/check"), "url": url,
        "html_url": format!("{site}/job/{}", job.id),
    })
}

pub(super) fn status(status: &Status, login: &str) -> Value {
    json!({
        "id": 1, "node_id": "SC_1", "url": "https://api.github.com/statuses/1", "avatar_url": null,
        "state": status.state, "context": status.context, "description": status.description,
        "target_url": null, "created_at": THEN, "updated_at": THEN, "creator": user(login),
    })
}
