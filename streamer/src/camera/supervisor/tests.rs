//! Workers that are shell scripts: what they print and how they end is what real ones may do.

use super::*;
use crate::camera::job::{VideoSource, small};

fn supervisor(script: &str) -> Supervisor {
    let job = small(Some(VideoSource::Pattern), None);
    let worker = WorkerCommand { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
    Supervisor::new(worker, job)
}

const PROGRESS: &str = r#"{"report":"progress","pictures":25,"dropped":2,"bytes":9}"#;

#[tokio::test]
async fn a_worker_gets_its_job_and_is_heard() {
    let script = format!(
        "read job; case $job in *pattern*) echo '{PROGRESS}';; esac; echo noise; echo '{{\"report\":\"ended\"}}'"
    );
    let mut events = Vec::new();
    supervisor(&script).run(&CancellationToken::new(), |event| events.push(event)).await.unwrap();
    assert_eq!(events, [Event::Progress { pictures: 25, dropped: 2, bytes: 9 }]);
}

#[tokio::test]
async fn trouble_that_lasts_ends_it() {
    let script = r#"echo '{"report":"trouble","trouble":"package","element":"x264enc","package":"p"}'"#;
    let trouble = supervisor(script).run(&CancellationToken::new(), |_| {}).await.unwrap_err();
    assert_eq!(trouble, Trouble::Package { element: "x264enc".to_owned(), package: "p".to_owned() });
}

#[tokio::test]
async fn a_crashed_worker_is_started_again_until_it_is_stopped() {
    let stop = CancellationToken::new();
    let mut troubles = Vec::new();
    let run = supervisor(&format!("echo '{PROGRESS}'; kill -SEGV $$")).run(&stop, |event| {
        if let Event::Again { trouble, wait } = event {
            assert_eq!(wait, FIRST_WAIT, "it had published");
            troubles.push(trouble);
        }
        if troubles.len() == 2 {
            stop.cancel();
        }
    });
    run.await.unwrap();
    assert!(matches!(&troubles[0], Trouble::Crashed { status } if status.contains("signal")), "{troubles:?}");
}

#[tokio::test]
async fn a_worker_that_is_stuck_is_ended_and_started_again() {
    let stop = CancellationToken::new();
    let mut supervisor = supervisor(&format!("echo '{PROGRESS}'; cat >/dev/null"));
    supervisor.stall = Duration::from_millis(50);
    let mut stalled = None;
    let run = supervisor.run(&stop, |event| {
        if let Event::Again { trouble, .. } = event {
            stalled = Some(trouble);
            stop.cancel();
        }
    });
    run.await.unwrap();
    assert!(matches!(stalled, Some(Trouble::Stalled { .. })), "{stalled:?}");
}

#[tokio::test]
async fn who_is_stopped_ends_the_worker() {
    let stop = CancellationToken::new();
    let run = supervisor(&format!("echo '{PROGRESS}'; cat >/dev/null")).run(&stop, |_| stop.cancel());
    run.await.unwrap();
}
