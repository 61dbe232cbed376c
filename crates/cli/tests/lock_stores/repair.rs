//! A damaged record: nobody gets the lock until somebody repairs it.

use std::sync::Arc;

use store::{Expect, Key, Store, Written};

use crate::backend::{ALL, on_each};

#[test]
fn damaged_record_is_corrupt_until_it_is_repaired() {
    on_each(&ALL, |backend| {
        backend.run(&["lock", "acquire", "deploy"]).expect_code(0);
        backend.with_store(halve);
        for flags in [&["--no-wait"][..], &["--wait", "1s", "--on-error", "proceed"]] {
            let acquire = [&["lock", "acquire", "deploy"], flags].concat();
            assert!(backend.run(&acquire).expect_code(6).stdout.starts_with("corrupt"));
            let ended = backend.hold(flags, "exit 9").end().expect_code(6);
            assert!(ended.stderr.contains("corrupt"), "{}", ended.stderr);
        }
        let repair = ["lock", "repair", "deploy"];
        assert!(backend.run(&repair).expect_code(0).stdout.starts_with("repaired"));
        assert!(backend.run(&repair).expect_code(0).stdout.starts_with("sound"));
        let script = "[ $INTERLOCK_FENCE -gt 1000000 ]";
        backend.hold(&["--no-wait"], script).end().expect_code(0);
    });
}

/// Writes the first half of the record in its place.
async fn halve(store: Arc<dyn Store>) {
    let key = Key::new(["lock", "deploy"]);
    let record = store.read(&key).await.expect("it can be read").expect("there is one");
    let half = record.value.slice(..record.value.len() / 2);
    let written = store.write(&key, half, Expect::At(record.version)).await;
    assert!(matches!(written, Ok(Written::Stored(_))), "{written:?}");
}
