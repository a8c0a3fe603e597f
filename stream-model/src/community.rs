//! The community that a node is in, as its owner may see it.

use std::fmt;

/// A community of nodes.
#[derive(Clone, PartialEq, Eq)]
pub struct CommunityMembership {
    /// What names it in public; `open` for the one that everybody is in.
    pub name: String,
    /// What lets another node join, where the community is a private one. Whoever knows it is in, and it cannot be taken back.
    pub invite: Option<String>,
}

impl fmt::Debug for CommunityMembership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invite = self.invite.as_ref().map(|_| "redacted");
        f.debug_struct("CommunityMembership").field("name", &self.name).field("invite", &invite).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_is_not_printed() {
        let membership = CommunityMembership { name: "roofs".to_owned(), invite: Some("secret words".to_owned()) };
        let printed = format!("{membership:?}");
        assert!(printed.contains("roofs") && !printed.contains("secret"), "{printed}");
    }
}
