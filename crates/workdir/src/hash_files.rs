//! `hashFiles`: one digest over the files that patterns choose, the same one that GitHub computes.
//!
//! GitHub's runner hands the patterns to `@actions/glob`, walks in the order of names, and hashes the
//! digests of the files one after the other. The glob dialect is that package's: no braces, hidden files
//! match, `!` excludes, the last pattern that matches wins, and a directory stands for all that is in it.

use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::identity::hex;
use crate::segment_glob::SegmentGlob;

/// What `hashFiles` does with symbolic links to directories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Leaves them alone, which is the default on GitHub.
    #[default]
    Keep,
    /// Follows them, as `--follow-symbolic-links` says.
    Follow,
}

/// Returns the digest of the files that the patterns match; empty if they match none.
///
/// Files outside of the workspace do not count.
pub fn hash_files(workspace: &Path, patterns: &[&str], links: Links) -> Result<String, Error> {
    let patterns = Pattern::read_all(workspace, &patterns.join("\n"))?;
    let follows = links == Links::Follow;
    let mut walk = Walk { workspace, patterns: &patterns, follows, chain: Vec::new(), sum: None };
    for start in starts(workspace, &patterns) {
        walk.visit(&start)?;
    }
    Ok(walk.sum.map(|sum| hex(&sum.finalize())).unwrap_or_default())
}

/// One line of what chooses files.
#[derive(Debug)]
struct Pattern {
    excludes: bool,
    /// It ends with a slash, so no file can be meant.
    only_directories: bool,
    /// It was added to another one, which names a directory, for what is in it.
    is_implicit: bool,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
enum Segment {
    One(SegmentGlob),
    Any,
}

impl Pattern {
    fn read_all(workspace: &Path, text: &str) -> Result<Vec<Self>, Error> {
        let mut patterns = Vec::new();
        for line in
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let pattern = Self::read(workspace, line)?;
            let ends_with_any = matches!(pattern.segments.last(), Some(Segment::Any));
            let implied = (pattern.only_directories || !ends_with_any).then(|| {
                let mut segments = pattern.segments.clone();
                segments.push(Segment::Any);
                Self {
                    excludes: pattern.excludes,
                    only_directories: false,
                    is_implicit: true,
                    segments,
                }
            });
            patterns.push(pattern);
            patterns.extend(implied);
        }
        Ok(patterns)
    }

    fn read(workspace: &Path, line: &str) -> Result<Self, Error> {
        let refused =
            |why: &str| Error::refused(format!("hashFiles cannot use the pattern `{line}`"), why);
        let mut text = line;
        let mut excludes = false;
        while let Some(rest) = text.strip_prefix('!') {
            excludes = !excludes;
            text = rest.trim();
        }
        if text.is_empty() {
            return Err(refused("write a path after the exclamation mark"));
        }
        let mut segments = Vec::new();
        if !text.starts_with('/') {
            let exactly = |part: Component<'_>| {
                Segment::One(SegmentGlob::exactly(&part.as_os_str().to_string_lossy()))
            };
            segments.extend(workspace.components().skip(1).map(exactly));
        }
        for (index, part) in text.split('/').enumerate().filter(|(_, part)| !part.is_empty()) {
            match part {
                "." if index == 0 => {}
                "." | ".." => return Err(refused("`.` and `..` may not be parts of it")),
                part => segments.push(Segment::read(part)),
            }
        }
        let only_directories = text.ends_with('/');
        Ok(Self { excludes, only_directories, is_implicit: false, segments })
    }

    /// Returns the directory or file that everything the pattern can match is at or below.
    fn start(&self) -> PathBuf {
        let literals = self.segments.iter().map_while(|segment| match segment {
            Segment::One(glob) => glob.literal(),
            Segment::Any => None,
        });
        Path::new("/").join(literals.collect::<PathBuf>())
    }

    fn matches(&self, path: &[&str]) -> bool {
        matches(&self.segments, path, usize::from(self.is_implicit))
    }

    /// Says whether something below a directory may match.
    fn may_match_below(&self, directory: &[&str]) -> bool {
        for (index, part) in directory.iter().enumerate() {
            match self.segments.get(index) {
                Some(Segment::Any) => return true,
                Some(segment) if segment.matches(part) => {}
                Some(_) | None => return false,
            }
        }
        true
    }
}

impl Segment {
    fn read(part: &str) -> Self {
        if part == "**" { Self::Any } else { Self::One(SegmentGlob::parse(part)) }
    }

