//! One lock through all its commands, as the steps of a job or of a script call them.

use crate::backend::{ALL, on_each};
use crate::call::Call;

#[test]
fn grant_goes_through_its_whole_life() {
    on_each(&ALL, |backend| {
        let lock = |arguments: &[&str]| backend.run(&[&["lock"], arguments].concat());
        let json = |arguments: &[&str]| {
            lock(&[arguments, &["--format", "json"]].concat()).expect_code(0).json().remove(0)
        };
        let first = json(&["acquire", "deploy", "--ttl", "60s", "--reason", "release 7"]);
        assert_eq!((&first["outcome"], &first["fence"]), (&"acquired".into(), &1.into()));
        lock(&["check", "deploy", "--fence", "1"]).expect_code(0);
        lock(&["check", "deploy", "--fence", "2"]).expect_code(3);
        let shown = backend.show();
        assert_eq!((&shown["outcome"], &shown["fence"]), (&"held".into(), &1.into()));
        assert_eq!(shown["why"], "release 7");
        // Another script of the same user neither gets it nor can release it.
        let other = |word: &str, flags: &[&str]| {
            let arguments = [&["lock", word, "deploy"], flags].concat();
            Call::start(backend.command(&arguments)).end().expect_code(3)
        };
        assert!(other("acquire", &["--no-wait"]).stdout.contains("release 7"));
        other("release", &[]);
        json(&["renew", "deploy", "--ttl", "2h"]);
        assert!(backend.show()["left_seconds"].as_f64().expect("a number") > 7000.0);

        lock(&["break", "deploy", "--holder", "nobody", "--reason", "x"]).expect_code(3);
        let holder = shown["holder"].as_str().expect("a name");
        lock(&["break", "deploy", "--holder", holder, "--reason", "it hangs"]).expect_code(0);
        assert_eq!(backend.show()["history"][0]["how"]["reason"], "it hangs");
        lock(&["check", "deploy", "--fence", "1"]).expect_code(3);
        lock(&["renew", "deploy"]).expect_code(4);

        let second = json(&["acquire", "deploy"]);
        assert_eq!((&second["outcome"], &second["fence"]), (&"taken-over".into(), &2.into()));
        assert_eq!(json(&["list"])["locks"][0]["key"], "deploy");
        assert_eq!(json(&["release", "deploy"])["outcome"], "released");
        lock(&["release", "deploy"]).expect_code(3);
        assert_eq!(backend.show()["outcome"], "free");
    });
}
