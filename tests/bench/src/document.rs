//! What is printed into documents: the parts of `docs/benchmarks.md` with their pictures, and the one
//! of `docs/dev.md`.

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

/// The document that the part of this name is in.
pub fn path(part: &str) -> PathBuf {
    docs().join(match part {
        "endpoint" => "dev.md",
        _ => "benchmarks.md",
    })
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
    pub fn write(&self) -> Result<(), String> {
        let text = format!("\n{}\n\n", self.text().trim_end());
        let page = path(self.name).display().to_string();
        oq_printed::write(&page, &[(self.name, text)])?;
        let said = |e: std::io::Error| e.to_string();
        let folder = docs().join("benchmarks");
        std::fs::create_dir_all(&folder).map_err(said)?;
        for picture in &self.pictures {
            std::fs::write(folder.join(picture.file()), picture.svg()).map_err(said)?;
        }
        Ok(())
    }
}
