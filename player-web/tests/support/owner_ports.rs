//! What the owner's pages ask, made of memory.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use player_web::OwnerPorts;

use super::*;

/// Remembers what its owner asked for. Refuses what names [`UNKNOWN`], and a title that is empty.
#[derive(Debug)]
pub(crate) struct FakeOwner {
    /// What is planned, in the order in which it was said.
    pub(crate) scheduled: Mutex<Vec<(ScheduleId, Schedule)>>,
    pub(crate) details: Mutex<BTreeMap<StreamName, StreamDetails>>,
    pub(crate) updated: Mutex<Vec<(BroadcastId, String, String)>>,
    pub(crate) ended: Mutex<Vec<BroadcastId>>,
    pub(crate) refused: Mutex<BTreeSet<StreamName>>,
    pub(crate) hidden: Mutex<Vec<Hidden>>,
    pub(crate) moderated: broadcast::Sender<MessageKey>,
    pub(crate) settings: Mutex<Vec<Setting>>,
    pub(crate) lines: Mutex<Vec<LogLine>>,
    pub(crate) policies: Mutex<Vec<KeptBroadcast>>,
    pub(crate) mirrors: Mutex<Vec<MirrorEntry>>,
    /// What else was asked of archives, in words.
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) cameras: Mutex<Vec<CameraReport>>,
}

/// Of a broadcast of which nothing is known.
pub(crate) const UNKNOWN: BroadcastId = BroadcastId(MessageKey([0xee; 32]));

/// What another node may join with.
pub(crate) const INVITE: &str = "meshstream:community:fake";

impl FakeOwner {
    pub(crate) fn new() -> Arc<Self> {
        let setting = |key: &str, value: &str, effect, form| Setting {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            next: Some(value.to_owned()),
            source: SettingSource::Default,
            effect,
            form,
        };
        let hall = CameraState::Publishing { encoder: Some("x264enc".to_owned()), pictures: 250, dropped: 3 };
        let gone = CameraTrouble::Over { address: "rtsp://10.0.0.9/stream".to_owned() };
        let roof = CameraState::Waiting { trouble: gone, wait: Duration::from_secs(4) };
        let mirror = SettingForm::Choice { of: ["watched", "followed", "all", "none"].map(str::to_owned).to_vec() };
        let line = |number, level, text: &str| LogLine {
            number,
            time: WallTime(1_795_269_780_000 + number),
            level,
            target: "meshstream::node".to_owned(),
            text: text.to_owned(),
        };
        Arc::new(Self {
            scheduled: Mutex::default(),
            details: Mutex::default(),
            updated: Mutex::default(),
            ended: Mutex::default(),
            refused: Mutex::default(),
            hidden: Mutex::default(),
            moderated: broadcast::Sender::new(64),
            settings: Mutex::new(vec![
                setting("node.name", "roof", SettingEffect::AfterRestart, SettingForm::Text),
                setting("storage.quota", "10GiB", SettingEffect::AtOnce, SettingForm::Size),
                setting("mesh.mirror", "watched", SettingEffect::AfterRestart, mirror),
            ]),
            lines: Mutex::new(vec![
                line(0, LogLevel::Info, "started node=roof"),
                line(1, LogLevel::Warn, "the disk is nearly full free=1"),
            ]),
            policies: Mutex::default(),
            mirrors: Mutex::default(),
            asked: Mutex::default(),
            cameras: Mutex::new(vec![
                camera("hall", CameraOrigin::Pages, "/dev/video0", hall),
                camera("roof", CameraOrigin::Configuration, "rtsp://10.0.0.9/stream", roof),
            ]),
        })
    }

