//! What is mounted where, as the kernel's table says.

use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

const TABLE: &str = "/proc/self/mountinfo";

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) point: PathBuf,
    pub(crate) kind: String,
    pub(crate) source: String,
    options: Vec<u8>,
}

/// Returns what is mounted at or below a directory, the deepest first.
pub(crate) fn below(directory: &Path) -> Result<Vec<Mount>, Error> {
    // The table has paths without links.
    let Ok(directory) = directory.canonicalize() else { return Ok(Vec::new()) };
    let mut found = table()?;
    found.retain(|mount| mount.point.starts_with(&directory));
    found.reverse();
    found.sort_by_key(|mount| std::cmp::Reverse(mount.point.components().count()));
    Ok(found)
}

/// Says whether something that is mounted shows files of a directory.
pub(crate) fn uses(directory: &Path) -> Result<bool, Error> {
    let wanted = directory.as_os_str().as_bytes();
    Ok(table()?.iter().any(|mount| mount.options.windows(wanted.len()).any(|part| part == wanted)))
}

fn table() -> Result<Vec<Mount>, Error> {
    match fs::read(TABLE) {
        Ok(text) => Ok(text.split(|byte| *byte == b'\n').filter_map(parse).collect()),
        // A system without the table has no such mounts either.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("read", Path::new(TABLE))(error)),
    }
}

/// Parses `36 35 98:0 /root /point options shared:1 - kind source options`.
fn parse(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let dash = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
    let text =
        |index: usize| Some(String::from_utf8_lossy(&unescape(fields.get(index)?)).into_owned());
    Some(Mount {
        point: PathBuf::from(std::ffi::OsString::from_vec(unescape(fields.get(4)?))),
        kind: text(dash + 1)?,
        source: text(dash + 2)?,
        options: unescape(fields.get(dash + 3)?),
    })
}

/// Turns `\040` into a space, as the table writes it.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut at = 0;
    while let Some(&byte) = field.get(at) {
        let digits = field
            .get(at + 1..at + 4)
            .filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        match digits {
            Some(digits) if byte == b'\\' => {
                let value =
                    digits.iter().fold(0_u16, |value, digit| value * 8 + u16::from(digit - b'0'));
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
                at += 4;
            }
            _ => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_the_table_is_read_with_its_escapes() {
        let line = br"36 35 98:0 / /a\040b/c rw,noatime shared:1 master:2 - overlay interlock rw,lowerdir=/l\0401,upperdir=/u";
        let mount = parse(line).unwrap();
        assert_eq!(mount.point, Path::new("/a b/c"));
        assert_eq!((mount.kind.as_str(), mount.source.as_str()), ("overlay", "interlock"));
        assert_eq!(mount.options, b"rw,lowerdir=/l 1,upperdir=/u");
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"1 2 3 4 5 6 7 8"), None);
        assert_eq!(unescape(br"\777\04"), br"?\04");
    }
}
