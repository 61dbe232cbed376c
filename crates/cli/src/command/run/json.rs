//! The view for programs: a JSON object a line, and a summary as the last.

use std::io::{BufWriter, Write as _};

use dispatch::notice::Notice;
use dispatch::result::RunResult;
use dispatch::world::Ended;

use crate::failure::Failure;

/// Returns the line for one notice.
pub(crate) fn line(notice: &Notice) -> String {
    serde_json::to_string(notice).expect("notices are plain data")
}

/// Prints the summary, a run at a time, so that memory does not grow with their number.
pub(crate) fn summary(
    ended: &[Ended],
    read: &impl Fn(&Ended) -> Result<RunResult, Failure>,
) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    // A reader that went away is not an error of ours.
    drop(write!(out, "{{\"type\":\"summary\",\"runs\":["));
    for (index, ended) in ended.iter().enumerate() {
        let text = serde_json::to_string(&read(ended)?).expect("results are plain data");
        let comma = if index == 0 { "" } else { "," };
        drop(write!(out, "{comma}{text}"));
    }
    drop(writeln!(out, "]}}").and_then(|()| out.flush()));
    Ok(())
}
