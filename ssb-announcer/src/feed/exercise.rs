//! One way through all that a peer's bytes meet, for fuzzing and for replaying its corpus.

use std::sync::Arc;

use super::store::FeedStore;
use super::{MAX_RAW_BYTES, Rejected, message, remote};
use crate::announcement::Announcement;
use crate::announcement::content::KINDS;
use crate::identity::Identity;
use crate::social::SocialIndex;
use crate::social::content::{ABOUT, POST, Social, VOTE};

/// Offers `input` to a store in memory as the lines of a backlog, and reads each line as the content of every kind of
/// announcement, post, name and vote. The authors in it are wanted, so that all checks are reached.
///
/// # Panics
/// Where validation panics, or answers what it must not: this is what fuzzing looks for.
pub fn exercise(input: &[u8]) {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').take(super::MAX_BATCH).collect();
    let store = FeedStore::in_memory(Identity::from_seed(&[0; 32]).id(), vec![Arc::new(SocialIndex)])
        .expect("memory needs no disk");
    for line in &lines {
        let Ok(parsed) = message::parse(line) else { continue };
        assert!(line.len() <= MAX_RAW_BYTES, "a message beyond the bound was parsed");
        let again = message::parse(parsed.value_json.as_bytes());
        assert_eq!(again.as_ref(), Ok(&parsed), "what is stored reads back as the same message");
        store.want_peer(parsed.author);
        for kind in KINDS {
            let _any_answer_will_do = Announcement::parse(kind, &parsed.value_json);
        }
        for kind in [POST, ABOUT, VOTE] {
            let _any_answer_will_do = Social::parse(kind, &parsed.value_json);
        }
    }
    let answers = store.append_remote_blocking(&lines).expect("memory does not fail");
    for answer in answers {
        match answer {
            Ok(appended) => assert!(store.clock(&appended.author) >= appended.sequence),
            Err(Rejected::Malformed(problem)) => assert_ne!(problem, remote::PANICKED),
            Err(_) => {}
        }
    }
}
