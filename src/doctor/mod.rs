//! `meshstream doctor`: what is wrong with this machine and its node, and how to mend each.
//!
//! Comes in: the configuration, what the kernel tells below `/proc` and `/sys`, what programs of the system say, and the running
//! node. Goes out: [`Finding`]s. Nothing is changed. Judging is pure; what gathers is beside it.

mod access_point;
mod camera;
mod card;
mod clock;
mod disk;
mod finding;
mod machine;
mod mesh;
mod node;
mod ports;
mod power;

use stream_model::{NodeReport, PeerReport};

pub(crate) use self::finding::{Finding, State};
pub(crate) use self::machine::Machine;

use crate::config::Config;
use crate::control::{Client, Connection};

/// The node that uses the data directory, as far as it can be asked.
enum Asked {
    Running {
        report: Box<NodeReport>,
        peers: Vec<PeerReport>,
    },
    NotRunning,
    /// It runs, and does not answer; or who asks may not.
    Silent(String),
}

/// Looks at everything, the machine first.
pub(crate) async fn examine(config: &Config, machine: &Machine) -> Vec<Finding> {
    let asked = ask(config).await;
    let mut findings = vec![clock::check(machine).await];
    findings.extend(disk::check(config, machine));
    findings.extend(card::check(config, machine));
    findings.extend(power::check(machine));
    findings.push(camera::check(config).await);
    findings.push(mesh::check(&asked));
    findings.extend(ports::check(config, machine, &asked));
    findings.extend(access_point::check(machine).await);
    findings.extend(node::check(machine, &asked));
    findings
}

async fn ask(config: &Config) -> Asked {
    let answers = async {
        let Connection::Running(client) = Client::connect(&config.node.data_dir).await? else {
            return anyhow::Ok(Asked::NotRunning);
        };
        let report = Box::new(client.get("/api/v1/node").await?);
        Ok(Asked::Running { report, peers: client.get("/api/v1/peers").await? })
    };
    answers.await.unwrap_or_else(|error| Asked::Silent(format!("{error:#}")))
}
