//! A Git repository as a store: over its directory, over smart HTTP, and over a proxy that loses answers.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use base64::Engine as _;
use futures::future::join_all;
use store::{ErrorKind, Expect, Git, Key, Store as _, Surroundings, Written, conformance};
use tempfile::TempDir;
use testkit::servers::{Answer, GitHttp, Proxy, Request, Variables, bare_repository};

/// A client with a state directory of its own.
struct Client {
    store: Git,
    _state: TempDir,
}

fn client(url: &str, variables: &[(&str, &str)]) -> Client {
    let state = tempfile::tempdir().expect("a directory");
    let path = std::env::var("PATH").expect("a path");
    let none = state.path().join("none");
    let mut all: Variables = [
        ("PATH", path.as_str()),
        ("GIT_CONFIG_GLOBAL", none.to_str().expect("text")),
        ("GIT_CONFIG_NOSYSTEM", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let surroundings = Surroundings { variables: all, state: state.path().to_owned() };
    Client { store: Git::open(url, &surroundings).expect("open"), _state: state }
}

fn file_url(directory: &Path) -> String {
    format!("git+file://{}/{}", directory.display(), GitHttp::name())
}

fn http_url(port: u16) -> String {
    format!("git+http://127.0.0.1:{port}/{}", GitHttp::name())
}

fn key() -> Key {
    Key::new(["lock", "octo/repo"])
}

#[tokio::test]
async fn directory_keeps_the_contract() {
    let directory = bare_repository();
    conformance::check(&client(&file_url(directory.path()), &[]).store).await;
}

#[tokio::test]
async fn many_first_uses_at_once_share_one_scratch_repository() {
    let directory = bare_repository();
    let url = file_url(directory.path());
    let state = tempfile::tempdir().unwrap();
    let surroundings =
        Surroundings { variables: std::env::vars().collect(), state: state.path().to_owned() };
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(store::open(&url, &surroundings).await.unwrap());
    }
    let (first, second) = (key(), key());
    let reads = clients.iter().flat_map(|client| [client.read(&first), client.read(&second)]);
    for read in join_all(reads).await {
        assert_eq!(read.unwrap(), None);
    }
}

#[tokio::test]
async fn two_clients_of_one_server_keep_the_contract() {
    let server = GitHttp::start().await;
    let [one, other] = [(), ()].map(|()| client(&http_url(server.port()), &[]));
    conformance::check_shared(&one.store, &other.store).await;
}

#[tokio::test]
async fn server_keeps_the_contract() {
    let server = GitHttp::start().await;
    conformance::check(&client(&http_url(server.port()), &[]).store).await;
}

#[tokio::test]
async fn one_of_many_equal_pushes_wins() {
    let directory = bare_repository();
    let clients: Vec<_> = (0..20).map(|_| client(&file_url(directory.path()), &[])).collect();
    let key = key();
    let ends = clients.iter().map(|client| client.store.write(&key, "same".into(), Expect::Absent));
    let ends = join_all(ends).await;
    let won = ends.iter().filter(|end| matches!(end, Ok(Written::Stored(_)))).count();
    assert_eq!(won, 1, "{ends:?}");
}

/// Answers the first push of each client's request in this way.
fn first_push_is(answer: Answer) -> impl Fn(&Request) -> Answer + Send + Sync {
    let seen = Mutex::new(HashSet::new());
    move |request| {
        let push = request.method == "POST" && request.path.ends_with("git-receive-pack");
        let first = push && seen.lock().expect("unpoisoned").insert(request.path.clone());
        if first { answer } else { Answer::True }
    }
}

#[tokio::test]
async fn nobody_is_refused_in_favour_of_itself() {
    for answer in [Answer::Lost, Answer::Replaced(500), Answer::Dropped, Answer::Invented(503)] {
        let server = GitHttp::start().await;
        let proxy = Proxy::start(server.port(), first_push_is(answer)).await;
        let client = client(&http_url(proxy.port()), &[]);
        let end = client.store.write(&key(), "mine".into(), Expect::Absent).await;
        let Ok(Written::Stored(version)) = end else { panic!("{answer:?}: {end:?}") };
        let record = client.store.read(&key()).await.expect("read").expect("record");
        assert_eq!((record.value, record.version), ("mine".into(), version), "{answer:?}");
    }
}

#[tokio::test]
async fn lost_answer_is_resolved_by_looking_or_said_to_be_unknown() {
    let server = GitHttp::start().await;
    let direct = client(&http_url(server.port()), &[]);
    let theirs = direct.store.write(&key(), "theirs".into(), Expect::Absent).await;
    let Ok(Written::Stored(stale)) = theirs else { panic!("nobody else is there") };
    let proxy = Proxy::start(server.port(), |request: &Request| {
        let push = request.method == "POST" && request.path.ends_with("git-receive-pack");
        if push { Answer::Lost } else { Answer::True }
    });
    let proxy = proxy.await;
    let slow = client(&http_url(proxy.port()), &[]);
    let mine = slow.store.write(&key(), "mine".into(), Expect::At(stale)).await;
    assert!(matches!(mine, Ok(Written::Stored(_))), "it landed, and the ref says so: {mine:?}");

    let silent = Proxy::start(server.port(), |request: &Request| {
        if request.method == "POST" { Answer::Lost } else { Answer::True }
    });
    let silent = silent.await;
    let blind = client(&http_url(silent.port()), &[]);
    let error = blind.store.write(&Key::new(["other"]), "mine".into(), Expect::Absent).await;
    assert_eq!(error.expect_err("nobody answers").kind, ErrorKind::Unknown);
}

#[tokio::test]
async fn question_that_is_not_answered_once_is_asked_again() {
    for answer in [Answer::Lost, Answer::Dropped, Answer::Replaced(502), Answer::Invented(503)] {
        let server = GitHttp::start().await;
        let seen = Mutex::new(HashSet::new());
        // The first request of each kind, but for the push itself.
        let proxy = Proxy::start(server.port(), move |request: &Request| {
            let push = request.method == "POST" && request.path.ends_with("git-receive-pack");
            let first = seen.lock().expect("unpoisoned").insert(request.path.clone());
            if first && !push { answer } else { Answer::True }
        });
        let proxy = proxy.await;
        let client = client(&http_url(proxy.port()), &[]);
        assert_eq!(client.store.read(&key()).await.expect("it is asked again"), None);
        let end = client.store.write(&key(), "mine".into(), Expect::Absent).await;
        assert!(matches!(end, Ok(Written::Stored(_))), "{answer:?}: {end:?}");
        let record = client.store.read(&key()).await.expect("it is asked again");
        assert_eq!(record.expect("a record").value, "mine", "{answer:?}");
    }
}

#[tokio::test]
async fn token_of_actions_is_enough_and_stays_off_the_command_line() {
    let credentials = base64::engine::general_purpose::STANDARD.encode("x-access-token:s3cret");
    let server = GitHttp::start_private(&format!("basic {credentials}")).await;
    let url = http_url(server.port());
    let home = format!("http://127.0.0.1:{}", server.port());

    // A git that writes down how it is called, before the real one.
    let tools = tempfile::tempdir().expect("a directory");
    let log = tools.path().join("log");
    let git = tools.path().join("git");
    let script =
        format!("#!/bin/sh\necho \"$@\" >> {}\nPATH=\"$REAL\" exec git \"$@\"\n", log.display());
    let path = std::env::var("PATH").expect("a path");
    std::fs::write(&git, script.replace("$REAL", &path)).expect("write");
    std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let path = format!("{}:{path}", tools.path().display());

    let inside = [("GITHUB_TOKEN", "s3cret"), ("GITHUB_SERVER_URL", &home), ("PATH", &path)];
    let member = client(&url, &inside);
    let end = member.store.write(&key(), "mine".into(), Expect::Absent).await;
    assert!(matches!(end, Ok(Written::Stored(_))), "{end:?}");
    assert!(member.store.read(&key()).await.expect("read").is_some());
    let calls = std::fs::read_to_string(log).expect("calls");
    assert!(calls.contains("push") && calls.contains("fetch"));
    assert!(!calls.contains("s3cret") && !calls.contains(&credentials), "{calls}");

    for outside in [&[("GITHUB_TOKEN", "s3cret")][..], &[]] {
        let error = client(&url, outside).store.read(&key()).await.expect_err("nobody let it in");
        assert_eq!(error.kind, ErrorKind::Denied, "{}", error.source);
    }
}

#[tokio::test]
async fn configuration_of_the_user_does_not_surprise() {
    let directory = bare_repository();
    let home = tempfile::tempdir().expect("a directory");
    let hook = home.path().join("pre-push");
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").expect("write");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let config = home.path().join("config");
    let text = format!(
        "[core]\n\thooksPath = {0}\n[push]\n\tfollowTags = true\n\tgpgSign = true\n\tpushOption = ci.skip\n\
         [fetch]\n\tprune = true\n[init]\n\tdefaultObjectFormat = sha256\n",
        home.path().display()
    );
    std::fs::write(&config, text).expect("write");
    let store = client(
        &file_url(directory.path()),
        &[("GIT_CONFIG_GLOBAL", config.to_str().expect("text"))],
    );
    let end = store.store.write(&key(), "mine".into(), Expect::Absent).await;
    assert!(matches!(end, Ok(Written::Stored(_))), "{end:?}");
    assert_eq!(store.store.list("").await.expect("list"), [key()]);
}

#[tokio::test]
async fn refusal_of_the_server_is_final_and_a_missing_one_is_unavailable() {
    let directory = bare_repository();
    let hook = directory.path().join(GitHttp::name()).join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().expect("a directory")).expect("a directory");
    std::fs::write(&hook, "#!/bin/sh\necho no locks today >&2\nexit 1\n").expect("write");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let refused = client(&file_url(directory.path()), &[]);
    let error = refused.store.write(&key(), "x".into(), Expect::Absent).await.expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.source.to_string().contains("no locks today"), "{}", error.source);

    for url in ["git+file:///nowhere/repository.git", "git+http://127.0.0.1:9/repository.git"] {
        let missing = client(url, &[]);
        let read = missing.store.read(&key()).await.expect_err("not there");
        assert_eq!(read.kind, ErrorKind::Unavailable, "{}", read.source);
        let write = missing.store.write(&key(), "x".into(), Expect::Absent).await;
        assert_eq!(write.expect_err("not there").kind, ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn commit_that_is_no_record_is_corrupt() {
    let directory = bare_repository();
    let store = client(&file_url(directory.path()), &[]);
    let end = store.store.write(&Key::new(["a"]), "x".into(), Expect::Absent).await;
    let Ok(Written::Stored(version)) = end else { panic!("{end:?}") };
    let moved = Command::new("git")
        .args(["update-ref", "refs/interlock/b", version.as_str()])
        .current_dir(directory.path().join(GitHttp::name()))
        .status()
        .expect("git");
    assert!(moved.success());
    let error = store.store.read(&Key::new(["b"])).await.expect_err("it belongs to another key");
    assert_eq!(error.kind, ErrorKind::Corrupt);
}

#[tokio::test]
async fn ssh_is_told_the_host_and_the_command() {
    let directory = bare_repository();
    let tools = tempfile::tempdir().expect("a directory");
    // In place of a connection: writes down how it is called, and runs the command here.
    let ssh = tools.path().join("ssh");
    let log = tools.path().join("log");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {}\nfor last; do :; done\nexec sh -c \"$last\"\n",
        log.display()
    );
    std::fs::write(&ssh, script).expect("write");
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let url =
        format!("git+ssh://git@host.example{}/{}", directory.path().display(), GitHttp::name());

    let path = std::env::var("PATH").expect("a path");
    let path = format!("{}:{path}", tools.path().display());
    let store = client(&url, &[("PATH", &path), ("GIT_SSH_VARIANT", "ssh")]);
    let end = store.store.write(&key(), "mine".into(), Expect::Absent).await;
    assert!(matches!(end, Ok(Written::Stored(_))), "{end:?}");
    assert_eq!(store.store.read(&key()).await.expect("read").expect("record").value, "mine");
    let calls = std::fs::read_to_string(&log).expect("calls");
    assert!(calls.contains("BatchMode=yes") && calls.contains("git@host.example"), "{calls}");

    let config = tools.path().join("config");
    std::fs::write(&config, format!("[core]\n\tsshCommand = {} --mine\n", ssh.display()))
        .expect("write");
    let own = client(
        &url,
        &[("GIT_CONFIG_GLOBAL", config.to_str().expect("text")), ("GIT_SSH_VARIANT", "ssh")],
    );
    assert!(own.store.read(&key()).await.expect("read").is_some());
    let calls = std::fs::read_to_string(&log).expect("calls");
    assert!(calls.lines().last().expect("a call").contains("--mine"), "{calls}");
}
