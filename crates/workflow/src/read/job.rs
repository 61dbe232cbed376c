//! The reading of a job.

use crate::{
    model::{Body, Job, Strategy},
    read::{condition, step, texts, token, written},
    schema::{JOB_IF, STEP_IF},
    span::Spanned,
    token::Token,
};

/// Makes a job of its key and what stands under it.
pub(super) fn job(id: Spanned<String>, value: &Spanned<Token>) -> Job {
    let body = match value.get("uses") {
        Some(uses) => Body::Call {
            uses: written(uses).unwrap_or_else(|| Spanned::new(String::new(), uses.span)),
            with: token(value, "with"),
            secrets: token(value, "secrets"),
        },
        None => Body::Steps {
            runs_on: token(value, "runs-on").unwrap_or_else(|| Spanned::new(Token::Null, id.span)),
            steps: step::steps(value.get("steps"), &STEP_IF),
        },
    };
    Job {
        name: token(value, "name"),
        needs: texts(value, "needs").unwrap_or_default(),
        condition: condition(value, "if", &JOB_IF),
        strategy: value.get("strategy").map(|strategy| Strategy {
            matrix: token(strategy, "matrix"),
            fail_fast: token(strategy, "fail-fast"),
            max_parallel: token(strategy, "max-parallel"),
        }),
        env: token(value, "env"),
        defaults: token(value, "defaults"),
        concurrency: token(value, "concurrency"),
        outputs: token(value, "outputs"),
        continue_on_error: token(value, "continue-on-error"),
        timeout_minutes: token(value, "timeout-minutes"),
        cancel_timeout_minutes: token(value, "cancel-timeout-minutes"),
        permissions: token(value, "permissions"),
        environment: token(value, "environment"),
        container: token(value, "container"),
        services: token(value, "services"),
        snapshot: token(value, "snapshot"),
        id,
        body,
    }
}
