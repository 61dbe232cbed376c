//! What keeps the document: a store with the comment as its picture, or the comment alone.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use status::{
    Board, Document, Kept, Look, Post, Posted, Posting, Publication, Row, Snapshot, Stay, Target,
    Template, Timing, Unbacked, View,
};

use super::place::{Place, PlaceFlags};
use crate::caller::{Caller, StoreFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::forge;
use crate::session::{Level, Session};
use crate::settings::duration;

/// Where the document is kept and how it looks.
#[derive(Clone, Debug, Args)]
pub(super) struct BackingFlags {
    #[command(flatten)]
    pub(super) place: PlaceFlags,
    #[command(flatten)]
    store: StoreFlags,
    /// The heading of the comment.
    #[arg(long, value_name = "TEXT")]
    heading: Option<String>,
    /// A file with the comment's text, in which `{{ failed }}` and other parts are filled in.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Also set a commit status of this name.
    #[arg(long, value_name = "CONTEXT")]
    commit_status: Option<String>,
    /// Also write the document into the step summary.
    #[arg(long)]
    summary: bool,
    /// How long a write whose answer was lost may take to land, on a forge that is slower or faster than GitHub.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    settling: Duration,
    /// How long reads may lag behind writes there.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "4s")]
    lag: Duration,
}

/// The document, opened.
#[derive(Debug)]
pub(super) struct Backing {
    pub(super) place: Place,
    pub(super) kind: Kind,
    template: Template,
    flags: BackingFlags,
}

/// What keeps the document.
#[derive(Debug)]
pub(super) enum Kind {
    /// A store.
    Board(Box<Board>),
    /// The comment alone.
    Comment(Box<Unbacked>),
}

/// What became of a post.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) posting: Posting,
    pub(super) shown: Shown,
}

/// Whether people can see it.
#[derive(Debug)]
pub(super) enum Shown {
    /// As the publisher says.
    Published(Publication),
    /// As a read of the comment says.
    Kept(Kept),
    /// The document has no comment, or nobody here can write it.
    Nowhere,
    /// It is stored, and the API refuses to show it.
    Failed(Failure),
}

impl BackingFlags {
    /// Opens the document.
    pub(super) async fn open(&self, session: &Session) -> Result<Backing, Failure> {
        // What asks the forge holds much at once; it need not be on every caller's stack.
        let place = Box::pin(self.place.resolve(session)).await?;
        let template = self.template(session)?;
        let look = Look {
            title: self.heading.clone(),
            template: template.clone(),
            author: self.place.forge.author.clone(),
            job_author: forge::job_author(&session.surroundings),
        };
        let kind = if self.is_comment(session) {
            let client = place.client(&self.place.forge, session)?;
            let subject = place.subject.clone();
            Kind::Comment(Box::new(Unbacked::new(subject, client, self.timing(), look)))
        } else {
            let store = Box::pin(self.store.open(session)).await?.ok_or_else(|| {
                Failure::new(Exit::Usage, "a document needs a store")
                    .hinted("`--store comment` keeps it in the comment alone")
            })?;
            let clock = Caller::of(session).await.clock;
            let (subject, client) = (place.subject.clone(), place.client.clone());
            let board = Board::new(subject, (store, clock), client, self.timing(), look);
            Kind::Board(Box::new(board))
        };
        Ok(Backing { place, kind, template, flags: self.clone() })
    }

    fn timing(&self) -> Timing {
        Timing { settling: self.settling, lag: self.lag, ..Timing::default() }
    }

    /// Says whether the comment is the store.
    fn is_comment(&self, session: &Session) -> bool {
        let chosen = self.store.store.as_deref();
        let chosen = chosen.or_else(|| session.surroundings.get("INTERLOCK_STORE"));
        chosen == Some("comment")
    }

    fn template(&self, session: &Session) -> Result<Template, Failure> {
        let Some(path) = &self.template else { return Ok(Template::default()) };
        let path = session.directory.join(path);
        let refused = |why: String| {
            Failure::new(Exit::Usage, format!("the template {}: {why}", path.display()))
        };
        let text = std::fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
        Template::parse(&text).map_err(|error| refused(error.to_string()))
    }
}