    /// With the keys of another fake.
    pub(crate) fn ports(self: &Arc<Self>, node: &Arc<FakeNode>) -> OwnerPorts {
        OwnerPorts {
            keys: node.clone(),
            programme: self.clone(),
            policies: self.clone(),
            keeper: self.clone(),
            moderation: self.clone(),
            settings: self.clone(),
            log_book: self.clone(),
            cameras: Some(self.clone()),
            releases: self.clone(),
            community: CommunityMembership { name: "roofs".to_owned(), invite: Some(INVITE.to_owned()) },
        }
    }

    fn ask(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }
}

/// A release that can be installed.
#[async_trait]
impl Releases for FakeOwner {
    async fn report(&self) -> ReleaseReport {
        let ready = ReleaseEntry {
            version: "0.2.0-1".to_owned(),
            state: ReleaseState::Ready,
            signers: vec!["ed25519:6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=".to_owned()],
            packages: Vec::new(),
            problem: None,
            statement: String::new(),
        };
        ReleaseReport { installed: Some("0.1.0-1".to_owned()), releases: vec![ready], ..ReleaseReport::default() }
    }

    async fn add_package(
        &self,
        _: CarBytes<'_>,
        _: &(dyn Fn(CarProgress) + Send + Sync),
    ) -> Result<CarImported, CarError> {
        Err(CarError::Incomplete("no package comes here".to_owned()))
    }

    async fn publish(&self, statement: &str, _: Announce) -> Result<(), ReleaseError> {
        Err(ReleaseError::Refused(statement.to_owned()))
    }

    async fn package(&self, cid: &Cid) -> Result<(u64, BoxStream<'static, Result<Bytes, StoreError>>), StoreError> {
        Err(StoreError::NotFound(*cid))
    }
}

fn titled(title: &str) -> Result<(), ProgrammeError> {
    if title.trim().is_empty() { Err(ProgrammeError::NoTitle) } else { Ok(()) }
}

#[async_trait]
impl Programme for FakeOwner {
    async fn schedule(&self, schedule: Schedule) -> Result<ScheduleId, ProgrammeError> {
        titled(&schedule.title)?;
        let mut scheduled = self.scheduled.lock().unwrap();
        let id = ScheduleId(MessageKey([scheduled.len() as u8 + 1; 32]));
        scheduled.push((id, schedule));
        Ok(id)
    }

    async fn reschedule(&self, id: ScheduleId, schedule: Schedule) -> Result<(), ProgrammeError> {
        titled(&schedule.title)?;
        let mut scheduled = self.scheduled.lock().unwrap();
        let known = scheduled.iter_mut().find(|(known, _)| *known == id);
        known.ok_or(ProgrammeError::UnknownSchedule(id))?.1 = schedule;
        Ok(())
    }

    async fn cancel(&self, id: ScheduleId) -> Result<(), ProgrammeError> {
        let mut scheduled = self.scheduled.lock().unwrap();
        let index = scheduled.iter().position(|(known, _)| *known == id);
        scheduled.remove(index.ok_or(ProgrammeError::UnknownSchedule(id))?);
        Ok(())
    }

    async fn set_details(&self, name: StreamName, details: StreamDetails) -> Result<(), ProgrammeError> {
        self.details.lock().unwrap().insert(name, details);
        Ok(())
    }

    async fn details(&self, name: StreamName) -> Result<StreamDetails, ProgrammeError> {
        Ok(self.details.lock().unwrap().get(&name).cloned().unwrap_or_default())
    }

    async fn update(&self, broadcast: BroadcastId, title: String, description: String) -> Result<(), ProgrammeError> {
        titled(&title)?;
        if broadcast == UNKNOWN {
            return Err(ProgrammeError::UnknownBroadcast(broadcast));
        }
        self.updated.lock().unwrap().push((broadcast, title, description));
        Ok(())
    }

    async fn end(&self, broadcast: BroadcastId) -> Result<(), ProgrammeError> {
        if broadcast == UNKNOWN {
            return Err(ProgrammeError::UnknownBroadcast(broadcast));
        }
        self.ended.lock().unwrap().push(broadcast);
        Ok(())
    }

