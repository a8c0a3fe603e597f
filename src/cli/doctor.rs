//! `meshstream doctor`.

use std::io::{self, Write};

use anyhow::anyhow;
use serde_json::json;

use super::Output;
use super::show::{print_json, printable};
use crate::config::Config;
use crate::doctor::{Finding, Machine, State, examine};
use crate::failure::Failure;
use crate::output::print;

/// Fails where something keeps the node from its work, so that scripts can ask.
pub(super) async fn run(config: &Config, output: Output) -> Result<(), Failure> {
    let findings = examine(config, &Machine::this()).await;
    if output.json {
        print_json(&json!({ "findings": findings }))?;
    } else {
        print(|out| write(out, &findings))?;
    }
    match findings.iter().filter(|finding| finding.state == State::Failure).count() {
        0 => Ok(()),
        1 => Err(anyhow!("one thing keeps the node from its work: what to do is said with it").into()),
        failures => Err(anyhow!("{failures} things keep the node from its work: what to do is said with each").into()),
    }
}

fn write(out: &mut dyn Write, findings: &[Finding]) -> io::Result<()> {
    for Finding { check, state, found, mend } in findings {
        let state = match state {
            State::Absent => "-",
            State::Ok => "ok",
            State::Warning => "WARNING",
            State::Failure => "FAILURE",
        };
        writeln!(out, "{state:<7}  {check:<12}  {}", printable(found))?;
        if let Some(mend) = mend {
            writeln!(out, "{:23}  {}", "", printable(mend))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_a_line_and_what_to_do_another() {
        let mut out = Vec::new();
        let findings = [Finding::ok("disk", "room"), Finding::failure("clock", "1970", "set it")];
        write(&mut out, &findings).unwrap();
        let expected = "ok       disk          room\n\
                        FAILURE  clock         1970\n                         set it\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
