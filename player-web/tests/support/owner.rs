//! What only the owner changes: whom the node follows, and the stream keys.

use async_trait::async_trait;
use stream_model::*;

use super::FakeNode;

/// Its own feed is all ones.
#[async_trait]
impl FollowGraph for FakeNode {
    async fn relate(&self, feed: FeedId, relation: Relation) -> Result<(), FollowError> {
        if feed == FeedId([1; 32]) {
            return Err(FollowError::Own(feed));
        }
        self.relations.lock().unwrap().push((feed, relation));
        Ok(())
    }

    async fn list(&self) -> Result<Vec<FollowEntry>, FollowError> {
        let relations = self.relations.lock().unwrap();
        let entry = |(feed, relation): &(FeedId, Relation)| FollowEntry {
            feed: *feed,
            name: Some("Ada".into()),
            relation: *relation,
            hops: Some(1),
            messages: 7,
        };
        Ok(relations.iter().map(entry).collect())
    }
}

#[async_trait]
impl StreamKeys for FakeNode {
    async fn add(&self, name: StreamName) -> Result<NewStreamKey, KeyError> {
        let mut keys = self.keys.lock().unwrap();
        if keys.contains(&name) {
            return Err(KeyError::Exists(name));
        }
        keys.push(name.clone());
        Ok(NewStreamKey { name, key: StreamKey::new("00112233445566778899aabbccddeeff") })
    }

    async fn list(&self) -> Result<Vec<StreamKeyEntry>, KeyError> {
        let keys = self.keys.lock().unwrap();
        let unkept = self.unkept.lock().unwrap();
        let archive = |name: &StreamName| unkept.contains(name).then_some(false);
        let entry =
            |name: &StreamName| StreamKeyEntry { name: name.clone(), created_at: WallTime(5), archive: archive(name) };
        Ok(keys.iter().map(entry).collect())
    }

    async fn set_archive(&self, name: StreamName, archive: Option<bool>) -> Result<(), KeyError> {
        let mut unkept = self.unkept.lock().unwrap();
        unkept.retain(|other| *other != name);
        unkept.extend((archive == Some(false)).then_some(name));
        Ok(())
    }

    async fn revoke(&self, name: StreamName) -> Result<(), KeyError> {
        let mut keys = self.keys.lock().unwrap();
        let index = keys.iter().position(|key| *key == name).ok_or(KeyError::NotFound(name))?;
        keys.remove(index);
        Ok(())
    }
}
