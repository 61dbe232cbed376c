//! The signal: what the steps of a job hear from outside.

use tokio::sync::watch;

/// How badly the job is wanted to end; it only ever grows.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Signal {
    /// Go on.
    #[default]
    Run,
    /// Run only what is to run after a cancel.
    Cancel,
    /// Run nothing any more.
    Kill,
}

/// The end that hears.
#[derive(Clone, Debug)]
pub(super) struct Ear(watch::Receiver<Signal>);

impl Ear {
    pub(super) fn new() -> (watch::Sender<Signal>, Self) {
        let (mouth, ear) = watch::channel(Signal::Run);
        (mouth, Self(ear))
    }

    pub(super) fn now(&self) -> Signal {
        *self.0.borrow()
    }

    /// Waits until it is more than what was known; for ever, if nobody is there to say so.
    pub(super) async fn more_than(&mut self, known: Signal) -> Signal {
        let heard = self.0.wait_for(|now| *now > known).await.ok().map(|now| *now);
        match heard {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

/// Raises a signal; one that is stronger already stays.
pub(super) fn raise(mouth: &watch::Sender<Signal>, signal: Signal) {
    mouth.send_modify(|now| *now = (*now).max(signal));
}
