//! The way of events to an installation, on a good day and on a bad one.

use super::case::Case;
use fake_stripe::ApiVersion;
use fake_stripe::event::Event;
use fake_stripe::post::Writing;
use fake_stripe::render::Renderer;
use fake_stripe::seed::Seed;
use std::sync::Arc;

/// Carries events.
pub(super) struct Courier {
    chance: Seed,
    /// Those that were delivered, which may come again.
    delivered: Vec<Arc<Event>>,
}

impl Courier {
    pub(super) fn new(seed: u64) -> Self {
        Self { chance: Seed::new(seed ^ 0x706f_7374), delivered: Vec::new() }
    }

    /// Each once, in the order in which they happened, in today's version.
    pub(super) fn in_order(&self, case: &Case, news: &[Arc<Event>]) -> Vec<String> {
        let writing = Writing::Whole(renderer(case, ApiVersion::default()));
        news.iter().map(|event| writing.body(event)).collect()
    }

    /// Each at least once, in any order and form, in several batches, old ones among them.
    pub(super) fn mixed_up(&mut self, case: &Case, news: &[Arc<Event>]) -> Vec<Vec<String>> {
        let mut arriving = Vec::new();
        for event in news {
            arriving.extend((0..=self.chance.below(2)).map(|_| Arc::clone(event)));
        }
        for _ in 0..self.chance.below(3) {
            let old = self.chance.below(self.delivered.len());
            arriving.extend(self.delivered.get(old).cloned());
        }
        self.delivered.extend(news.iter().cloned());
        self.chance.shuffle(&mut arriving);
        let mut batches = vec![Vec::new()];
        for event in arriving {
            if self.chance.chance(20) {
                batches.push(Vec::new());
            }
            let body = self.written(case, &event);
            if let Some(batch) = batches.last_mut() {
                batch.push(body);
            }
        }
        batches
    }

    fn written(&mut self, case: &Case, event: &Event) -> String {
        let versions: Vec<_> = ApiVersion::spoken().collect();
        let version = versions[self.chance.below(versions.len())].clone();
        let renderer = renderer(case, version);
        match self.chance.chance(25) {
            true => Writing::Thin(renderer).body(event),
            false => Writing::Whole(renderer).body(event),
        }
    }
}

fn renderer(case: &Case, version: ApiVersion) -> Renderer {
    case.stripe(|stripe| Renderer::new(&stripe.settings, version))
}
