//! What Yggdrasil's admin socket is asked and answers: JSON objects, of versions 0.4 and 0.5. No I/O.

use std::net::Ipv6Addr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::address;
use crate::overlay::Neighbour;

/// Longest answer that is read: a neighbour takes about 400 bytes, and 0.5 lists each twice.
pub(super) const MAX_ANSWER: usize = 256 << 10;

pub(super) const GET_SELF: &[u8] = b"{\"request\":\"getself\"}\n";
pub(super) const GET_PEERS: &[u8] = b"{\"request\":\"getpeers\"}\n";

/// An answer that tells nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    Refused(String),
}

#[derive(Deserialize)]
struct Answer<T> {
    status: String,
    #[serde(default)]
    error: Option<String>,
    response: Option<T>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OwnAnswer {
    key: String,
}

impl OwnAnswer {
    pub(super) fn own(&self) -> Option<Ipv6Addr> {
        address::of_public_key(&self.key)
    }
}

/// A link to a neighbour. 0.5 lists those that are configured and down, too, without a key.
#[derive(Debug, Deserialize)]
struct Peer {
    #[serde(default)]
    key: String,
    /// 0.4 lists only links that are up.
    #[serde(default = "yes")]
    up: bool,
    /// Nanoseconds; 0.4 does not measure.
    #[serde(default)]
    latency: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PeersAnswer {
    #[serde(default)]
    peers: Option<Vec<Peer>>,
}

impl PeersAnswer {
    pub(super) fn neighbours(&self) -> impl Iterator<Item = Neighbour> {
        self.peers.iter().flatten().filter_map(|peer| {
            let latency = peer.latency.filter(|latency| *latency > 0).map(Duration::from_nanos);
            Some(Neighbour { address: address::of_public_key(&peer.key)?, up: peer.up, latency })
        })
    }
}

fn yes() -> bool {
    true
}

/// Reads the answer at the start of what has arrived; `None` while it is not complete.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<Result<T, AnswerError>> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Answer<T>>();
    match values.next()? {
        Ok(Answer { status, response: Some(response), .. }) if status == "success" => Some(Ok(response)),
        Ok(Answer { error, .. }) => {
            let error = error.unwrap_or_else(|| "an answer without content".into());
            Some(Err(AnswerError::Refused(error.chars().take(200).collect())))
        }
        Err(error) if error.is_eof() => None,
        Err(error) => Some(Err(AnswerError::Malformed(error.to_string().chars().take(200).collect()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Answers of the daemons (`captures/README.md`).
    macro_rules! capture {
        ($name:literal) => {
            include_bytes!(concat!("captures/", $name, ".json")).as_slice()
        };
    }

    fn read<T: DeserializeOwned>(bytes: &[u8]) -> T {
        parse(bytes).unwrap().unwrap()
    }

    fn neighbours(bytes: &[u8]) -> Vec<(String, bool, Option<u128>)> {
        let answer: PeersAnswer = read(bytes);
        let neighbours = answer.neighbours();
        let millis = |neighbour: Neighbour| neighbour.latency.map(|latency| latency.as_micros());
        neighbours.map(|neighbour| (neighbour.address.to_string(), neighbour.up, millis(neighbour))).collect()
    }

    #[test]
    fn both_versions_tell_the_own_address() {
        for (bytes, own) in [
            (capture!("0.4.7/getSelf"), "201:d98f:b215:7e95:5712:d8b8:8926:2613"),
            (capture!("0.5.12/getSelf"), "200:4bd2:89ef:e490:79d0:6329:b2:780a"),
        ] {
            assert_eq!(read::<OwnAnswer>(bytes).own(), own.parse().ok());
        }
    }

    #[test]
    fn both_versions_tell_the_neighbours() {
        let (a, b) = ("201:9b:c41d:fd1b:80b0:b903:39aa:e15", "201:3e43:2833:21d3:b1e4:12c3:a9d3:aff");
        assert_eq!(neighbours(capture!("0.4.7/getPeers")), [(a.into(), true, None), (b.into(), true, None)]);
        let (a, b) = ("201:a60f:6d57:6c9c:626c:dd89:dfb4:595b", "201:7a96:1662:4986:28b:85dc:8514:83d5");
        let link = |address: &str, micros| (address.to_owned(), true, Some(micros));
        let listed = [link(a, 6050), link(b, 5550), link(a, 6370), link(b, 2830)];
        assert_eq!(neighbours(capture!("0.5.12/getPeers")), listed);
    }

    #[test]
    fn a_link_that_is_down_is_not_up() {
        let text = String::from_utf8(capture!("0.5.12/getPeers").to_vec()).unwrap();
        let down = text.replace("\"up\": true", "\"up\": false");
        assert!(neighbours(down.as_bytes()).iter().all(|(_, up, _)| !up));
        let keyless = br#"{"status":"success","response":{"peers":[{"remote":"tls://10.0.0.2:1","up":false}]}}"#;
        assert_eq!(neighbours(keyless), []);
        assert_eq!(neighbours(br#"{"status":"success","response":{"peers":null}}"#), []);
    }

    #[test]
    fn a_refusal_is_told_and_half_an_answer_waited_for() {
        for bytes in [capture!("0.4.7/nosuch"), capture!("0.5.12/nosuch")] {
            let refused = parse::<OwnAnswer>(bytes).unwrap().unwrap_err();
            assert_eq!(refused, AnswerError::Refused("Unknown action 'nosuch', try 'list' for help".into()));
        }
        let whole = capture!("0.5.12/getPeers");
        for length in [0, 1, 100, whole.len() - 3] {
            assert!(parse::<PeersAnswer>(&whole[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn hostile_answers_are_refused() {
        let deep = format!(r#"{{"status":"success","response":{}"#, "[".repeat(5000));
        for text in ["[]", "x", r#"{"status":5}"#, r#"{"status":"success","response":{"key":5}}"#, &deep] {
            assert!(matches!(parse::<OwnAnswer>(text.as_bytes()), Some(Err(AnswerError::Malformed(_)))), "{text:.60}");
        }
        let strange = r#"{"status":"success","response":{"key":"ff"}}"#;
        assert_eq!(read::<OwnAnswer>(strange.as_bytes()).own(), None);
    }

    proptest! {
        #[test]
        fn no_answer_panics(text in ".{0,200}", at in 0..2000_usize, byte: u8) {
            let _ = parse::<PeersAnswer>(text.as_bytes());
            let mut damaged = capture!("0.5.12/getPeers").to_vec();
            if let Some(place) = damaged.get_mut(at) {
                *place = byte;
            }
            if let Some(Ok(answer)) = parse::<PeersAnswer>(&damaged) {
                answer.neighbours().for_each(drop);
            }
        }
    }
}
