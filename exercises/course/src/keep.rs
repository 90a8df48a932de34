//! Takes a student's work away without losing it.

use std::fs;
use std::io;

use chrono::Local;
use first_socket::errors::Error;

use crate::task::Task;
use crate::tree::{Tree, failed};

/// Where it is kept.
pub const KEPT: &str = ".course/kept";

/// How often work can be taken away within one second.
const MOST_KEPT: usize = 100;

/// What else the student has put beside the starter.
pub fn others(tree: &Tree, task: Task) -> Vec<String> {
    let mut names = own_files(tree, task);
    names.retain(|name| !task.file().ends_with(&format!("/{name}")));
    names
}

/// The names of what belongs to a task, in its folder.
fn own_files(tree: &Tree, task: Task) -> Vec<String> {
    let Ok(entries) = fs::read_dir(tree.path(&task.folder())) else {
        return Vec::new();
    };
    let names =
        entries.flatten().filter_map(|it| it.file_name().into_string().ok());
    names.filter(|name| task.owns(name)).collect()
}

/// Moves what the student has written into a folder with the date; returns
/// which.
///
/// # Errors
/// When the disk fails.
pub fn keep(tree: &Tree, task: Task) -> Result<Option<String>, Error> {
    let names = own_files(tree, task);
    if names.is_empty() {
        return Ok(None);
    }
    let kept = new_folder(tree, task)?;
    for name in names {
        let to = format!("{kept}/{name}");
        fs::rename(tree.path(&task.folder()).join(name), tree.path(&to))
            .map_err(|error| failed(&to, &error))?;
    }
    Ok(Some(kept))
}

fn new_folder(tree: &Tree, task: Task) -> Result<String, Error> {
    let now = Local::now().format("%Y-%m-%d_%H-%M-%S");
    let first = format!("{KEPT}/{now}_{}", task.name());
    let made = fs::create_dir_all(tree.path(KEPT));
    made.map_err(|error| failed(KEPT, &error))?;
    let mut folder = first.clone();
    for nth in 2..MOST_KEPT {
        match fs::create_dir(tree.path(&folder)) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                folder = format!("{first}-{nth}");
            }
            Err(error) => return Err(failed(&folder, &error)),
        }
    }
    Err(failed(&folder, &io::ErrorKind::AlreadyExists.into()))
}