    fn matches(&self, part: &str) -> bool {
        match self {
            Self::One(glob) => glob.matches(part),
            Self::Any => true,
        }
    }
}

/// Matches a whole path; a `**` at the end takes at least `tail` parts.
///
/// The usual two pointers: after a mismatch, the last `**` takes one part more. So no pattern is slow.
fn matches(segments: &[Segment], path: &[&str], tail: usize) -> bool {
    let (mut segment, mut part) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match segments.get(segment) {
            Some(Segment::Any) if segment + 1 == segments.len() => {
                if path.len().saturating_sub(part) >= tail {
                    return true;
                }
            }
            Some(Segment::Any) => {
                retry = Some((segment + 1, part));
                segment += 1;
                continue;
            }
            Some(one) if path.get(part).is_some_and(|text| one.matches(text)) => {
                (segment, part) = (segment + 1, part + 1);
                continue;
            }
            None if part == path.len() => return true,
            Some(_) | None => {}
        }
        match retry {
            Some((after, taken)) if taken < path.len() => {
                retry = Some((after, taken + 1));
                (segment, part) = (after, taken + 1);
            }
            _ => return false,
        }
    }
}

/// Returns where to look, in the order of the patterns; what lies below another one is left out.
fn starts(workspace: &Path, patterns: &[Pattern]) -> Vec<PathBuf> {
    let wanted = patterns.iter().filter(|pattern| !pattern.excludes).map(Pattern::start);
    let starts: Vec<PathBuf> = wanted
        .filter_map(|start| {
            let is_above = workspace.starts_with(&start);
            (is_above || start.starts_with(workspace))
                .then(|| if is_above { workspace.to_owned() } else { start })
        })
        .collect();
    let mut kept: Vec<PathBuf> = Vec::new();
    for start in &starts {
        let is_below_another =
            starts.iter().any(|other| start != other && start.starts_with(other));
        if !is_below_another && !kept.contains(start) {
            kept.push(start.clone());
        }
    }
    kept
}

struct Walk<'a> {
    workspace: &'a Path,
    patterns: &'a [Pattern],
    follows: bool,
    /// The real paths of the directories above, by which a link in a circle is found.
    chain: Vec<PathBuf>,
    sum: Option<Sha256>,
}

