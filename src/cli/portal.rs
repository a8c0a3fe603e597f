//! `meshstream portal`.

use std::net::Ipv4Addr;

use clap::Args;
use listener::Device;

use crate::config::Config;
use crate::output::print;
use crate::portal::{AccessPoint, settings};

#[derive(Debug, Args)]
pub(super) struct Portal {
    /// The network device of the access point
    #[arg(long, value_name = "DEVICE", default_value = "wlan0")]
    device: Device,

    /// This node's address on it
    #[arg(long, value_name = "ADDRESS", default_value = "10.0.0.1")]
    address: Ipv4Addr,
}

pub(super) fn run(config: &Config, options: &Portal) -> anyhow::Result<()> {
    let text = settings(config, &AccessPoint { device: options.device.to_string(), address: options.address });
    print(|out| out.write_all(text.as_bytes()))
}
