//! `sqlx::migrate!` puts the migrations into the binary, and cargo does not know that it read them.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