    async fn admit(&self, name: StreamName) -> Result<(), ProgrammeError> {
        self.refused.lock().unwrap().remove(&name);
        Ok(())
    }

    fn refused(&self) -> Vec<StreamName> {
        self.refused.lock().unwrap().iter().cloned().collect()
    }
}

#[async_trait]
impl Moderation for FakeOwner {
    fn hides(&self, message: &MessageKey) -> bool {
        self.hidden.lock().unwrap().iter().any(|hidden| hidden.message == *message)
    }

    fn hidden(&self) -> Vec<Hidden> {
        self.hidden.lock().unwrap().iter().rev().copied().collect()
    }

    async fn hide(&self, message: MessageKey) -> Result<(), ModerationError> {
        if !self.hides(&message) {
            self.hidden.lock().unwrap().push(Hidden { message, since: WallTime(1_795_269_780_000) });
            let _ = self.moderated.send(message);
        }
        Ok(())
    }

    async fn unhide(&self, message: MessageKey) -> Result<bool, ModerationError> {
        let was = self.hides(&message);
        self.hidden.lock().unwrap().retain(|hidden| hidden.message != message);
        let _ = self.moderated.send(message);
        Ok(was)
    }

    fn changes(&self) -> BoxStream<'static, MessageKey> {
        changes(self.moderated.subscribe())
    }
}

#[async_trait]
impl Settings for FakeOwner {
    async fn list(&self) -> Result<Vec<Setting>, SettingsError> {
        Ok(self.settings.lock().unwrap().clone())
    }

    async fn set(&self, key: &str, value: &str) -> Result<Setting, SettingsError> {
        if value == "nonsense" {
            return Err(SettingsError::Invalid(format!("configuration key {key}: nonsense")));
        }
        self.change(key, Some(value))
    }

    async fn unset(&self, key: &str) -> Result<Setting, SettingsError> {
        self.change(key, None)
    }
}

impl FakeOwner {
    fn change(&self, key: &str, value: Option<&str>) -> Result<Setting, SettingsError> {
        let mut settings = self.settings.lock().unwrap();
        let found = settings.iter_mut().find(|setting| setting.key == key);
        let setting = found.ok_or_else(|| SettingsError::UnknownKey(key.to_owned()))?;
        setting.next = value.map(str::to_owned);
        setting.source = if value.is_some() { SettingSource::Settings } else { SettingSource::Default };
        if setting.effect == SettingEffect::AtOnce {
            setting.value.clone_from(&setting.next);
        }
        Ok(setting.clone())
    }
}

impl LogBook for FakeOwner {
    fn lines(&self, query: LogQuery) -> Vec<LogLine> {
        let lines = self.lines.lock().unwrap();
        let before = query.before.unwrap_or(u64::MAX);
        let wanted = lines.iter().rev().filter(|line| line.level >= query.level && line.number < before);
        let mut found: Vec<LogLine> = wanted.take(query.limit).cloned().collect();
        found.reverse();
        found
    }
}

#[async_trait]
impl KeepPolicies for FakeOwner {
    async fn set_policy(&self, broadcast: BroadcastId, policy: KeepPolicy) -> Result<(), KeepPolicyError> {
        let mut policies = self.policies.lock().unwrap();
        policies.retain(|kept| kept.broadcast != broadcast);
        if policy != KeepPolicy::Default {
            policies.push(KeptBroadcast { broadcast, policy, dropped_in: None });
        }
        Ok(())
    }

    async fn policies(&self) -> Result<Vec<KeptBroadcast>, KeepPolicyError> {
        Ok(self.policies.lock().unwrap().clone())
    }
}

#[async_trait]
impl ArchiveKeeper for FakeOwner {
    async fn mirror(&self, broadcast: BroadcastId) -> Result<(), KeeperError> {
        if broadcast == UNKNOWN {
            return Err(KeeperError::Unknown(broadcast));
        }
        let entry = MirrorEntry { broadcast, asked: true, progress: MirrorProgress::default() };
        self.mirrors.lock().unwrap().push(entry);
        Ok(())
    }

