//! How one wants to enter: flags, and what `interlock.toml` says about the group.

use std::time::Duration;

use clap::{Args, ValueEnum};
use coord::group::{Order, Policy, Position, Queue, Request};
use workdir::Repository;

use crate::command::guard::digest::DigestFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::duration;

/// How one wants to enter.
#[derive(Clone, Debug, Args)]
pub(super) struct Asked {
    /// Tell whoever is in progress to end.
    #[arg(long)]
    cancel_in_progress: bool,
    /// How many may wait: one, which a newcomer replaces, or a hundred in order.
    #[arg(long, value_enum, value_name = "HOW")]
    queue: Option<QueueWord>,
    /// A rule by name, in place of the two above.
    #[arg(long, value_enum, value_name = "RULE", conflicts_with_all = ["cancel_in_progress", "queue"])]
    policy: Option<PolicyWord>,
    /// What the order is.
    #[arg(long, value_enum, value_name = "ORDER")]
    order: Option<OrderWord>,
    /// The place of our commit among commits; counted with Git where it is not given.
    #[arg(long, value_name = "N")]
    position: Option<u64>,
    /// How long newcomers collapse into the newest of them before anything starts, such as `5s`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    debounce: Option<Duration>,
    #[command(flatten)]
    digest: DigestFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum QueueWord {
    /// One waits; a newcomer takes its place.
    Single,
    /// Up to a hundred wait, in order.
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PolicyWord {
    /// The newest wins.
    Latest,
    /// The first wins; newcomers are turned away.
    First,
    /// Everybody gets a turn.
    Queue,
    /// One works, and one waits for all that came since.
    Coalesce,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OrderWord {
    /// That of arrival.
    Arrival,
    /// An older commit never follows a newer one.
    Commit,
}

impl Asked {
    /// Makes the request; what is not said here is taken from `interlock.toml`.
    pub(super) async fn request(&self, group: &str, session: &Session) -> Result<Request, Failure> {
        let policies = session.settings.groups.policies()?;
        let rule = policies.rule(group).map(|rule| &rule.words);
        let is_plain = !self.cancel_in_progress && self.queue.is_none();
        let policy = self.policy.map(PolicyWord::policy);
        let policy = policy.or_else(|| rule.filter(|_| is_plain).and_then(|rule| rule.policy));
        let by_commit = match self.order {
            Some(order) => order == OrderWord::Commit,
            None => rule.is_some_and(|rule| rule.by_commit),
        };
        let order = if by_commit { self.position(session).await? } else { Order::Arrival };
        let digest = match self.digest.digest(session)? {
            None => match rule.filter(|rule| !rule.digest.is_empty()) {
                Some(rule) => DigestFlags::of_fields(&rule.digest).digest(session)?,
                None => None,
            },
            digest => digest,
        };
        let request = Request {
            cancel_in_progress: self.cancel_in_progress,
            queue: match self.queue {
                Some(QueueWord::Max) => Queue::Max,
                Some(QueueWord::Single) | None => Queue::Single,
            },
            policy,
            order,
            digest,
            debounce: self.debounce.or_else(|| rule.and_then(|rule| rule.debounce)),
        };
        request.validate()?;
        Ok(request)
    }

    async fn position(&self, session: &Session) -> Result<Order, Failure> {
        let sha = session
            .surroundings
            .get("GITHUB_SHA")
            .or_else(|| session.surroundings.get("CI_COMMIT_SHA"));
        if let Some(number) = self.position {
            let label = sha.map_or_else(|| format!("position {number}"), label);
            return Ok(Order::Commit(Position { number, label }));
        }
        let unknown = |why: String| {
            Failure::new(Exit::Unknown, format!("the order of commits is not known: {why}"))
                .hinted("give --position N, or check out the whole history (`fetch-depth: 0`)")
        };
        let repository = Repository::discover(&session.directory).await;
        let repository = repository.map_err(|error| unknown(error.to_string()))?;
        let sha = sha.or_else(|| repository.head()).map(ToOwned::to_owned);
        let sha = sha.ok_or_else(|| unknown("there is no commit".to_owned()))?;
        let depth = repository.depth(&sha).await.map_err(|error| unknown(error.to_string()))?;
        let number =
            depth.ok_or_else(|| unknown(format!("{sha} is not here, or its history is cut")))?;
        Ok(Order::Commit(Position { number, label: label(&sha) }))
    }
}

impl PolicyWord {
    fn policy(self) -> Policy {
        match self {
            Self::Latest => Policy::Latest,
            Self::First => Policy::First,
            Self::Queue => Policy::Queue,
            Self::Coalesce => Policy::Coalesce,
        }
    }
}

fn label(sha: &str) -> String {
    format!("commit {}", sha.chars().take(8).collect::<String>())
}
