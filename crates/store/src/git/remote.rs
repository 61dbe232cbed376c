//! Which repository a URL names, and how to prove to it who we are.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Error, ErrorKind};

/// A repository, as Git is told to reach it.
#[derive(Debug)]
pub(super) struct Remote {
    /// The URL without our `git+`.
    pub(super) url: String,
    /// Whether it is a directory of this machine, where asking costs nothing.
    pub(super) local: bool,
    /// Whether `ssh` is what reaches it.
    pub(super) ssh: bool,
    token: Option<Token>,
}

/// A header that only one server may see.
struct Token {
    server: String,
    header: String,
}

impl Remote {
    /// Reads `git+https://…`, `git+ssh://…` or `git+file:///…`.
    pub(super) fn parse(url: &str, variables: &BTreeMap<String, String>) -> Result<Self, Error> {
        let refuse =
            |why: &str| Error::new(ErrorKind::Unsupported, "store", "open", shown(url), why);
        let plain = url.strip_prefix("git+").unwrap_or_default();
        let (scheme, rest) = plain.split_once("://").unwrap_or_default();
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(refuse("the URL has white space or control characters"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        if path.is_empty() || rest.contains(['?', '#']) {
            return Err(refuse("the URL names no repository, or has a query"));
        }
        if user.contains(':') || (scheme != "ssh" && !user.is_empty()) {
            return Err(refuse(
                "the URL holds credentials, which would be seen in process lists and logs; \
                 use GITHUB_TOKEN or a credential helper of Git",
            ));
        }
        let loopback = matches!(
            host.rsplit_once(':').map_or(host, |(name, _)| name),
            "localhost" | "127.0.0.1" | "[::1]"
        );
        match scheme {
            "file" if host.is_empty() || host == "localhost" => {}
            "https" | "ssh"
                if !host.is_empty() && !host.starts_with('-') && !user.starts_with('-') => {}
            "http" if loopback => {}
            "http" => return Err(refuse("plain HTTP is for this machine alone: use git+https://")),
            _ => {
                return Err(refuse(
                    "a repository is named as git+https://, git+ssh:// or git+file:///PATH",
                ));
            }
        }
        let token = Token::find(&format!("{scheme}://{host}"), variables);
        let [local, ssh] = ["file", "ssh"].map(|it| it == scheme);
        Ok(Self { url: plain.to_owned(), local, ssh, token })
    }

    /// Returns configuration for Git that must not stand on its command line.
    pub(super) fn secrets(&self) -> Vec<(String, String)> {
        let Some(token) = &self.token else { return Vec::new() };
        let key = format!("http.{}/.extraHeader", token.server);
        // The empty value forgets what other files say: two such headers would be refused.
        vec![(key.clone(), String::new()), (key, token.header.clone())]
    }

    /// Blots out what nobody should read in a message.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut text = shown(text);
        if let Some(token) = &self.token {
            let secret = token.header.rsplit(' ').next().unwrap_or_default();
            text = text.replace(secret, "***");
        }
        text
    }
}

impl Token {
    /// Finds the token that GitHub Actions gives, if the URL is on that server.
    fn find(server: &str, variables: &BTreeMap<String, String>) -> Option<Self> {
        let variable = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let home = variable("GITHUB_SERVER_URL").map_or("https://github.com", |url| url);
        if !server.eq_ignore_ascii_case(home.trim_end_matches('/')) || !server.starts_with("http") {
            return None;
        }
        let token = variable("GITHUB_TOKEN").or_else(|| variable("GH_TOKEN"))?;
        let credentials = STANDARD.encode(format!("x-access-token:{}", token.trim()));
        let header = format!("Authorization: basic {credentials}");
        Some(Self { server: server.to_owned(), header })
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Blots out the user part of each URL in a text.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (number, part) in text.split("://").enumerate() {
        if number == 0 {
            shown.push_str(part);
            continue;
        }
        shown.push_str("://");
        let end = part.find(['/', ' ', '\'', '"', '\n']).unwrap_or(part.len());
        let (authority, rest) = part.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) if user.contains(':') || user.len() > 20 => {
                shown.push_str("***@");
                shown.push_str(host);
            }
            _ => shown.push_str(authority),
        }
        shown.push_str(rest);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token(server: Option<&str>) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::from([("GITHUB_TOKEN".to_owned(), "s3cret".to_owned())]);
        variables.extend(server.map(|url| ("GITHUB_SERVER_URL".to_owned(), url.to_owned())));
        variables
    }

    #[test]
    fn urls_of_repositories_are_told_from_others() {
        let none = BTreeMap::new();
        for url in [
            "git+https://github.com/octo/repo",
            "git+ssh://git@github.com/octo/repo.git",
            "git+file:///srv/git/repo.git",
            "git+http://127.0.0.1:8080/repo.git",
        ] {
            let remote = Remote::parse(url, &none).expect(url);
            assert_eq!(format!("git+{}", remote.url), url);
        }
        for url in [
            "git+https://github.com",
            "git+https://token@github.com/octo/repo",
            "git+ssh://git:secret@github.com/octo/repo",
            "git+ssh://-oProxyCommand=evil/repo",
            "git+http://example.com/repo",
            "git+file://elsewhere/repo",
            "git+ext::sh -c evil",
            "git+https://github.com/a b",
            "https://github.com/octo/repo",
        ] {
            let error = Remote::parse(url, &none).expect_err(url);
            assert_eq!(error.kind, ErrorKind::Unsupported);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn token_goes_to_its_own_server_alone() {
        let secrets = |url: &str, server| {
            Remote::parse(url, &with_token(server)).expect("a remote").secrets().len()
        };
        assert_eq!(secrets("git+https://github.com/octo/repo", None), 2);
        assert_eq!(secrets("git+https://example.com/octo/repo", None), 0);
        assert_eq!(secrets("git+https://github.com.example.com/octo/repo", None), 0);
        assert_eq!(secrets("git+https://github.com/octo/repo", Some("https://ghe.example")), 0);
        assert_eq!(secrets("git+https://ghe.example/octo/repo", Some("https://ghe.example/")), 2);
        assert_eq!(secrets("git+ssh://git@github.com/octo/repo", None), 0);
    }

    #[test]
    fn secrets_do_not_reach_messages() {
        let url = "git+https://github.com/octo/repo";
        let remote = Remote::parse(url, &with_token(None)).expect("a remote");
        let header = &remote.secrets()[1].1;
        let text = format!("sent {header} to https://user:password@github.com/octo/repo");
        let shown = remote.scrub(&text);
        assert_eq!(shown, "sent Authorization: basic *** to https://***@github.com/octo/repo");
        assert!(!format!("{remote:?}").contains("basic"));
    }
}