    async fn unmirror(&self, broadcast: BroadcastId) -> Result<(), KeeperError> {
        self.mirrors.lock().unwrap().retain(|entry| entry.broadcast != broadcast);
        Ok(())
    }

    fn mirrors(&self) -> Vec<MirrorEntry> {
        self.mirrors.lock().unwrap().clone()
    }

    fn mirror_progress(&self, _: BroadcastId) -> BoxStream<'static, MirrorProgress> {
        stream::empty().boxed()
    }

    async fn export(&self, broadcast: BroadcastId, _: CarVersion) -> Result<CarExport, KeeperError> {
        Err(KeeperError::NothingHeld(broadcast))
    }

    async fn import(
        &self,
        _: CarBytes<'_>,
        _: &(dyn Fn(CarProgress) + Send + Sync),
    ) -> Result<ArchiveImported, KeeperError> {
        Err(KeeperError::Refused("a fake takes none".to_owned()))
    }

    async fn republish(&self, broadcast: BroadcastId, _: String) -> Result<Republished, KeeperError> {
        Err(KeeperError::NothingHeld(broadcast))
    }

    async fn withdraw(&self, broadcast: BroadcastId, reason: String, copy: OwnCopy) -> Result<(), KeeperError> {
        self.ask(format!("withdraw {broadcast} {reason} {copy:?}"));
        Ok(())
    }

    async fn rebroadcast(&self, broadcast: BroadcastId, _: Option<String>) -> Result<BroadcastId, KeeperError> {
        self.ask(format!("rebroadcast {broadcast}"));
        Ok(broadcast)
    }

    async fn stop_rebroadcast(&self, broadcast: BroadcastId) -> Result<(), KeeperError> {
        Err(KeeperError::NotRunning(broadcast, "being rebroadcast"))
    }
}

pub(crate) fn camera(name: &str, origin: CameraOrigin, source: &str, state: CameraState) -> CameraReport {
    let name = name.parse().unwrap();
    CameraReport {
        settings: CameraSettings { name, source: source.to_owned(), ..CameraSettings::default() },
        origin,
        state,
    }
}

#[async_trait]
impl Cameras for FakeOwner {
    fn list(&self) -> Vec<CameraReport> {
        self.cameras.lock().unwrap().clone()
    }

    async fn devices(&self) -> Result<Vec<CameraDevice>, CamerasError> {
        let device = |video, name: &str, argument: &str| CameraDevice {
            video,
            name: name.to_owned(),
            argument: argument.to_owned(),
        };
        Ok(vec![device(true, "<b>USB camera", "/dev/video0"), device(false, "Microphone", "alsa:hw:1")])
    }

    async fn set(&self, settings: CameraSettings) -> Result<(), CamerasError> {
        if settings.size == "big" {
            return Err(CamerasError::Invalid { key: "size", reason: "no size".to_owned() });
        }
        let mut cameras = self.cameras.lock().unwrap();
        cameras.retain(|camera| camera.settings.name != settings.name);
        cameras.push(CameraReport { settings, origin: CameraOrigin::Pages, state: CameraState::Starting });
        Ok(())
    }

    async fn switch(&self, name: &StreamName, on: bool) -> Result<(), CamerasError> {
        let mut cameras = self.cameras.lock().unwrap();
        let camera = cameras.iter_mut().find(|camera| camera.settings.name == *name);
        let state = if on { CameraState::Starting } else { CameraState::Off };
        camera.ok_or_else(|| CamerasError::Unknown(name.clone()))?.state = state;
        Ok(())
    }

    async fn remove(&self, name: &StreamName) -> Result<(), CamerasError> {
        self.cameras.lock().unwrap().retain(|camera| camera.settings.name != *name);
        Ok(())
    }
}
