//! Lines out of a byte stream that is cut anywhere.

/// Collects bytes and gives out complete lines. `\n`, `\r\n` and `\r` end a line, wherever the chunks are cut.
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    /// Up to here the pending line is known to hold no line end, so that a long line is searched once.
    searched: usize,
    /// Up to here `bytes` has been given out.
    taken: usize,
    /// The last line ended with `\r`; a `\n` that follows belongs to it.
    skip_newline: bool,
    limit: usize,
}

/// A line is longer than is accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl LineBuffer {
    /// A buffer that refuses lines beyond `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), searched: 0, taken: 0, skip_newline: false, limit }
    }

    /// Adds what arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete line without its end, if there is one.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        if self.skip_newline && self.taken < self.bytes.len() {
            self.skip_newline = false;
            if self.bytes[self.taken] == b'\n' {
                self.taken += 1;
                self.searched = self.taken;
            }
        }
        let from = self.searched.max(self.taken);
        let Some(offset) = self.bytes[from..].iter().position(|b| matches!(b, b'\n' | b'\r')) else {
            self.searched = self.bytes.len();
            return if self.bytes.len() - self.taken > self.limit { Err(LineTooLong) } else { Ok(None) };
        };
        let (start, end) = (self.taken, from + offset);
        if end - start > self.limit {
            return Err(LineTooLong);
        }
        self.skip_newline = self.bytes[end] == b'\r';
        self.taken = end + 1;
        self.searched = self.taken;
        Ok(Some(&self.bytes[start..end]))
    }

    /// What stands behind the last line end: a line that was never finished.
    pub(crate) fn rest(&self) -> &[u8] {
        let rest = &self.bytes[self.taken..];
        if self.skip_newline { rest.strip_prefix(b"\n").unwrap_or(rest) } else { rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> (Vec<String>, String) {
        let mut buffer = LineBuffer::new(100);
        let mut lines = Vec::new();
        for chunk in chunks {
            buffer.push(chunk);
            while let Some(line) = buffer.next_line().unwrap() {
                lines.push(String::from_utf8_lossy(line).into_owned());
            }
        }
        (lines, String::from_utf8_lossy(buffer.rest()).into_owned())
    }

    #[test]
    fn lines_are_the_same_wherever_the_bytes_are_cut() {
        let text = "one\ntwö\r\n\r\nthree\rfour\n\nrest".as_bytes();
        let expected: Vec<String> = ["one", "twö", "", "three", "four", ""].map(String::from).to_vec();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let (lines, rest) = lines(&[&text[..first], &text[first..second], &text[second..]]);
                assert_eq!((lines, rest.as_str()), (expected.clone(), "rest"), "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn long_lines_are_refused_finished_or_not() {
        for text in [&[b'x'; 101][..], &[&[b'x'; 101][..], b"\n"].concat()] {
            let mut buffer = LineBuffer::new(100);
            buffer.push(text);
            assert_eq!(buffer.next_line(), Err(LineTooLong));
        }
    }
}
