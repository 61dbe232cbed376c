//! Whose a repository is, read from the URL of its remote.

/// The host, owner and name of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The host in lower case, or `local` where there is none.
    pub host: String,
    /// The owner; groups of groups are divided by `/`.
    pub owner: String,
    /// The name.
    pub name: String,
    /// The URL people would clone, without credentials.
    pub url: Option<String>,
}

impl Origin {
    /// Returns the origin of a directory that has no remote.
    pub fn local(directory_name: &str) -> Self {
        let name = if directory_name.is_empty() { "repository" } else { directory_name };
        Self {
            host: "local".to_owned(),
            owner: "local".to_owned(),
            name: name.to_owned(),
            url: None,
        }
    }

    /// Reads a remote's URL in any of Git's forms; `None` if it names no repository.
    pub fn parse(url: &str) -> Option<Self> {
        let url = url.trim();
        if let Some((scheme, rest)) = url.split_once("://") {
            return if scheme.eq_ignore_ascii_case("file") {
                Self::of_path(url, rest)
            } else {
                Self::of_url(scheme, rest)
            };
        }
        // `user@host:path`, but `./a:b` and `/a:b` are paths.
        match url.split_once(':') {
            Some((host, path)) if !host.contains('/') && !host.is_empty() => {
                let host = without_user(host);
                Self::of_hosted(
                    host,
                    path,
                    &format!("https://{}/{}", host.to_lowercase(), trimmed(path)),
                )
            }
            _ => Self::of_path(url, url),
        }
    }

    /// Returns `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    fn of_url(scheme: &str, rest: &str) -> Option<Self> {
        let (authority, path) = rest.split_once('/')?;
        let host = without_user(authority);
        let is_http = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
        // The port of ssh says nothing about the host that people browse.
        let host = if is_http { host } else { host.split(':').next().unwrap_or(host) };
        let scheme = if scheme.eq_ignore_ascii_case("http") { "http" } else { "https" };
        let clean = format!("{scheme}://{}/{}", host.to_lowercase(), trimmed(path));
        Self::of_hosted(host, path, &clean)
    }

    fn of_hosted(host: &str, path: &str, url: &str) -> Option<Self> {
        let (owner, name) = trimmed(path).rsplit_once('/')?;
        if host.is_empty() || owner.is_empty() || name.is_empty() {
            return None;
        }
        Some(Self {
            host: host.to_lowercase(),
            owner: owner.to_owned(),
            name: name.to_owned(),
            url: Some(url.to_owned()),
        })
    }

    fn of_path(url: &str, path: &str) -> Option<Self> {
        let name = trimmed(path).rsplit('/').next().filter(|name| !name.is_empty())?;
        Some(Self { url: Some(url.to_owned()), ..Self::local(name) })
    }
}

fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn trimmed(path: &str) -> &str {
    let path = path.trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Option<(&str, &str, &str, &str)>) {
        let found = Origin::parse(url);
        let found = found.as_ref().map(|o| {
            (
                o.host.as_str(),
                o.owner.as_str(),
                o.name.as_str(),
                o.url.as_deref().unwrap_or_default(),
            )
        });
        assert_eq!(found, expected, "{url}");
    }

    #[test]
    fn every_form_of_url_names_the_same_repository() {
        let expected = Some(("github.com", "Octo", "hello", "https://github.com/Octo/hello"));
        for url in [
            "https://github.com/Octo/hello.git",
            "https://github.com/Octo/hello",
            "https://GitHub.com/Octo/hello/",
            "git@github.com:Octo/hello.git",
            "github.com:Octo/hello",
            "ssh://git@github.com/Octo/hello.git",
            "ssh://git@github.com:22/Octo/hello.git",
            "git://github.com/Octo/hello.git",
        ] {
            check(url, expected);
        }
    }

    #[test]
    fn credentials_are_left_behind() {
        check(
            "https://x-access-token:ghs_secret@github.com/o/r.git",
            Some(("github.com", "o", "r", "https://github.com/o/r")),
        );
    }

    #[test]
    fn groups_and_ports_stay() {
        check(
            "https://git.example.org:8443/a/b/c.git",
            Some(("git.example.org:8443", "a/b", "c", "https://git.example.org:8443/a/b/c")),
        );
    }

    #[test]
    fn paths_are_local() {
        check("/srv/git/tool.git", Some(("local", "local", "tool", "/srv/git/tool.git")));
        check(
            "file:///srv/git/tool.git",
            Some(("local", "local", "tool", "file:///srv/git/tool.git")),
        );
        check("../a:b/tool", Some(("local", "local", "tool", "../a:b/tool")));
        check("", None);
        check("https://github.com", None);
        check("https://github.com/alone", None);
    }
}
