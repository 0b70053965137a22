//! Where the messages of a ZMTP 3 byte stream begin and end. The ZeroMQ library reserves what a frame claims to hold, so a
//! claim beyond the bound has to be seen before the library sees it.

/// The greeting that comes before the first frame.
const GREETING: u64 = 64;
const MORE: u8 = 0b001;
const LONG: u8 = 0b010;
const COMMAND: u8 = 0b100;

/// A message beyond the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of at least {claimed} bytes, {limit} are allowed")]
pub struct TooLarge {
    claimed: u64,
    limit: u64,
}

enum State {
    Greeting { left: u64 },
    Flags,
    Length { flags: u8, left: u8, length: u64 },
    Body { flags: u8, left: u64 },
}

/// Follows a byte stream.
pub struct Walker {
    state: State,
    /// The bytes of the frames of the current message.
    message: u64,
    limit: u64,
}

impl Walker {
    /// At the start of a connection. `limit` bounds the bytes of one message.
    pub fn new(limit: usize) -> Self {
        Self { state: State::Greeting { left: GREETING }, message: 0, limit: limit as u64 }
    }

    /// Follows the next bytes; the number of messages that ended in them.
    pub fn advance(&mut self, mut bytes: &[u8]) -> Result<u64, TooLarge> {
        let mut ended = 0;
        while let Some((first, rest)) = bytes.split_first() {
            self.state = match self.state {
                State::Greeting { left } => {
                    let left = left - skip(&mut bytes, left);
                    if left == 0 { State::Flags } else { State::Greeting { left } }
                }
                State::Flags => {
                    bytes = rest;
                    State::Length { flags: *first, left: if first & LONG != 0 { 8 } else { 1 }, length: 0 }
                }
                State::Length { flags, left, length } => {
                    bytes = rest;
                    let length = length << 8 | u64::from(*first);
                    match left {
                        1 => self.body(flags, length, &mut ended)?,
                        _ => State::Length { flags, left: left - 1, length },
                    }
                }
                State::Body { flags, left } => match left - skip(&mut bytes, left) {
                    0 => self.end(flags, &mut ended),
                    left => State::Body { flags, left },
                },
            };
        }
        Ok(ended)
    }

    fn body(&mut self, flags: u8, length: u64, ended: &mut u64) -> Result<State, TooLarge> {
        self.message = self.message.saturating_add(length);
        if self.message > self.limit {
            return Err(TooLarge { claimed: self.message, limit: self.limit });
        }
        Ok(if length == 0 { self.end(flags, ended) } else { State::Body { flags, left: length } })
    }

    fn end(&mut self, flags: u8, ended: &mut u64) -> State {
        if flags & MORE == 0 {
            self.message = 0;
            *ended += u64::from(flags & COMMAND == 0);
        }
        State::Flags
    }
}

/// Drops up to `most` bytes from the front; how many it were.
fn skip(bytes: &mut &[u8], most: u64) -> u64 {
    let count = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
    *bytes = &bytes[count..];
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![flags];
        match flags & LONG {
            0 => bytes.push(body.len() as u8),
            _ => bytes.extend((body.len() as u64).to_be_bytes()),
        }
        bytes.extend(body);
        bytes
    }

    #[test]
    fn messages_are_counted_however_the_bytes_arrive() {
        let mut stream = vec![0xff; 64];
        stream.extend(frame(COMMAND, b"\x05READY"));
        stream.extend(frame(MORE, b"a"));
        stream.extend(frame(MORE, b""));
        stream.extend(frame(LONG, &[7; 300]));
        stream.extend(frame(0, b""));
        for step in [1, 2, 7, 64, 1000] {
            let mut walker = Walker::new(1000);
            let ended: u64 = stream.chunks(step).map(|bytes| walker.advance(bytes).unwrap()).sum();
            assert_eq!(ended, 2, "in steps of {step}");
        }
    }

    #[test]
    fn a_claim_beyond_the_bound_is_seen_before_the_body() {
        let mut walker = Walker::new(1000);
        walker.advance(&[0xff; 64]).unwrap();
        walker.advance(&frame(MORE | LONG, &[0; 600])).unwrap();
        let claim = [&[LONG][..], &(1u64 << 45).to_be_bytes()].concat();
        assert!(walker.advance(&claim).is_err());
        let mut walker = Walker::new(1000);
        walker.advance(&[0xff; 64]).unwrap();
        assert!(walker.advance(&frame(LONG, &[0; 600])).is_ok());
        assert!(walker.advance(&frame(MORE | LONG, &[0; 600])).is_ok());
        let rest = [&[LONG][..], &u64::MAX.to_be_bytes()].concat();
        assert!(walker.advance(&rest).is_err());
    }
}
