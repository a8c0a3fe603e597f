//! A machine that waits for its owner, or has one.

use std::sync::Mutex;

use async_trait::async_trait;
use stream_model::{FirstBoot, FirstBootError, FirstBootStage, Wish, Wishes};

#[derive(Debug)]
pub(crate) struct FakeFirstBoot {
    pub(crate) stage: Mutex<FirstBootStage>,
    /// What is not taken.
    pub(crate) wrong: Mutex<Vec<Wish>>,
    pub(crate) submitted: Mutex<Vec<Wishes>>,
}

impl Default for FakeFirstBoot {
    fn default() -> Self {
        Self { stage: Mutex::new(FirstBootStage::Over), wrong: Mutex::default(), submitted: Mutex::default() }
    }
}

#[async_trait]
impl FirstBoot for FakeFirstBoot {
    fn stage(&self) -> FirstBootStage {
        self.stage.lock().unwrap().clone()
    }

    async fn submit(&self, wishes: Wishes) -> Result<(), FirstBootError> {
        if !matches!(self.stage(), FirstBootStage::Waiting { .. }) {
            return Err(FirstBootError::Taken);
        }
        let wrong = self.wrong.lock().unwrap().clone();
        if !wrong.is_empty() {
            return Err(FirstBootError::Wrong(wrong));
        }
        self.submitted.lock().unwrap().push(wishes);
        *self.stage.lock().unwrap() = FirstBootStage::Working;
        Ok(())
    }
}
