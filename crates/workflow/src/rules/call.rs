//! Calls of other workflows: what `uses` of a job may say.

use crate::{
    diagnostic::Diagnostic,
    model::{Body, Workflow},
};

/// Checks every job that calls a workflow.
pub(super) fn check(workflow: &Workflow, diagnostics: &mut Vec<Diagnostic>) {
    for job in workflow.jobs.values() {
        let Body::Call { uses, .. } = &job.body else { continue };
        if let Err(hint) = target(uses) {
            let message = format!("'{}' is not a workflow that can be called", uses.value);
            diagnostics.push(Diagnostic::error("invalid-call", uses.span, message).hinted(hint));
        }
    }
}

/// Says what is wrong with the name of a workflow.
fn target(uses: &str) -> Result<(), &'static str> {
    const FORMS: &str =
        "write './.github/workflows/x.yml' or 'owner/repository/.github/workflows/x.yml@ref'";
    let path = if let Some(path) = uses.strip_prefix("./").or_else(|| uses.strip_prefix("$/")) {
        if path.contains('@') {
            return Err("a workflow of this repository has no '@ref': it is that of the caller");
        }
        path
    } else {
        let (name, reference) = uses.split_once('@').ok_or(FORMS)?;
        let mut parts = name.splitn(3, '/');
        let (owner, repository) = (parts.next(), parts.next());
        if [owner, repository].iter().any(|part| part.is_none_or(str::is_empty))
            || reference.is_empty()
        {
            return Err(FORMS);
        }
        parts.next().ok_or(FORMS)?
    };
    let file = path
        .strip_prefix(".github/workflows/")
        .ok_or("a workflow that is called lies in '.github/workflows'")?;
    if file.contains('/') {
        return Err("a workflow that is called lies in '.github/workflows' itself");
    }
    let stem = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml"));
    match stem {
        Some(stem) if !stem.is_empty() => Ok(()),
        _ => Err("the file of a workflow ends with '.yml' or '.yaml'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflows_are_called_by_path() {
        for uses in [
            "./.github/workflows/a.yml",
            "$/.github/workflows/a.yaml",
            "o/r/.github/workflows/a.yml@v1",
            "o/r/.github/workflows/a.yml@feature/x",
        ] {
            assert_eq!(target(uses), Ok(()), "{uses}");
        }
        for uses in [
            "",
            "a.yml",
            "./a.yml",
            "./.github/workflows/x/a.yml",
            "./.github/workflows/a.exe",
            "./.github/workflows/a.yml@v1",
            "o/r/.github/workflows/a.yml",
            "./.github/workflows/.yml",
            "some-other@String.com",
            "o/r/a.yml@v1",
            "o/.github/workflows/a.yml@v1",
            "o/r@v1",
        ] {
            assert!(target(uses).is_err(), "{uses}");
        }
    }
}
