//! Why a message of somebody else is not stored.

use stream_model::{FeedId, FeedSequence};

/// Why a message was not stored. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// More than 8192 UTF-16 units in its signed encoding, or more bytes on the wire than those can take.
    #[error("message is larger than 8192 characters")]
    TooLarge,
    /// Arrays and objects nested more than 64 deep.
    #[error("message is nested too deep")]
    TooDeep,
    /// Not a message in the form of the SSB protocol guide.
    #[error("not a valid message: {0}")]
    Malformed(String),
    /// Not signed by its author.
    #[error("signature of {author} #{sequence} is not its author's")]
    BadSignature {
        /// Who is said to have written it.
        author: FeedId,
        /// Its number.
        sequence: FeedSequence,
    },
    /// Messages before it are missing.
    #[error("message #{sequence} of {author} came while #{expected} was expected")]
    Gap {
        /// Whose message.
        author: FeedId,
        /// Its number.
        sequence: FeedSequence,
        /// The number that would have been stored.
        expected: FeedSequence,
    },
    /// It is here already.
    #[error("message #{sequence} of {author} is stored already")]
    AlreadyStored {
        /// Whose message.
        author: FeedId,
        /// Its number.
        sequence: FeedSequence,
    },
    /// Its author signed two messages with the same number, or on different predecessors.
    #[error("feed {author} is forked at #{sequence}")]
    Forked {
        /// Whose feed.
        author: FeedId,
        /// Where.
        sequence: FeedSequence,
    },
    /// Its feed is not replicated here.
    #[error("feed {0} is not wanted here")]
    Unwanted(FeedId),
    /// Its feed was dropped here for good.
    #[error("feed {0} is over and was dropped here")]
    Dropped(FeedId),
    /// Its feed grows faster than is taken of one.
    #[error("feed {0} has exceeded its quota; more of it is taken later")]
    OverQuota(FeedId),
    /// The disk has no room for messages of others.
    #[error("there is no room on the disk for feed {0}; more of it is taken when there is")]
    DiskFull(FeedId),
    /// The feed has as many messages as are kept of one.
    #[error("feed {0} has reached the number of messages kept of one feed")]
    FeedFull(FeedId),
    /// A message of a broadcast feed that this run writes, which this node does not have: nobody else is to have the secret.
    #[error("message #{sequence} of this node's own broadcast feed {author} is not in its store")]
    OwnFeedAhead {
        /// The own broadcast feed.
        author: FeedId,
        /// The number of the message.
        sequence: FeedSequence,
    },
}

impl Rejected {
    /// Whether an honest peer can send this. What an honest peer cannot send is a reason to drop the peer; a forked
    /// feed is the author's fault, not that of the peer who relays it.
    pub fn is_harmless(&self) -> bool {
        match self {
            Self::TooLarge | Self::TooDeep | Self::Malformed(_) | Self::BadSignature { .. } => false,
            Self::Gap { .. }
            | Self::AlreadyStored { .. }
            | Self::Forked { .. }
            | Self::Unwanted(_)
            | Self::Dropped(_)
            | Self::OverQuota(_)
            | Self::DiskFull(_)
            | Self::FeedFull(_)
            | Self::OwnFeedAhead { .. } => true,
        }
    }

    /// A short word for metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::Malformed(_) => "malformed",
            Self::BadSignature { .. } => "bad_signature",
            Self::Gap { .. } => "gap",
            Self::AlreadyStored { .. } => "already_stored",
            Self::Forked { .. } => "forked",
            Self::Unwanted(_) => "unwanted",
            Self::Dropped(_) => "dropped",
            Self::OverQuota(_) => "over_quota",
            Self::DiskFull(_) => "disk_full",
            Self::FeedFull(_) => "feed_full",
            Self::OwnFeedAhead { .. } => "own_feed_ahead",
        }
    }
}
