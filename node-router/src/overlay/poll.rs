//! Asks one daemon again and again: often while it answers, rarely where there is none, and says once that it was found
//! or lost.

use std::time::Duration;

use async_trait::async_trait;
use metrics::counter;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Overlay, Sighting, View};

/// Pause while it answers: a link that comes up is known within this.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest pause while it does not: a daemon that is installed later is found within this.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Failures in a row after which it counts as lost: one that only restarts keeps what it told.
const MISSES: u32 = 3;

/// Why a daemon told nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DaemonError {
    #[error("no daemon answers: {0}")]
    Absent(String),
    #[error("no answer in time")]
    TimedOut,
    #[error("an answer makes no sense: {0}")]
    Malformed(String),
    #[error("it refuses: {0}")]
    Refused(String),
}

/// A daemon that can be asked.
#[async_trait]
pub(super) trait Daemon: Send + 'static {
    /// Whose it is.
    fn overlay(&self) -> Overlay;

    /// Asks for all that it knows, within a bounded time.
    async fn view(&mut self) -> Result<View, DaemonError>;
}

/// How often to ask, and what to say. Without I/O and time.
#[derive(Debug, Default)]
struct Pace {
    failures: u32,
    /// It answered, and was not lost since.
    found: bool,
    /// Its refusal was told.
    told: bool,
}

/// What became of the daemon.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// It answers for the first time, or again.
    Found,
    /// It does not answer any more.
    Lost,
    /// It answers, but not to us, for the first time.
    Refuses,
    /// Nothing new.
    Same,
}

impl Pace {
    fn handle(&mut self, result: Result<(), &DaemonError>) -> Turn {
        let Err(error) = result else {
            self.failures = 0;
            self.told = false;
            return if std::mem::replace(&mut self.found, true) { Turn::Same } else { Turn::Found };
        };
        self.failures = self.failures.saturating_add(1);
        if self.found && self.failures >= MISSES {
            self.found = false;
            return Turn::Lost;
        }
        let refuses = matches!(error, DaemonError::Refused(_));
        if refuses && !std::mem::replace(&mut self.told, true) { Turn::Refuses } else { Turn::Same }
    }

    fn pause(&self) -> Duration {
        PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(8)).min(MAX_PAUSE)
    }
}

