//! What the tests of this crate share.

use crate::Identity;

/// Returns the identity of a job in `octo/hello`.
pub(crate) fn identity(job: &str, leg: Option<usize>) -> Identity {
    Identity {
        host: "github.com".to_owned(),
        owner: "octo".to_owned(),
        repository: "hello".to_owned(),
        workflow: ".github/workflows/ci.yml".to_owned(),
        event: "push".to_owned(),
        run: 17,
        attempt: 1,
        job: job.to_owned(),
        leg,
    }
}
