//! `meshstream upgrade list`.

use std::io::{self, Write};

use bytesize::ByteSize;
use stream_model::{ReleaseEntry, ReleaseReport, ReleaseState};

use crate::cli::Output;
use crate::cli::show::{print_json, printable};
use crate::config::Config;
use crate::control::Client;
use crate::output::print;

pub(super) async fn run(config: &Config, output: Output) -> anyhow::Result<()> {
    let client = Client::require(&config.node.data_dir).await?;
    let report: ReleaseReport = client.get("/control/releases").await?;
    if output.json { print_json(&report) } else { print(|out| write(out, &report)) }
}

fn write(out: &mut dyn Write, report: &ReleaseReport) -> io::Result<()> {
    match &report.installed {
        Some(version) => writeln!(out, "Version {} is installed.", printable(version))?,
        None => {
            writeln!(out, "The program here is not installed from a package: releases are kept for other nodes only.")?
        }
    }
    match (report.trusted_keys, report.threshold) {
        (0, _) => writeln!(
            out,
            "No key is trusted, so that no release is taken: name those of your community in upgrade.trusted of the configuration file."
        )?,
        (keys, threshold) => writeln!(out, "{keys} keys are trusted, {threshold} of them have to sign.")?,
    }
    report.releases.iter().try_for_each(|release| write_release(out, release))?;
    for refused in &report.refused {
        writeln!(out, "refused, from {}: {}", refused.author, printable(&refused.reason))?;
    }
    if let Some(ready) = report.ready() {
        writeln!(out, "To install version {}: sudo meshstream upgrade install", printable(&ready.version))?;
    }
    Ok(())
}

fn write_release(out: &mut dyn Write, release: &ReleaseEntry) -> io::Result<()> {
    let state = match release.state {
        ReleaseState::Ready => "can be installed",
        ReleaseState::Awaited => "is on its way here",
        ReleaseState::OtherArchitectures => "has no package for this machine",
        ReleaseState::Installed => "is installed",
        ReleaseState::Older => "is older than what is installed",
        ReleaseState::Failed => "was tried here and failed",
        ReleaseState::NotForHere => "is kept for other nodes",
    };
    writeln!(out, "{:<16} {state}", printable(&release.version))?;
    for signer in &release.signers {
        writeln!(out, "  signed by {}", printable(signer))?;
    }
    for package in &release.packages {
        let held = if package.held { "here" } else { "not here" };
        writeln!(
            out,
            "  {:<8} {:>9}  {held:<8}  {}",
            printable(&package.architecture),
            ByteSize::b(package.bytes).to_string(),
            printable(&package.cid)
        )?;
    }
    match &release.problem {
        Some(problem) => writeln!(out, "  {}", printable(problem)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(report: &ReleaseReport) -> String {
        let mut out = Vec::new();
        write(&mut out, report).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_says_what_to_do() {
        let off = ReleaseReport::default();
        assert!(written(&off).contains("upgrade.trusted"));
        let ready = ReleaseEntry {
            version: "0.2.0-1".to_owned(),
            state: ReleaseState::Ready,
            signers: vec!["ed25519:x".to_owned()],
            packages: Vec::new(),
            problem: None,
            statement: String::new(),
        };
        let report = ReleaseReport {
            installed: Some("0.1.0-1".to_owned()),
            trusted_keys: 1,
            threshold: 1,
            releases: vec![ready],
            refused: Vec::new(),
        };
        let text = written(&report);
        assert!(text.contains("0.2.0-1          can be installed\n  signed by ed25519:x\n"), "{text}");
        assert!(text.ends_with("To install version 0.2.0-1: sudo meshstream upgrade install\n"), "{text}");
    }
}
