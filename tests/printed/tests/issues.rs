//! Each known limitation says the same three things: where it stands, what it does, what helps.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn each_issue_has_its_number_and_says_status_impact_and_mitigation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../issues");
    let mut numbers = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let number = &name[..4];
        assert!(
            text.starts_with(&format!("# {number}: ")),
            "{name}: its heading has another number"
        );
        assert!(numbers.insert(number.to_owned()), "{number} is there twice");
        let mut behind = 0;
        for part in ["Status", "Impact", "Mitigation"] {
            let begin = format!("\n\n**{part}.** ");
            let at = text[behind..].find(&begin);
            let at = at.unwrap_or_else(|| panic!("{name} says no **{part}.** in its turn"));
            behind += at + begin.len();
        }
    }
    assert!(numbers.len() > 20, "{numbers:?}");
}
