//! Server-sent events: the `data` of each event, in order.

use crate::lines::{LineBuffer, LineTooLong};

/// Decodes an event stream that is cut anywhere. Comments, ids, names and retry hints are read over: chat streams use
/// them only to keep the connection alive.
pub(crate) struct SseDecoder {
    lines: LineBuffer,
    data: Vec<u8>,
    has_data: bool,
    at_start: bool,
    limit: usize,
}

impl SseDecoder {
    /// A decoder that refuses lines and events beyond `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { lines: LineBuffer::new(limit), data: Vec::new(), has_data: false, at_start: true, limit }
    }

    /// Adds what arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// The data of the next complete event.
    pub(crate) fn next_event(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        while let Some(line) = self.lines.next_line()? {
            let line = match std::mem::take(&mut self.at_start) {
                true => line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line),
                false => line,
            };
            if line.is_empty() {
                if std::mem::take(&mut self.has_data) {
                    return Ok(Some(std::mem::take(&mut self.data)));
                }
            } else if let Some(data) = data_of(line) {
                append(&mut self.data, &mut self.has_data, data);
                if self.data.len() > self.limit {
                    return Err(LineTooLong);
                }
            }
        }
        Ok(None)
    }

    /// At the end of the stream: an event whose closing blank line is missing. The standard drops it; some servers
    /// close the connection right behind their last line.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        if let Some(data) = data_of(self.lines.rest()) {
            append(&mut self.data, &mut self.has_data, data);
        }
        self.has_data.then_some(self.data)
    }
}

/// The value of a `data` line.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data")?;
    match value.split_first() {
        None => Some(value),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}

fn append(data: &mut Vec<u8>, has_data: &mut bool, line: &[u8]) {
    if std::mem::replace(has_data, true) {
        data.push(b'\n');
    }
    data.extend_from_slice(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let mut decoder = SseDecoder::new(1000);
        let mut events = Vec::new();
        for chunk in chunks {
            decoder.push(chunk);
            while let Some(event) = decoder.next_event().unwrap() {
                events.push(String::from_utf8(event).unwrap());
            }
        }
        events.extend(decoder.finish().map(|event| String::from_utf8(event).unwrap()));
        events
    }

    #[test]
    fn the_forms_of_an_event() {
        for (text, expected) in [
            ("data: a\n\ndata: b\n\n", vec!["a", "b"]),
            ("data:a\r\n\r\ndata:  b\r\n\r\n", vec!["a", " b"]),
            ("\u{feff}data: a\r\rdata: b\r\r", vec!["a", "b"]),
            (": keep-alive\n\nevent: x\nid: 7\nretry: 10\ndata: a\n: more\n\n", vec!["a"]),
            ("data: {\ndata: }\n\n", vec!["{\n}"]),
            ("data\n\ndatum: no\n\n\n\n", vec![""]),
            ("data: a\n\ndata: [DONE]", vec!["a", "[DONE]"]),
            ("", vec![]),
        ] {
            assert_eq!(events(&[text.as_bytes()]), expected, "{text:?}");
        }
    }

    #[test]
    fn cut_at_every_byte() {
        let text = "data: {\"a\":\"é\u{1f980}\"}\r\n\r\n: ping\r\n\r\ndata: one\r\ndata: two\r\n\r\n".as_bytes();
        for cut in 0..=text.len() {
            assert_eq!(events(&[&text[..cut], &text[cut..]]), ["{\"a\":\"é\u{1f980}\"}", "one\ntwo"], "cut at {cut}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(events(&single), ["{\"a\":\"é\u{1f980}\"}", "one\ntwo"]);
    }

    #[test]
    fn events_are_bounded() {
        let mut decoder = SseDecoder::new(100);
        for _ in 0..20 {
            decoder.push(b"data: 0123456789\n");
        }
        assert_eq!(decoder.next_event(), Err(LineTooLong));
    }
}
