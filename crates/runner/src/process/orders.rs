//! The wish that a command should end, and how badly.

use tokio::sync::watch;

/// Returns the two ends of a wish: one that utters it and one that hears it.
pub fn orders() -> (Stopper, Orders) {
    let (sender, receiver) = watch::channel(Demand::Run);
    (Stopper(sender), Orders(receiver))
}

/// The end that asks; its copies speak with one voice.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<Demand>);

impl Stopper {
    /// Asks for the end, with time to clean up; asked again, without.
    pub fn cancel(&self) {
        self.0.send_modify(|demand| {
            *demand = if *demand == Demand::Run { Demand::Stop } else { Demand::Kill };
        });
    }

    /// Asks for the end at once.
    pub fn kill(&self) {
        self.0.send_replace(Demand::Kill);
    }
}

/// The end that hears; each copy hears everything.
#[derive(Clone, Debug)]
pub struct Orders(watch::Receiver<Demand>);

impl Orders {
    /// Waits until the command should end, in whatever way.
    pub async fn stopped(&mut self) {
        self.at_least(Demand::Stop).await;
    }

    /// Waits until the command should end at once.
    pub async fn killed(&mut self) {
        self.at_least(Demand::Kill).await;
    }

    /// Tells whether the command should end.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() >= Demand::Stop
    }

    async fn at_least(&mut self, demand: Demand) {
        if self.0.wait_for(|now| *now >= demand).await.is_err() {
            // Nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Demand {
    Run,
    Stop,
    Kill,
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn the_second_cancel_kills() {
        let (stopper, mut orders) = orders();
        assert!(orders.stopped().now_or_never().is_none());
        stopper.cancel();
        assert!(orders.stopped().now_or_never().is_some());
        assert!(orders.killed().now_or_never().is_none());
        stopper.clone().cancel();
        assert!(orders.killed().now_or_never().is_some());
    }

    #[test]
    fn a_wish_outlives_the_one_who_had_it() {
        let (stopper, mut orders) = orders();
        stopper.kill();
        drop(stopper);
        assert!(orders.killed().now_or_never().is_some());
    }

    #[test]
    fn silence_is_not_a_wish() {
        let (stopper, mut orders) = orders();
        drop(stopper);
        assert!(orders.stopped().now_or_never().is_none());
    }
}
