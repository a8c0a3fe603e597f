//! The server's side of the RTMP handshake (Adobe RTMP 1.0, §5.2): C0 and C1 in, S0, S1 and S2 out, C2 in.
//!
//! Clients that offer the undocumented digest form (a version other than 0 in C1) are answered in the simple form
//! as well, which all of them accept. For the same reason C2 is awaited but not compared.

use super::SessionError;

/// The only version there is (§5.2.2).
const VERSION: u8 = 3;

/// Length of C1, C2, S1 and S2 (§5.2.3, §5.2.4).
pub(super) const PACKET: usize = 1536;

/// Random bytes of S1: what is left of it after two times of four bytes.
pub const S1_RANDOM: usize = PACKET - 8;

#[derive(Debug)]
pub(super) struct Handshake {
    /// C0 and C1 as far as they arrived.
    received: Vec<u8>,
    /// Bytes of C2 that are still to come, once C1 is complete.
    awaited: Option<usize>,
    s1_random: Box<[u8; S1_RANDOM]>,
}

impl Handshake {
    pub(super) fn new(s1_random: &[u8; S1_RANDOM]) -> Self {
        Self { received: Vec::new(), awaited: None, s1_random: Box::new(*s1_random) }
    }

    /// Takes what belongs to the handshake from the front of `input`. True once it is complete.
    pub(super) fn handle(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, SessionError> {
        let awaited = match self.awaited {
            Some(awaited) => awaited,
            None => {
                let taken = input.len().min(1 + PACKET - self.received.len());
                let (head, rest) = input.split_at(taken);
                self.received.extend_from_slice(head);
                *input = rest;
                match self.received.first() {
                    Some(&VERSION) | None => {}
                    Some(&other) => return Err(SessionError::Version(other)),
                }
                if self.received.len() < 1 + PACKET {
                    return Ok(false);
                }
                self.answer(output);
                PACKET
            }
        };
        let taken = input.len().min(awaited);
        *input = input.get(taken..).unwrap_or_default();
        self.awaited = Some(awaited - taken);
        Ok(awaited == taken)
    }

    fn answer(&mut self, output: &mut Vec<u8>) {
        let c1 = self.received.split_off(1);
        self.received = Vec::new();
        output.push(VERSION);
        // S1: our time, which starts at 0 here, four zeros, random bytes.
        output.extend_from_slice(&[0; 8]);
        output.extend_from_slice(self.s1_random.as_slice());
        // S2: C1 echoed. Its second time field, when C1 was read, stays what it is: no client looks at it, and some
        // compare the whole packet.
        output.extend_from_slice(&c1);
    }

    /// Bytes held.
    pub(super) fn buffered(&self) -> usize {
        self.received.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend((0..PACKET).map(|index| index as u8));
        bytes
    }

    #[test]
    fn the_answer_echoes_c1_and_the_handshake_ends_with_c2() {
        let random = [7; S1_RANDOM];
        for step in [1, 7, 1536, 4096] {
            let mut handshake = Handshake::new(&random);
            let mut sent = hello();
            sent.extend([0; PACKET]);
            sent.extend(b"rest");
            let (mut output, mut rest, mut done) = (Vec::new(), Vec::new(), false);
            for piece in sent.chunks(step) {
                let mut piece = piece;
                done = done || handshake.handle(&mut piece, &mut output).unwrap();
                rest.extend_from_slice(piece);
            }
            assert!(done);
            assert_eq!(rest, b"rest");
            assert_eq!(output.len(), 1 + 2 * PACKET);
            assert_eq!(output[0], VERSION);
            assert_eq!(output[1..9], [0; 8]);
            assert_eq!(output[9..=PACKET], random);
            assert_eq!(output[1 + PACKET..], hello()[1..]);
        }
    }

    #[test]
    fn another_version_is_refused_at_its_first_byte() {
        for version in [0, 6, b'G'] {
            let result = Handshake::new(&[0; S1_RANDOM]).handle(&mut [version].as_slice(), &mut Vec::new());
            assert!(matches!(result, Err(SessionError::Version(refused)) if refused == version));
        }
    }
}
