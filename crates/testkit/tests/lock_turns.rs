//! Two who want one lock of the embedded store again and again share it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coord::lease::{Contender, Holder, Lock, Locks, Round};
use coord::{BootClock, Clock, Token};
use jiff::Timestamp;
use store::{File, Store};

/// How often one of them has the lock.
const TURNS: u32 = 200;

async fn locks(path: &Path) -> Locks {
    let store: Arc<dyn Store> = Arc::new(File::open(path).await.expect("a store"));
    let clock: Arc<dyn Clock> = Arc::new(BootClock::of_this_machine());
    let [ttl, ticket] = [15, 1].map(Duration::from_mins);
    let contender = Contender { token: Token::random(), holder: Holder::default(), ttl, ticket };
    Locks::new(vec![Lock::new(store, clock, "deploy", contender, Timestamp::UNIX_EPOCH)])
}

async fn take_and_release(locks: &mut Locks) {
    let mut round = locks.enter().await.expect("the store works");
    while round != Round::All {
        round = locks.next().await.expect("the store works");
    }
    locks.release().await.expect("the store works");
}

#[test]
fn hot_loops_do_not_keep_one_another_from_the_lock() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let [begun, over] = [(), ()].map(|()| AtomicBool::new(false));
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let other = std::thread::scope(|threads| {
        let other = threads.spawn(|| {
            runtime().block_on(async {
                let (mut locks, mut turns) = (locks(&path).await, 0_u32);
                while !over.load(Ordering::Relaxed) {
                    take_and_release(&mut locks).await;
                    turns += 1;
                    begun.store(true, Ordering::Relaxed);
                }
                turns
            })
        });
        runtime().block_on(async {
            let mut locks = locks(&path).await;
            while !begun.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            for _ in 0..TURNS {
                take_and_release(&mut locks).await;
            }
        });
        over.store(true, Ordering::Relaxed);
        other.join().expect("it ends")
    });
    // As soon as one stands in the queue it is next, so only the way into the queue can be lost.
    let fair = TURNS / 4..TURNS * 4;
    assert!(fair.contains(&other), "one had {TURNS} turns, the other {other}");
}
