//! The hints, which stand in an exercise's README.

/// The hints of a README, in their order: each with its title.
pub fn hints(readme: &str) -> Vec<String> {
    let (_, part) = readme.split_once("\n## Hints").unwrap_or_default();
    let folded = part.split("<details>").skip(1);
    folded.filter_map(hint).collect()
}

fn hint(folded: &str) -> Option<String> {
    let (_, rest) = folded.split_once("<summary>")?;
    let (title, rest) = rest.split_once("</summary>")?;
    let (text, _) = rest.split_once("</details>")?;
    Some(format!("{}\n\n{}", title.trim(), text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task;
    use crate::tree::Tree;

    #[test]
    fn hints_are_taken_out_of_their_folds() {
        let readme = "# x\n<details>no</details>\n## Hints\n\n<details>\n\
                      <summary>Hint 1: begin</summary>\n\nDo *it*.\n\n\
                      </details>\n";
        assert_eq!(hints(readme), ["Hint 1: begin\n\nDo *it*."]);
    }

    #[test]
    fn each_exercise_has_three() {
        for task in task::exercises() {
            let readme = Tree::open().read(&task.text()).unwrap();
            let hints = hints(&readme);
            assert_eq!(hints.len(), 3, "{}", task.name());
            for (nth, hint) in hints.iter().enumerate() {
                let begin = format!("Hint {}: ", nth + 1);
                assert!(hint.starts_with(&begin), "{hint}");
            }
        }
    }
}
