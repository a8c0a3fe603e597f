//! How many files the node may have open at once: each connection is one.

/// What a node opens besides its web server's connections: peers over IPFS and SSB, blocks, databases.
const OTHERS: u64 = 1_024;

/// Raises the soft limit of this process as far as it may go without rights, and says what to do where that is too low for so many
/// connections of the web server.
pub(crate) fn raise_limit(connections: usize) -> Option<String> {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => {
            let advice = too_low(limit, connections);
            if let Some(advice) = &advice {
                tracing::warn!(advice, "few files may be open at once");
            }
            advice
        }
        Err(error) => {
            tracing::warn!(%error, "the number of files that may be open is not known");
            None
        }
    }
}

fn too_low(limit: u64, connections: usize) -> Option<String> {
    let needed = OTHERS.saturating_add(connections as u64);
    (limit < needed).then(|| {
        format!(
            "only {limit} files may be open at once, and this node may need {needed}: raise the limit ('LimitNOFILE=' of its systemd unit, \
             'ulimit -Hn' in a shell), or lower web.max_connections and web.max_sockets"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_what_may_be_needed_is_told_with_what_to_do() {
        assert_eq!(too_low(2_560, 1_536), None);
        let told = too_low(1_024, 1_536).unwrap();
        assert!(told.contains("only 1024 files") && told.contains("2560") && told.contains("LimitNOFILE="), "{told}");
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        raise_limit(0);
        let (soft, hard) = rlimit::Resource::NOFILE.get().unwrap();
        assert_eq!(soft, hard);
    }
}
