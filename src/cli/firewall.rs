//! `meshstream firewall`.

use clap::Args;
use listener::Device;

use crate::config::Config;
use crate::firewall::nftables;
use crate::output::print;

#[derive(Debug, Args)]
pub(super) struct Firewall {
    /// Refuse all but the node, SSH and ICMP on this device, such as the TUN of an overlay; may be repeated
    #[arg(long, value_name = "DEVICE")]
    close: Vec<Device>,
}

pub(super) fn run(config: &Config, firewall: &Firewall) -> anyhow::Result<()> {
    let file = nftables(config, &firewall.close)?;
    print(|out| out.write_all(file.as_bytes()))
}
