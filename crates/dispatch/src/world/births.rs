//! Births: a delivery becomes runs, each with a record of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Conclusion, Effect, Event, Member, Run, RunId};
use jiff::Timestamp;
use runner::process::Token;
use workdir::Snapshot;

use super::World;
use crate::driven::{Driven, Story};
use crate::error::Error;
use crate::hands::RunFacts;
use crate::notice::News;
use crate::numbers;
use crate::planner::Seed;
use crate::record::{Entry, Record};

impl World {
    pub(super) fn create(&mut self, delivery: usize, seed: Seed) -> Result<(), Error> {
        let now = Timestamp::now();
        let wanted = u64::try_from(now.as_millisecond()).unwrap_or(0).saturating_mul(1000);
        let marker = Token::random().as_str().to_owned();
        let workflow = seed.workflow.display_name().to_owned();
        let created = Entry::Created {
            at: now,
            path: seed.path.clone(),
            workflow: workflow.clone(),
            event: seed.event.clone(),
            delivery,
            marker: marker.clone(),
            store: self.setup.groups.url().to_owned(),
        };
        let wanted = wanted.max(self.last_id + 1);
        let (id, record) = Record::create(&self.setup.runs, wanted, &created)?;
        self.last_id = id;
        let facts = Arc::new(RunFacts {
            id: RunId(id),
            attempt: 1,
            host: seed.host.clone(),
            repository: seed.repository.clone(),
            path: seed.path.clone(),
            event: seed.event.clone(),
            sha: seed.sha.clone(),
            reference: seed.reference.clone(),
            marker,
            directory: record.path().to_owned(),
            tree: Arc::clone(&seed.tree),
            standpoint: seed.standpoint.clone(),
        });
        let number = numbers::next(&self.setup.runs, &seed.repository, &seed.path)?;
        let mut story = Story::new(delivery, workflow.clone(), describe(&seed.tree), now);
        let spec = seed.spec(RunId(id), number);
        story.title = seed.title(&spec.contexts);
        let mut run = match Run::new(spec) {
            Ok(run) => run,
            Err(error) => return self.stillborn(record, &facts, story, &error.to_string()),
        };
        let effects = engine::apply(&mut run, Event::Start, now);
        story.group = effects.iter().find_map(|effect| match effect {
            Effect::Enter { member: Member::Run, group } => Some(group.name.clone()),
            _ => None,
        });
        let news = News::RunCreated {
            delivery,
            workflow,
            path: facts.path.clone(),
            event: facts.event.clone(),
            group: story.group.clone(),
            source: story.source.clone(),
            title: story.title.clone(),
            directory: facts.directory.clone(),
        };
        let is_free = story.group.is_none();
        let (working, memberships) = (BTreeMap::new(), BTreeMap::new());
        self.runs.insert(RunId(id), Driven { run, record, facts, story, working, memberships });
        self.tell(RunId(id), news);
        if is_free {
            self.tell(RunId(id), News::RunStarted {});
        }
        self.perform_all(RunId(id), effects)
    }

    /// Ends a run that could not even be made.
    pub(super) fn stillborn(
        &mut self,
        mut record: Record,
        facts: &RunFacts,
        mut story: Story,
        why: &str,
    ) -> Result<(), Error> {
        story.reason = Some(why.to_owned());
        let result = story.result(facts, &Conclusion::Failure.to_string(), Timestamp::now());
        record.finish(&result)?;
        self.tell(facts.id, News::RunEnded { result: Box::new(result) });
        self.note_ended(facts, Conclusion::Failure, false, false);
        Ok(())
    }
}

/// Says in a few words what the jobs of a run see.
fn describe(tree: &Snapshot) -> String {
    format!("{} {}", tree.content, tree.sha.get(..10).unwrap_or(&tree.sha))
}
