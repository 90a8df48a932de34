//! Climbs the ladder of rungs in README.md with the program in `src/`.

fn main() -> std::process::ExitCode {
    checks::main(&checks::FREE_PORT, env!("CARGO_BIN_EXE_ex01"))
}
