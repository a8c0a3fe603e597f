//! Meshstream: live video over a wireless mesh with no Internet. See ARCHITECTURE.md for the way of the data.

mod admin_token;
mod backup;
mod cameras;
mod cli;
mod community;
mod config;
mod control;
mod data_dir;
mod demo;
mod doctor;
mod durable;
mod failure;
mod firewall;
mod first_boot;
mod gauges;
mod host_lock;
mod in_effect;
mod links;
mod local_name;
mod log_book;
mod moderation;
mod node;
mod open_files;
mod output;
mod overlays;
mod parts;
mod picture;
mod portal;
mod service_manager;
mod settings;
mod setup;
mod status;
mod upgrade;
mod web;
mod web_address;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match cli::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
