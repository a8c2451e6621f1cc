//! The parts of `docs/benchmarks.md` that are printed by a program. What stands between the marks of
//! a part is replaced; what people wrote around them stays.

use std::path::{Path, PathBuf};

use crate::plot::Picture;
use crate::table::Table;

/// What one part holds.
pub struct Part {
    pub name: &'static str,
    pub tables: Vec<Table>,
    pub pictures: Vec<Picture>,
    /// What the figures depend on beside the program, such as the machine.
    pub where_: Option<String>,
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

impl Part {
    fn text(&self) -> String {
        let mut text = self.where_.clone().map_or_else(String::new, |w| w + "\n\n");
        for table in &self.tables {
            text += &table.to_string();
        }
        text
    }

    /// Puts the part into the document, and its pictures beside it.
    pub fn write(&self) -> std::io::Result<()> {
        let path = docs().join("benchmarks.md");
        let document = std::fs::read_to_string(&path)?;
        std::fs::write(&path, replace(&document, self.name, &self.text()))?;
        let folder = docs().join("benchmarks");
        std::fs::create_dir_all(&folder)?;
        for picture in &self.pictures {
            std::fs::write(folder.join(picture.file()), picture.svg())?;
        }
        Ok(())
    }
}

/// The document with another text between the marks of a part; a part that is new comes last.
fn replace(document: &str, name: &str, text: &str) -> String {
    let (begin, end) = (
        format!("<!-- {name}: printed -->"),
        format!("<!-- {name}: end -->"),
    );
    let (before, after) = match (document.find(&begin), document.find(&end)) {
        (Some(from), Some(to)) => (&document[..from], &document[to + end.len()..]),
        _ => (document, ""),
    };
    let gap = if before.is_empty() || before.ends_with("\n\n") {
        ""
    } else {
        "\n"
    };
    format!(
        "{before}{gap}{begin}\n\n{}\n\n{end}{}",
        text.trim_end(),
        if after.is_empty() { "\n" } else { after }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_replaced_and_all_else_kept() {
        let once = replace("# Title\n", "cost", "| old |");
        let with_more = once + "\nWritten by hand.\n";
        let twice = replace(&with_more, "cost", "| new |");
        assert_eq!(
            twice,
            "# Title\n\n<!-- cost: printed -->\n\n| new |\n\n<!-- cost: end -->\n\nWritten by hand.\n"
        );
        assert_eq!(replace(&twice, "cost", "| new |"), twice);
    }
}
