//! The compiler never comes to an end.

#![allow(long_running_const_eval)]

const NEVER: u64 = {
    let mut n = 0;
    while n < u64::MAX {
        n += 1;
    }
    n
};

fn main() {
    println!("{NEVER}");
}
