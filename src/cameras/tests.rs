//! The cameras of a node with workers that are shell scripts.

use stream_model::{NewStreamKey, StreamKey, StreamKeyEntry, WallTime};

use super::*;

/// Has a key for each of these names.
#[derive(Default)]
struct Keys(Mutex<Vec<StreamName>>);

#[async_trait]
impl StreamKeys for Keys {
    async fn add(&self, name: StreamName) -> Result<NewStreamKey, KeyError> {
        let mut names = lock(&self.0);
        if names.contains(&name) {
            return Err(KeyError::Exists(name));
        }
        names.push(name.clone());
        Ok(NewStreamKey { name, key: StreamKey::new(format!("key-{}", names.len())) })
    }

    async fn list(&self) -> Result<Vec<StreamKeyEntry>, KeyError> {
        let entry = |name: &StreamName| StreamKeyEntry { name: name.clone(), created_at: WallTime(0), archive: None };
        Ok(lock(&self.0).iter().map(entry).collect())
    }

    async fn set_archive(&self, _: StreamName, _: Option<bool>) -> Result<(), KeyError> {
        Ok(())
    }

    async fn revoke(&self, name: StreamName) -> Result<(), KeyError> {
        lock(&self.0).retain(|other| *other != name);
        Ok(())
    }
}

/// Writes its job down, and publishes until it is asked to end.
const WORKER: &str = r#"read job; echo "$job" > job; echo '{"report":"started","encoder":"x264enc"}'
    echo '{"report":"progress","pictures":25,"dropped":2,"bytes":9}'; cat >/dev/null"#;

struct Fixture {
    dir: tempfile::TempDir,
    keys: Arc<Keys>,
}

impl Fixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), keys: Arc::default() }
    }

    fn start(&self, configured: &[CameraSettings], script: &str) -> NodeCameras {
        let publishing = Publishing {
            rtmp: ([127, 0, 0, 1], 1935).into(),
            keys: self.keys.clone(),
            data_dir: self.dir.path().to_owned(),
            target_duration: Duration::from_secs(15),
        };
        let script = format!("cd '{}'; {script}", self.dir.path().display());
        let worker = WorkerCommand { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
        NodeCameras::start(configured, publishing, worker)
    }

    fn job(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("job")).unwrap_or_default()
    }
}

fn camera(name: &str) -> CameraSettings {
    CameraSettings { name: name.parse().unwrap(), source: "pattern".to_owned(), ..CameraSettings::default() }
}

fn name(name: &str) -> StreamName {
    name.parse().unwrap()
}

/// Waits until a camera is so.
async fn is(cameras: &NodeCameras, wanted: &str, so: fn(&CameraState) -> bool) -> CameraState {
    let mut state = lock(&cameras.slots)[&name(wanted)].state.subscribe();
    let waited = tokio::time::timeout(Duration::from_secs(30), state.wait_for(so)).await;
    waited.unwrap_or_else(|_| panic!("{:?}", cameras.list())).unwrap().clone()
}

fn publishes(state: &CameraState) -> bool {
    matches!(state, CameraState::Publishing { .. })
}

#[tokio::test]
async fn a_camera_of_the_configuration_publishes_with_a_key_of_its_own() {
    let fixture = Fixture::new();
    let cameras = fixture.start(&[camera("roof")], WORKER);
    let state = is(&cameras, "roof", publishes).await;
    let expected = CameraState::Publishing { encoder: Some("x264enc".to_owned()), pictures: 25, dropped: 2 };
    assert_eq!(state, expected);
    assert!(fixture.job().contains("rtmp://127.0.0.1:1935/live/roof?key=key-1"), "{}", fixture.job());
    cameras.stop().await;

    let again = fixture.start(&[camera("roof")], WORKER);
    is(&again, "roof", publishes).await;
    assert!(fixture.job().contains("key=key-1"), "it keeps its key");
    again.stop().await;
    fixture.keys.revoke(name("roof")).await.unwrap();
    let once_more = fixture.start(&[camera("roof")], WORKER);
    is(&once_more, "roof", publishes).await;
    once_more.stop().await;
    assert_eq!(fixture.keys.list().await.unwrap().len(), 1, "a key that was revoked is made anew");
}

#[tokio::test]
async fn what_the_owner_sets_outlives_a_restart() {
    let fixture = Fixture::new();
    let cameras = fixture.start(&[camera("roof")], WORKER);
    cameras.set(camera("hall")).await.unwrap();
    is(&cameras, "hall", publishes).await;
    cameras.switch(&name("roof"), false).await.unwrap();
    assert_eq!(is(&cameras, "roof", |_| true).await, CameraState::Off);
    cameras.stop().await;

    let cameras = fixture.start(&[camera("roof")], WORKER);
    is(&cameras, "hall", publishes).await;
    assert_eq!(is(&cameras, "roof", |_| true).await, CameraState::Off);
    cameras.switch(&name("roof"), true).await.unwrap();
    is(&cameras, "roof", publishes).await;
    cameras.remove(&name("hall")).await.unwrap();
    cameras.stop().await;
    assert_eq!(fixture.start(&[], WORKER).list(), []);
}

#[tokio::test]
async fn what_the_configuration_has_is_changed_there() {
    let fixture = Fixture::new();
    let cameras = fixture.start(&[camera("roof")], WORKER);
    assert!(matches!(cameras.set(camera("roof")).await, Err(CamerasError::Configured(_))));
    assert!(matches!(cameras.remove(&name("roof")).await, Err(CamerasError::Configured(_))));
    assert!(matches!(cameras.remove(&name("hall")).await, Err(CamerasError::Unknown(_))));
    assert!(matches!(cameras.switch(&name("hall"), true).await, Err(CamerasError::Unknown(_))));
    let wrong = CameraSettings { size: "big".to_owned(), ..camera("hall") };
    assert!(matches!(cameras.set(wrong).await, Err(CamerasError::Invalid { key: "size", .. })));
    cameras.stop().await;
}

#[tokio::test]
async fn why_a_camera_does_not_run_is_told() {
    let fixture = Fixture::new();
    fixture.keys.add(name("taken")).await.unwrap();
    let script = r#"echo '{"report":"trouble","trouble":"gone","device":"/dev/video0"}'"#;
    let cameras = fixture.start(&[camera("roof"), camera("taken")], script);
    let state = is(&cameras, "roof", |state| matches!(state, CameraState::Waiting { .. })).await;
    assert!(format!("{state:?}").contains("/dev/video0"), "{state:?}");
    let state = is(&cameras, "taken", |state| matches!(state, CameraState::Failed(_))).await;
    assert_eq!(state, CameraState::Failed(CameraTrouble::Key { name: "taken".to_owned() }));
    cameras.stop().await;
}

#[tokio::test]
async fn devices_are_looked_for_in_another_process() {
    let fixture = Fixture::new();
    let list = r#"echo '[{"video":true,"name":"USB","argument":"/dev/video0"}]'"#;
    let found = fixture.start(&[], list).devices().await.unwrap();
    assert_eq!(found, [CameraDevice { video: true, name: "USB".to_owned(), argument: "/dev/video0".to_owned() }]);
    let error = fixture.start(&[], "exit 1").devices().await.unwrap_err().to_string();
    assert!(error.contains("cannot be listed"), "{error}");
}
