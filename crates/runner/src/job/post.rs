//! Post steps: what actions have to do when the job's own steps have ended, the last first.

use std::sync::Arc;

use engine::steps::Decision;
use engine::{Conclusion, StepReport};
use expr::{Condition, Names};
use tokio::time::Instant;

use super::Job;
use super::frame::{Done, Frame, Post};
use super::signal::Signal;
use super::task::{Spot, Task};
use crate::notice::Notice;

/// Runs post steps; their conclusions count.
pub(super) async fn run(job: &Arc<Job>, frame: &mut Frame, posts: Vec<Post>) {
    for post in posts.into_iter().rev() {
        if job.ear.now() == Signal::Kill {
            break;
        }
        if job.ear.now() >= Signal::Cancel {
            frame.status.cancel();
        }
        let done = one(job, frame.clone(), post).await;
        frame.absorb(None, &done);
        frame.count(done.conclusion);
    }
    if job.ear.now() >= Signal::Cancel {
        frame.status.cancel();
    }
}

async fn one(job: &Arc<Job>, mut frame: Frame, post: Post) -> Done {
    let began = Instant::now();
    frame.overrides.extend(post.overrides);
    let mut task = Task::new(job, frame, Spot::new(job.next_step(), post.action));
    task.name = format!("Post {}", post.name);
    task.condition = post.condition.or_else(always);
    let done = match task.decide() {
        Ok(Decision::Skip) => Done::new(Conclusion::Skipped),
        Err(error) => {
            task.error(&error.message);
            Done::failed(error.message)
        }
        Ok(Decision::Run) => {
            let name = job.desk.masked(&task.name);
            job.desk.tell(Notice::StepStarted { step: task.spot.step, name });
            match task.create_files() {
                Ok(()) => {
                    let (directory, script) = (&post.directory, &post.script);
                    super::node::script(&task, "Node", directory, script, post.variables).await
                }
                Err(error) => Done::failed(error.to_string()),
            }
        }
    };
    tell(&task, &done, began);
    done
}

fn tell(task: &Task, done: &Done, began: Instant) {
    let (name, duration) = (task.job.desk.masked(&task.name), began.elapsed());
    let (outcome, conclusion, step) = (done.outcome, done.conclusion, task.spot.step);
    task.job.report(
        step,
        StepReport {
            name: name.clone(),
            id: None,
            outcome,
            conclusion,
            duration,
            exit_code: done.exit_code,
            error: done.error.as_deref().map(|error| task.job.desk.masked(error)),
            timed_out: false,
        },
    );
    let last_lines = task.job.desk.last_lines(step);
    let last_lines = if outcome == Conclusion::Failure { last_lines } else { Vec::new() };
    task.job.desk.tell(Notice::StepEnded { step, name, outcome, conclusion, duration, last_lines });
}

fn always() -> Option<Condition> {
    Condition::parse("always()", &Names::new::<&str, _>(&[], &["always"])).ok()
}
