//! Nothing: the programs are in `src/bin`, once `cargo course start` has put
//! one there.