impl Backing {
    /// Stores what a writer says, and shows it if that is due; a final word stays until it is shown.
    pub(super) async fn say(&self, post: &Post) -> Result<Said, Failure> {
        match &self.kind {
            Kind::Comment(unbacked) => {
                let (posting, kept) = unbacked.post(post).await?;
                Ok(Said { posting, shown: Shown::Kept(kept) })
            }
            Kind::Board(board) => {
                let posting = board.post(post).await?;
                let Posting::Posted { posted: Posted::Stored { revision }, .. } = &posting else {
                    return Ok(Said { posting, shown: Shown::Nowhere });
                };
                let is_final = post.tasks.iter().any(|(_, change)| change.state.is_finished());
                let stay = if is_final { Stay::UntilShown } else { Stay::IfDue };
                let shown = self.publish(board, *revision, stay).await;
                Ok(Said { posting, shown })
            }
        }
    }

    async fn publish(&self, board: &Board, revision: u64, stay: Stay) -> Shown {
        if self.place.client.is_none() || matches!(self.place.subject.target, Target::Commit(_)) {
            return Shown::Nowhere;
        }
        match board.publish(revision, stay).await {
            Ok(publication) => Shown::Published(publication),
            Err(error) => Shown::Failed(error.into()),
        }
    }

    /// Looks at the document.
    pub(super) async fn look(&self) -> Result<Looked, Failure> {
        match &self.kind {
            Kind::Board(board) => Ok(Looked::Board(Box::new(board.snapshot().await?))),
            Kind::Comment(unbacked) => Ok(Looked::Comment(unbacked.read().await?)),
        }
    }

    /// Shows the document in the other places that were asked for.
    pub(super) async fn show_elsewhere(&self, session: &Session) -> Result<(), Failure> {
        if !self.flags.summary && self.flags.commit_status.is_none() {
            return Ok(());
        }
        let looked = self.look().await?;
        if self.flags.summary {
            session.summarize(&self.markdown(&looked))?;
        }
        let Some(context) = &self.flags.commit_status else { return Ok(()) };
        let client = self.place.client(&self.flags.place.forge, session)?;
        let view = looked.view();
        if view.head.is_empty() {
            return Ok(());
        }
        let state = match view.overall() {
            status::State::Passed | status::State::Skipped | status::State::Warning => {
                github::CommitState::Success
            }
            status::State::Failed | status::State::Aborted => github::CommitState::Failure,
            _ => github::CommitState::Pending,
        };
        let description = view.line(140);
        let link = self.place.link.as_deref();
        match client.set_commit_status(view.head, context, state, (&description, link)).await {
            Err(error) if error.is_passing() => {
                session.annotate(Level::Warning, "status", &format!("no commit status: {error}"));
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// Draws the document as Markdown, without what only a comment needs.
    pub(super) fn markdown(&self, looked: &Looked) -> String {
        let options = status::Options {
            marker: "",
            title: self.flags.heading.as_deref(),
            template: &self.template,
            time: jiff::Timestamp::now(),
            budget: None,
            // GitHub takes 1 MiB from a step, in bytes, of which a character may need four.
            limit: 250_000,
            state: status::Keep::Nothing,
        };
        status::render(looked.document(), 0, &looked.view(), &options).body
    }
}

/// The document as it is now.
#[derive(Debug)]
pub(super) enum Looked {
    Board(Box<Snapshot>),
    Comment(Document),
}

impl Looked {
    pub(super) fn document(&self) -> &Document {
        match self {
            Self::Board(snapshot) => &snapshot.assignment.document,
            Self::Comment(document) => document,
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        let dead = |row: &Row| match self {
            Self::Board(snapshot) => snapshot.assignment.is_dead(row),
            // One look cannot tell whether somebody is silent.
            Self::Comment(_) => false,
        };
        View::new(self.document(), dead)
    }
}
