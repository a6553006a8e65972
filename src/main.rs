//! The `exstreamd` program. Its commands come with the command line.

fn main() {}
