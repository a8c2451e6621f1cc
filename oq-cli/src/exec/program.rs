//! Which program runs tasks of which type: read from the command line, and looked for once at the
//! start, so that a worker that cannot run its tasks does not claim them.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use oq_core::record::TaskType;

/// `NAME='program args'` as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    task_type: TaskType,
    line: String,
}

impl std::str::FromStr for Said {
    type Err = String;

    fn from_str(text: &str) -> Result<Said, String> {
        let (name, line) = text
            .split_once('=')
            .ok_or("write it as NAME='program args'")?;
        let task_type = TaskType::new(name).map_err(|e| e.to_string())?;
        if line.trim().is_empty() {
            return Err(format!(
                "{name} has no program: write {name}='program args'"
            ));
        }
        Ok(Said {
            task_type,
            line: line.to_owned(),
        })
    }
}

/// The program of one type of tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub task_type: TaskType,
    pub file: PathBuf,
    pub args: Vec<OsString>,
}

impl Program {
    /// Splits the line as a shell would, or hands it to one; the program must be there.
    pub fn of(said: &Said, shell: bool) -> Result<Program, String> {
        let task_type = said.task_type.clone();
        if shell {
            return Ok(Program {
                task_type,
                file: "/bin/sh".into(),
                args: vec!["-c".into(), said.line.clone().into()],
            });
        }
        let wrong = |why: &str| format!("{task_type}: {why}");
        let words = shlex::split(&said.line).ok_or_else(|| wrong("a quote is not closed"))?;
        let (name, args) = words
            .split_first()
            .ok_or_else(|| wrong("there is no program"))?;
        let file = find(name).map_err(|why| wrong(&why))?;
        Ok(Program {
            file,
            args: args.iter().map(OsString::from).collect(),
            task_type,
        })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.display().fmt(f)
    }
}

fn find(name: &str) -> Result<PathBuf, String> {
    if name.contains('/') {
        let path = Path::new(name);
        return match std::fs::metadata(path) {
            Err(e) => Err(format!("{name}: {e}")),
            Ok(_) if is_executable(path) => Ok(path.to_owned()),
            Ok(_) => Err(format!("{name} is not an executable file")),
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
        .ok_or_else(|| format!("there is no program '{name}' in the PATH"))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(text: &str, shell: bool) -> Result<Program, String> {
        Program::of(&text.parse()?, shell)
    }

    #[test]
    fn a_line_is_split_as_a_shell_would() {
        let resize = program(r#"img.resize=sh -c 'echo "a b"' x\ y"#, false).unwrap();
        assert_eq!(resize.task_type.as_str(), "img.resize");
        assert_eq!(resize.file.file_name().unwrap(), "sh");
        assert_eq!(resize.args, ["-c", r#"echo "a b""#, "x y"]);
    }

    #[test]
    fn a_shell_gets_the_line_as_it_is() {
        let piped = program("sum=tr a b | wc -c", true).unwrap();
        assert_eq!(piped.file, Path::new("/bin/sh"));
        assert_eq!(piped.args, ["-c", "tr a b | wc -c"]);
    }

    #[test]
    fn what_cannot_run_is_told_apart() {
        for (text, says) in [
            ("resize", "NAME="),
            ("resize=", "has no program"),
            ("../x=true", "../x"),
            ("resize=sh 'open", "quote"),
            ("resize=no-such-program-here", "in the PATH"),
            ("resize=/no/such/file", "No such file"),
            ("resize=/etc/passwd", "not an executable"),
            ("resize=/", "not an executable"),
        ] {
            let why = program(text, false).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
