//! What is read, what is refused and why, and what is put on air.

mod content;
mod reading;
mod running;
