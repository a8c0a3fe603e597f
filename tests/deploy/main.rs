//! The Debian package where it is to run: a bare Debian 12 that boots in a container, and other processors under emulation.
//!
//! `make test-deploy` builds the packages and runs these: they ask for root, for a mirror of Debian, and for some minutes.

mod architectures;
mod container;
mod emulator;
mod image;
mod package;
mod upgrade;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail, ensure};

/// Where packages are made and these tests keep what they need again.
fn built(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(path)
}

/// The package of the program for an architecture, as `scripts/deb.sh` makes it.
fn package(architecture: &str, version: &str) -> Result<PathBuf> {
    let folder = if version == "0.1.0-1" { "packages" } else { "packages/next" };
    let path = built(&format!("{folder}/meshstream_{version}_{architecture}.deb"));
    ensure!(path.exists(), "{} is missing: 'make deb' makes it", path.display());
    Ok(path)
}

/// What a program prints.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    said(command, output)
}

fn said(command: &Command, output: Output) -> Result<String> {
    if !output.status.success() {
        let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{command:?} failed ({}):\n{printed}\n{errors}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
