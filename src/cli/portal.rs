//! `meshstream portal`.

use std::net::Ipv4Addr;

use clap::Args;
use listener::Device;

use crate::config::Config;
use crate::output::print;
use crate::portal::{AccessPoint, Part, everything, file};

#[derive(Debug, Args)]
pub(super) struct Portal {
    /// The network device of the access point
    #[arg(long, value_name = "DEVICE", default_value = "wlan0")]
    device: Device,

    /// This node's address on it
    #[arg(long, value_name = "ADDRESS", default_value = "10.0.0.1")]
    address: Ipv4Addr,

    /// Only one file, as the program of that name reads it
    #[arg(long, value_name = "PROGRAM")]
    only: Option<Part>,
}

pub(super) fn run(config: &Config, options: &Portal) -> anyhow::Result<()> {
    let point = AccessPoint { device: options.device.to_string(), address: options.address };
    let text = match options.only {
        Some(part) => file(config, &point, part),
        None => everything(config, &point),
    };
    print(|out| out.write_all(text.as_bytes()))
}
