//! What the owner's pages ask and have done, beyond what every visitor sees.

use std::fmt;
use std::sync::Arc;

use stream_model::{
    ArchiveKeeper, Cameras, CommunityMembership, KeepPolicies, LogBook, Moderation, Programme, Releases, Settings,
    StreamKeys,
};

/// Where the answers to the owner come from, besides [`Ports`](crate::Ports).
#[derive(Clone)]
pub struct OwnerPorts {
    /// The stream keys.
    pub keys: Arc<dyn StreamKeys>,
    /// Titles, plans and ends of this node's broadcasts.
    pub programme: Arc<dyn Programme>,
    /// How long broadcasts stay.
    pub policies: Arc<dyn KeepPolicies>,
    /// What is mirrored, republished and withdrawn.
    pub keeper: Arc<dyn ArchiveKeeper>,
    /// What is not shown on this node.
    pub moderation: Arc<dyn Moderation>,
    /// What can be set from the pages.
    pub settings: Arc<dyn Settings>,
    /// The last lines of the log.
    pub log_book: Arc<dyn LogBook>,
    /// The cameras of the node's machine; `None` where the program was built without them.
    pub cameras: Option<Arc<dyn Cameras>>,
    /// Releases of the program.
    pub releases: Arc<dyn Releases>,
    /// The community that the node is in.
    pub community: CommunityMembership,
}

impl fmt::Debug for OwnerPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerPorts").finish_non_exhaustive()
    }
}
