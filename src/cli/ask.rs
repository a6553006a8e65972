//! Questions to the person at the terminal.

use std::io::{self, BufRead as _};

use super::output::Output;
use crate::error::{Error, Result};

/// Asks; an empty answer means yes.
pub(super) fn yes(output: &mut Output, question: &str) -> Result<bool> {
    output.text(&format!("{question} [Y/n] "))?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    let length = read.map_err(|e| Error::io("reading the answer", e))?;
    // The end of the input is not a yes.
    Ok(length > 0 && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"))
}
