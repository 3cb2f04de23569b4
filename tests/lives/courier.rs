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
    /// Those that are late.
    held: Vec<Arc<Event>>,
}

impl Courier {
    pub(super) fn new(seed: u64) -> Self {
        Self { chance: Seed::new(seed ^ 0x706f_7374), delivered: Vec::new(), held: Vec::new() }
    }

    /// Each once, in the order in which they happened, in today's version.
    pub(super) fn in_order(&self, case: &Case, news: &[Arc<Event>]) -> Vec<String> {
        let writing = Writing::Whole(renderer(case, ApiVersion::default()));
        news.iter().map(|event| writing.body(event)).collect()
    }

    /// Each at least once, in any order and form, in several batches, old ones among them. Where
    /// these are `late`, all come together: an old one before them, or one of two of a second,
    /// would show what has happened and not when, and grace would run from then (R11).
    pub(super) fn mixed_up(
        &mut self, case: &Case, news: &[Arc<Event>], late: bool,
    ) -> Vec<Vec<String>> {
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
            if !late && self.chance.chance(20) {
                batches.push(Vec::new());
            }
            let body = self.written(case, &event);
            if let Some(batch) = batches.last_mut() {
                batch.push(body);
            }
        }
        batches
    }

    /// What arrives of these on a bad day, when much comes late or never.
    pub(super) fn late_or_lost(&mut self, case: &Case, news: &[Arc<Event>]) -> Vec<Vec<String>> {
        // All events of one fact share their fate more often than not: one alone would tell it.
        let (lost, late) = match self.chance.below(10) {
            0 => (100, 0),
            1..=4 => (5, 100),
            _ => (10, 30),
        };
        let late_ones = std::mem::take(&mut self.held);
        let mut arriving = Vec::new();
        for event in late_ones {
            let place = if self.chance.chance(70) { &mut self.held } else { &mut arriving };
            place.push(event);
        }
        for event in news {
            if self.chance.chance(lost) {
                continue;
            }
            let place = if self.chance.chance(late) { &mut self.held } else { &mut arriving };
            place.push(Arc::clone(event));
        }
        if arriving.is_empty() { Vec::new() } else { self.mixed_up(case, &arriving, false) }
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