/// Asks until cancelled, or until nobody listens; without pause when `hurry` changes.
pub(super) async fn run(
    mut daemon: impl Daemon,
    sightings: mpsc::Sender<Sighting>,
    mut hurry: watch::Receiver<()>,
    cancel: CancellationToken,
) {
    let overlay = daemon.overlay();
    let mut pace = Pace::default();
    loop {
        let asked = tokio::select! {
            () = cancel.cancelled() => return,
            asked = daemon.view() => asked,
        };
        let turn = pace.handle(asked.as_ref().map(|_| ()));
        if let Err(error) = &asked {
            counter!("meshstream_overlay_failures_total", "overlay" => overlay.name()).increment(1);
            tracing::debug!(overlay = overlay.name(), %error, "cannot ask an overlay's daemon");
        }
        match (&turn, &asked) {
            (Turn::Found, Ok(view)) => {
                tracing::info!(overlay = overlay.name(), neighbours = view.linked().count(), "found an overlay");
            }
            (Turn::Lost, _) => tracing::info!(overlay = overlay.name(), "lost an overlay: its daemon does not answer"),
            (Turn::Refuses, Err(error)) => {
                tracing::warn!(overlay = overlay.name(), %error, "an overlay's daemon tells nothing");
            }
            _ => {}
        }
        // A failure alone changes nothing: the daemon may only be slow or restart.
        if asked.is_ok() || turn == Turn::Lost {
            let sighting = Sighting { overlay, view: asked.ok() };
            tokio::select! {
                () = cancel.cancelled() => return,
                sent = sightings.send(sighting) => if sent.is_err() { return },
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            Ok(()) = hurry.changed() => {}
            () = tokio::time::sleep(pace.pause()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn absent() -> DaemonError {
        DaemonError::Absent("connection refused".into())
    }

    #[test]
    fn an_absent_daemon_is_asked_rarely_and_nothing_is_said() {
        let mut pace = Pace::default();
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert_eq!(pace.handle(Err(&absent())), Turn::Same);
            pauses.push(pace.pause());
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!((pauses[0], pauses[9]), (PAUSE, MAX_PAUSE));
        assert_eq!(pace.handle(Ok(())), Turn::Found);
        assert_eq!((pace.pause(), pace.handle(Ok(()))), (PAUSE, Turn::Same));
    }

    #[test]
    fn a_daemon_that_restarts_is_not_lost_and_one_that_stays_away_is_lost_once() {
        let mut pace = Pace::default();
        let turns = |pace: &mut Pace, failures: u32| -> Vec<Turn> {
            (0..failures).map(|_| pace.handle(Err(&absent()))).collect()
        };
        assert_eq!(pace.handle(Ok(())), Turn::Found);
        assert_eq!(turns(&mut pace, 2), [Turn::Same, Turn::Same]);
        assert_eq!(pace.handle(Ok(())), Turn::Same);
        assert_eq!(turns(&mut pace, 5), [Turn::Same, Turn::Same, Turn::Lost, Turn::Same, Turn::Same]);
        assert_eq!(pace.handle(Ok(())), Turn::Found);
    }

    #[test]
    fn a_refusal_is_told_once_until_it_is_over() {
        let mut pace = Pace::default();
        let refused = DaemonError::Refused("Auth failed.".into());
        assert_eq!(pace.handle(Err(&refused)), Turn::Refuses);
        assert_eq!(pace.handle(Err(&refused)), Turn::Same);
        assert_eq!(pace.handle(Ok(())), Turn::Found);
        assert_eq!(pace.handle(Err(&refused)), Turn::Refuses);
    }

    /// Answers as it is told to, then never.
    struct Scripted(Vec<Result<View, DaemonError>>);

    #[async_trait]
    impl Daemon for Scripted {
        fn overlay(&self) -> Overlay {
            Overlay::Cjdns
        }

        async fn view(&mut self) -> Result<View, DaemonError> {
            if self.0.is_empty() {
                std::future::pending::<()>().await;
            }
            self.0.remove(0)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn views_are_passed_on_while_it_answers_and_the_loss_once_it_is_sure() {
        let view = View { own: "fc00::1".parse().ok(), ..View::default() };
        let mut script = vec![Err(absent()), Ok(view.clone()), Err(absent()), Ok(view.clone())];
        script.extend([Err(absent()), Err(absent()), Err(absent()), Err(absent())]);
        let (sender, mut sightings) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let hurry = watch::Sender::new(());
        let task = tokio::spawn(run(Scripted(script), sender, hurry.subscribe(), cancel.clone()));
        let start = Instant::now();
        for expected in [Some(&view), Some(&view), None] {
            assert_eq!(sightings.recv().await.unwrap().view.as_ref(), expected);
        }
        assert!(start.elapsed() >= 4 * PAUSE);
        cancel.cancel();
        task.await.unwrap();
        assert!(sightings.recv().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_is_asked_at_once_where_somebody_says_that_there_is_news() {
        let views = || vec![Ok(View::default()), Ok(View::default())];
        let (sender, mut sightings) = mpsc::channel(1);
        let hurry = watch::Sender::new(());
        let asking = tokio::spawn(run(Scripted(views()), sender, hurry.subscribe(), CancellationToken::new()));
        sightings.recv().await.unwrap();
        let told = Instant::now();
        hurry.send_replace(());
        sightings.recv().await.unwrap();
        assert_eq!(told.elapsed(), Duration::ZERO);
        asking.abort();
    }
}
