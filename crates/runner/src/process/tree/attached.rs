//! A command that has our own standard streams, such as an editor or a deployment that asks questions.

use rustix::process::Signal;

use super::super::command::{Attachment, Streams};
use super::super::{Command, CouldNotStart, Exit, Grace, orders};
use super::{Running, Tree};
use crate::interrupt::Interrupt;

/// A command that reads and writes what we do.
///
/// Dropping it leaves the command to [`Tree::end`].
#[derive(Debug)]
pub struct Attached {
    running: Running,
    shares_group: bool,
}

impl Tree {
    /// Starts a command with our standard streams.
    pub fn attach(
        &self,
        command: &Command,
        attachment: Attachment,
    ) -> Result<Attached, CouldNotStart> {
        let (running, _) = self.start(command, Streams::Ours(attachment))?;
        Ok(Attached { running, shares_group: attachment.shares_group })
    }
}

impl Attached {
    /// Waits until it has ended. It may be dropped and called again.
    pub async fn exit(&mut self) -> Exit {
        self.running.exit().await
    }

    /// Passes a signal on to the command and what it started.
    ///
    /// Where it shares our process group, the terminal has sent it an interrupt already.
    pub fn pass_on(&self, interrupt: Interrupt) {
        let signal = match interrupt {
            Interrupt::Interrupt if self.shares_group => return,
            Interrupt::Interrupt => Signal::INT,
            Interrupt::Terminate => Signal::TERM,
            Interrupt::HangUp => Signal::HUP,
        };
        self.running.signal(signal, false);
    }

    /// Ends it with everything that stems from it, also where it is stopped.
    pub async fn stop(&mut self, grace: Grace) -> Exit {
        // A stopped process hears nothing but this.
        self.running.signal(Signal::CONT, false);
        // Nobody changes his mind: the grace says all.
        let (_stopper, mut orders) = orders();
        self.running.stop(grace, &mut orders).await
    }
}
