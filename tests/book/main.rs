//! The book keeps its promises, and nothing that mdBook passes over in
//! silence is wrong. From the bottom:
//!
//! - `course` is the course, or a copy to break; `page` takes a page apart;
//! - `includes`, `lines`: each line of the programs is shown and explained;
//! - `links`: each link leads somewhere;
//! - `outputs`: each output is a transcript or a recording;
//! - `typed`: programs that stand on a page alone compile;
//! - `budget`: no page is too long, and the reader types soon;
//! - `lessons`, `pictures`, `places`, `questions`, `road`, `rungs`: the parts
//!   of a page are there, and agree with what stands elsewhere.
//!
//! A check returns its complaints. Beside each stands a test that breaks a
//! copy of the course, and hears the complaint.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test and its helpers stop at the first surprise"
)]

mod budget;
mod course;
mod includes;
mod lessons;
mod lines;
mod links;
mod outputs;
mod page;
mod pictures;
mod places;
mod questions;
mod road;
mod rungs;
mod typed;

/// The pages of the lessons, and the files that each shows and explains, in
/// its order.
const LESSONS: [(&str, &[&str]); 5] = [
    ("01_bind_listen", &["lessons/01_first.rs", "lessons/01_bind_listen.rs"]),
    (
        "02_accept_send_close",
        &[
            "lessons/02_first.rs",
            "lessons/02_accept_send_close.rs",
            "src/linger.rs",
            "lessons/02_client.rs",
        ],
    ),
    (
        "03_threads",
        &[
            "lessons/03_first.rs",
            "lessons/03_threads.rs",
            "src/server.rs",
            "src/connection.rs",
            "lessons/03_client.rs",
        ],
    ),
    (
        "04_length_prefix",
        &[
            "lessons/04_first.rs",
            "src/message.rs",
            "src/connection.rs",
            "lessons/04_length_prefix.rs",
            "lessons/04_client.rs",
        ],
    ),
    (
        "05_file_transfer",
        &[
            "lessons/05_first.rs",
            "lessons/05_file_transfer.rs",
            "src/files.rs",
            "lessons/05_client.rs",
        ],
    ),
];

/// The pages by topic, for whoever wants to know more.
const IN_DEPTH: [&str; 9] = [
    "queue",
    "closing",
    "ctrl_c",
    "accept_fails",
    "thread_cost",
    "deadlines",
    "bytes",
    "names_disks",
    "platforms",
];

/// The page of the client that they all have to bear.
const STRANGER: (&str, &[&str]) = ("stranger", &["lessons/stranger.rs"]);

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