impl Walk<'_> {
    fn visit(&mut self, path: &Path) -> Result<(), Error> {
        let metadata = if self.follows { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let parts: Vec<String> = path
            .components()
            .skip(1)
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if metadata.is_dir() {
            let mut wanted = self.patterns.iter().filter(|pattern| !pattern.excludes);
            if wanted.any(|pattern| pattern.may_match_below(&parts)) {
                self.visit_directory(path)?;
            }
            return Ok(());
        }
        if path != self.workspace && self.is_chosen(&parts) { self.add(path) } else { Ok(()) }
    }

    fn visit_directory(&mut self, path: &Path) -> Result<(), Error> {
        if self.follows {
            let real = path.canonicalize().map_err(Error::io("read", path))?;
            if self.chain.contains(&real) {
                return Ok(());
            }
            self.chain.push(real);
        }
        let entries = fs::read_dir(path).map_err(Error::io("read", path))?;
        let names: Result<Vec<_>, _> =
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let mut names = names.map_err(Error::io("read", path))?;
        names.sort();
        for name in names {
            self.visit(&path.join(name))?;
        }
        if self.follows {
            self.chain.pop();
        }
        Ok(())
    }

    fn is_chosen(&self, path: &[&str]) -> bool {
        self.patterns.iter().fold(false, |chosen, pattern| {
            let hit = !pattern.only_directories && pattern.matches(path);
            if hit { !pattern.excludes } else { chosen }
        })
    }

    fn add(&mut self, path: &Path) -> Result<(), Error> {
        // A link to a file counts as the file, one to a directory does not count.
        let metadata = fs::metadata(path).map_err(Error::io("read", path))?;
        if metadata.is_dir() {
            return Ok(());
        }
        if !metadata.is_file() {
            return Err(Error::refused(
                format!("hashFiles cannot read {}, which is no regular file", path.display()),
                "exclude it with a pattern that begins with `!`",
            ));
        }
        let mut file = fs::File::open(path).map_err(Error::io("open", path))?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer).map_err(Error::io("read", path))? {
                0 => break,
                count => digest.update(&buffer[..count]),
            }
        }
        self.sum.get_or_insert_default().update(digest.finalize());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for path in FILES {
            let file = directory.path().join("work").join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, path).unwrap();
        }
        fs::write(directory.path().join("outside"), "x").unwrap();
        let at = |name: &str| directory.path().join("work").join(name);
        symlink("../sub", at("links/sub")).unwrap();
        symlink("../a.txt", at("links/file")).unwrap();
        symlink("..", at("links/circle")).unwrap();
        directory
    }

    const FILES: [&str; 22] = [
        "a.txt",
        "b.txt",
        "a/c.txt",
        "a/.hidden",
        ".config/x.txt",
        "sub/package-lock.json",
        "package-lock.json",
        "sub/deep/er/Cargo.lock",
        "Cargo.lock",
        "node_modules/m/package-lock.json",
        "node_modules/m/i.js",
        "{x,y}.txt",
        "x.txt",
        "[k].txt",
        "k.txt",
        "A.txt",
        "a-b/z",
        "a b.txt",
        "links/real",
        "ä.txt",
        "sub.txt",
        "dir.lock/in",
    ];

    /// Patterns, and what `@actions/glob` makes of them in this tree.
    const CASES: &[(&str, &str)] = &[
        ("**", "f5b640dc47e9728f587fbcab7605f2e2cb9f6061cde0fd42800845646e751bef"),
        ("*", "f5b640dc47e9728f587fbcab7605f2e2cb9f6061cde0fd42800845646e751bef"),
        ("*.txt", "95be7743255337b4d7d201bb83f2aad924a92e43f18f5d6b7e80aa3d151fa50d"),
        (
            "**/package-lock.json",
            "d7ef147299e5cd9a1efbef090d8fd957fc2db9eba4fc4c77c87a532faafd241c",
        ),
        ("**/*.lock", "4074cd6677cb05d6c611cd10f750d866fffc3405306d00e1c31a19d800b35ad2"),
        ("package-lock.json", "6c4fbfb0ddea20c56c830decd4af9e588cbc4fbe57670a3f7e6d010b665c4fc2"),
        ("missing", ""),
        (
            "Cargo.lock\n**/package-lock.json",
            "220862fdc117f4412a111ca60d0e80290c26bc81216df85b844a674cdb86f105",
        ),
        (
            "**/package-lock.json\n!**/node_modules/**",
            "386310600bb6ad4cf9557494f09cfdb5452ff0c013ec74cc2b00546bf2748ea2",
        ),
        (
            "**/package-lock.json\n!node_modules",
            "386310600bb6ad4cf9557494f09cfdb5452ff0c013ec74cc2b00546bf2748ea2",
        ),
        (
            "!**/node_modules/**\n**/package-lock.json",
            "d7ef147299e5cd9a1efbef090d8fd957fc2db9eba4fc4c77c87a532faafd241c",
        ),
        ("b.txt\na.txt", "2b46fa5167db97d71a83f76936f6015dc0c4bf15614e463ae5635a86d451acad"),
        ("a.txt\nb.txt", "ef39e90b9da484576cbaf25ccb2631cb6e1439b182cd5d8d17038991f2212cd1"),
        ("sub/**\na/**", "cd70a699137bfb1716a80c15c52ab706d72f71d5c88a53a9e3ffa1355dd98e80"),
        ("a", "7f949de98b7a01c6a9bd219938af00f6676a483cd8a5934a52a1a0f955bd24fd"),
        ("a/", "7f949de98b7a01c6a9bd219938af00f6676a483cd8a5934a52a1a0f955bd24fd"),
        ("a.txt/", ""),
        ("sub", "d05b6834c8dff98b2711e4824ca3a623c0b0aa78b117cb17849b3b82c4000d86"),
        ("**/deep", "13f0fbb63cfa3e14317373a76d2a2f6c3ce14cfda89e8bc785e5fe785563ae24"),
        ("# comment\n a.txt ", "8de2cc141db16f4c30bd3a6151b1cc0393ad0cf98faff31c3e7957f62baa5706"),
        ("{x,y}.txt", "a527dbf581c64f505c46c42ef1ede96b33aa4a890b4823ba9a8f947f38fe41ce"),
        ("[k].txt", "7cf3c76f3c7566f39ce7627fbc6c69a6046b0462c3f2b58b5503be4aa0340f83"),
        ("[ab].txt", "ef39e90b9da484576cbaf25ccb2631cb6e1439b182cd5d8d17038991f2212cd1"),
        ("[!ab].txt", "d52b3b5dd2e36329ed9bbb1fc357c7407d38a0617196e58c09cadd80f6f4392c"),
        ("[^ab].txt", "d52b3b5dd2e36329ed9bbb1fc357c7407d38a0617196e58c09cadd80f6f4392c"),
        ("[a-c].txt", "ef39e90b9da484576cbaf25ccb2631cb6e1439b182cd5d8d17038991f2212cd1"),
        ("?.txt", "bb6c8cea4f50146722431e116c13ad5fc30f0cfd0278073a2e0811b3d50a4357"),
        ("\\[k].txt", "16175f9e871a67a1ae7ec002af13d6c363fcd5cd22ae06dde484713ca66e256c"),
        ("[k.txt", ""),
        ("a*/*", "cdd50941c2785c81135b58a74b6f7638487f7d727c22f622f147b9121c9f7309"),
        ("*/*", "882416d2af92f228c06363b7f4a0415222cd2b4f4bf0ea42a225eb9af09813d1"),
        ("**/.*", "900854a4ddad8b9c9e9f188bcabdec17abaff8bfea0fd27aec19fe111aacb24c"),
        (".config", "b414a437ad62502ec6562f1444504ab61f523be542c4755d191bb1b3cf47d0d7"),
        (".*", "b414a437ad62502ec6562f1444504ab61f523be542c4755d191bb1b3cf47d0d7"),
        ("links/**", "5c41bde6d4a5d3faea1a85b83683765a1db8e89f94d72d6d7a1e2dea29ee4078"),
        (
            "--follow-symbolic-links\nlinks/**",
            "39ede9abd0ba84559ebc38cd8a85ae5289b9ff11bac49e260b9341145bc16967",
        ),
        (
            "--follow-symbolic-links\nlinks/sub/**",
            "d05b6834c8dff98b2711e4824ca3a623c0b0aa78b117cb17849b3b82c4000d86",
        ),
        (
            "--follow-symbolic-links\n**/*.lock",
            "af6bc955343bdb876a5e6991bc482385374cc441442190dcae3d9d21e27fad8c",
        ),
        ("links/file", "8de2cc141db16f4c30bd3a6151b1cc0393ad0cf98faff31c3e7957f62baa5706"),
        ("./a.txt", "8de2cc141db16f4c30bd3a6151b1cc0393ad0cf98faff31c3e7957f62baa5706"),
        ("../outside", "error"),
        ("!", "error"),
        (
            "**\n!**/*.txt\na/c.txt",
            "72be3e8d103952de2f94d0f9ee15938c880768bbce1476ee2af855051d6f15ff",
        ),
        ("!!a.txt", "8de2cc141db16f4c30bd3a6151b1cc0393ad0cf98faff31c3e7957f62baa5706"),
        ("a/**/c.txt", "137b4cfe294f8f49f280eb919e6f32c50d26632a5d8c5b1e2a4e0fad474b8c88"),
        ("**/**/c.txt", "137b4cfe294f8f49f280eb919e6f32c50d26632a5d8c5b1e2a4e0fad474b8c88"),
        ("sub/**/Cargo.lock", "13f0fbb63cfa3e14317373a76d2a2f6c3ce14cfda89e8bc785e5fe785563ae24"),
        ("**/er/**", "13f0fbb63cfa3e14317373a76d2a2f6c3ce14cfda89e8bc785e5fe785563ae24"),
        ("sub/*/er", "13f0fbb63cfa3e14317373a76d2a2f6c3ce14cfda89e8bc785e5fe785563ae24"),
        ("a.txt/**", "8de2cc141db16f4c30bd3a6151b1cc0393ad0cf98faff31c3e7957f62baa5706"),
        ("a.txt/**/x", ""),
        ("*.lock", "f9f7a600a76ce21c2d2e5721a3ad77f52cc7cd655d105b6a71d446fc5fc5ef51"),
        ("dir.lock/", "15d3153e92bd6ab48bc0fa8fccf8705b00a99567c84738ca2bc18bb8d6c6975f"),
        ("*.lock/", "15d3153e92bd6ab48bc0fa8fccf8705b00a99567c84738ca2bc18bb8d6c6975f"),
        ("a b.txt", "2ef27846c4eff2719997b52bc82c70a13692326a324cc094dabdfd30b06d1512"),
        ("ä.txt", "e6a0d367ab1418077cf59822ee93838240327d9351800f17dc03a32a4e646e10"),
        ("?.TXT", ""),
        ("s*", "a0c2051e48a8d29ef2aa7e766d0715c9f2322801c2733ff20a9b404a4e87231f"),
        ("a.{txt,md}", ""),
        ("+(a|b).txt", ""),
        ("@(a).txt", ""),
        ("a.tx?", "8de2cc141db16f4c30bd3a6151b1cc0393ad0cf98faff31c3e7957f62baa5706"),
        ("*a*", "bf8510dbb40f9e39c5d55b409835f61d3a99e2bd46468fe58f67b0fe0753c12c"),
        ("**a", "7f949de98b7a01c6a9bd219938af00f6676a483cd8a5934a52a1a0f955bd24fd"),
        ("**.txt", "95be7743255337b4d7d201bb83f2aad924a92e43f18f5d6b7e80aa3d151fa50d"),
        ("a**/c.txt", "137b4cfe294f8f49f280eb919e6f32c50d26632a5d8c5b1e2a4e0fad474b8c88"),
        ("***", "f5b640dc47e9728f587fbcab7605f2e2cb9f6061cde0fd42800845646e751bef"),
        ("sub/**/", "d05b6834c8dff98b2711e4824ca3a623c0b0aa78b117cb17849b3b82c4000d86"),
        ("**/", "f5b640dc47e9728f587fbcab7605f2e2cb9f6061cde0fd42800845646e751bef"),
        ("a//c.txt", "137b4cfe294f8f49f280eb919e6f32c50d26632a5d8c5b1e2a4e0fad474b8c88"),
        ("[]a].txt", ""),
        ("[z-a].txt", ""),
        ("[a\\].txt", ""),
        ("\\a.txt", "8de2cc141db16f4c30bd3a6151b1cc0393ad0cf98faff31c3e7957f62baa5706"),
        ("a\\*", ""),
        ("!(a).txt", ""),
        ("a/./c.txt", "error"),
        ("a/../b.txt", "error"),
        (".", "f5b640dc47e9728f587fbcab7605f2e2cb9f6061cde0fd42800845646e751bef"),
        ("./", "f5b640dc47e9728f587fbcab7605f2e2cb9f6061cde0fd42800845646e751bef"),
        ("./**", "f5b640dc47e9728f587fbcab7605f2e2cb9f6061cde0fd42800845646e751bef"),
        ("~/x", ""),
        (
            "sub/deep/er/Cargo.lock\nsub",
            "d05b6834c8dff98b2711e4824ca3a623c0b0aa78b117cb17849b3b82c4000d86",
        ),
        (
            "sub/deep\nsub/package-lock.json",
            "d05b6834c8dff98b2711e4824ca3a623c0b0aa78b117cb17849b3b82c4000d86",
        ),
        ("[A-Z].txt", "ce9b4fad96c0b53596789bd070fdb3fda20bd132932b1293f144dcc347eba4c5"),
        ("[a", ""),
        ("a]", ""),
        ("*[", ""),
        ("?????????", "a527dbf581c64f505c46c42ef1ede96b33aa4a890b4823ba9a8f947f38fe41ce"),
        ("a/c.txt\n!a", ""),
        ("a/c.txt\n!a/", ""),
        ("a/c.txt\n!a/**", ""),
        ("a/c.txt\n!c.txt", "137b4cfe294f8f49f280eb919e6f32c50d26632a5d8c5b1e2a4e0fad474b8c88"),
        ("!a.txt\n!!a.txt", "8de2cc141db16f4c30bd3a6151b1cc0393ad0cf98faff31c3e7957f62baa5706"),
        ("**/sub", "d05b6834c8dff98b2711e4824ca3a623c0b0aa78b117cb17849b3b82c4000d86"),
        ("**/sub/", "d05b6834c8dff98b2711e4824ca3a623c0b0aa78b117cb17849b3b82c4000d86"),
    ];

    #[test]
    fn digests_are_those_of_github() {
        let directory = tree();
        for (patterns, expected) in CASES {
            let (links, patterns) = match patterns.strip_prefix("--follow-symbolic-links\n") {
                Some(patterns) => (Links::Follow, patterns),
                None => (Links::Keep, *patterns),
            };
            let found = hash_files(&directory.path().join("work"), &[patterns], links);
            assert_eq!(found.as_deref().unwrap_or("error"), *expected, "{patterns:?}");
        }
    }
}
