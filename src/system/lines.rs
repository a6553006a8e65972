//! Lines of text from a child: any bytes, bounded in length.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longer lines are cut here.
pub const MAX_LINE_BYTES: usize = 1024;

const CHUNK_BYTES: usize = 2048;

/// Reads lines from `R`. Ends at `\n` and `\r` alike (progress displays use the latter), skips empty
/// lines, replaces what is not UTF-8 and drops what a line has beyond [`MAX_LINE_BYTES`].
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    chunk: Box<[u8]>,
    /// The unread part of `chunk`.
    unread: std::ops::Range<usize>,
    line: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of `reader`.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            unread: 0..0,
            line: Vec::new(),
            ended: false,
        }
    }

    /// The next line; `None` at the end or when reading failed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.take_line() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            match self.reader.read(&mut self.chunk).await {
                Ok(n) if n > 0 => self.unread = 0..n,
                _ => self.ended = true,
            }
        }
    }

    fn take_line(&mut self) -> Option<String> {
        loop {
            let rest = self.chunk.get(self.unread.clone()).unwrap_or_default();
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let room = MAX_LINE_BYTES
                .saturating_sub(self.line.len())
                .min(part.len());
            self.line
                .extend_from_slice(part.get(..room).unwrap_or_default());
            match end {
                Some(end) => self.unread.start += end + 1,
                None => self.unread = 0..0,
            }
            let complete = end.is_some() || self.ended;
            if complete && !self.line.is_empty() {
                let line = String::from_utf8_lossy(&self.line).into_owned();
                self.line.clear();
                return Some(line);
            }
            end?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(bytes);
        let mut out = Vec::new();
        while let Some(line) = lines.next().await {
            out.push(line);
        }
        out
    }

    #[tokio::test]
    async fn lines_end_at_newlines_and_carriage_returns_and_need_not_be_text() {
        assert_eq!(all(b"a\n\r\nb\rc").await, ["a", "b", "c"]);
        assert_eq!(all(b"\xff film\n").await, ["\u{fffd} film"]);
        assert!(all(b"\n\n").await.is_empty());
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_and_costs_no_memory() {
        let mut bytes = vec![b'x'; 100_000];
        bytes.extend(b"\nnext");
        let lines = all(&bytes).await;
        assert_eq!(lines[0].len(), MAX_LINE_BYTES);
        assert_eq!(lines[1], "next");
    }
}
