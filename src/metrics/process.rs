//! The process itself, under the names that every Prometheus client library uses. Read from
//! `/proc` when the page is asked for; what cannot be read is left out.

use crate::clock;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::process::{Resource, getrlimit};
use std::{fmt, fs};

/// What a tick of `/proc/self/stat` is part of: a second has so many, on every Linux.
const TICKS: f64 = 100.0;

/// Says how the process is.
#[derive(Debug)]
pub(super) struct Process {
    began_at: f64,
}

impl Process {
    /// The process began now.
    pub(super) fn begin() -> Self {
        Self { began_at: super::timestamp(clock::wall()) }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: f64| {
            let gauge = ConstGauge::new(value);
            let encoder = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(encoder)
        };
        let began = "When the process began, in seconds since 1970.";
        gauge("process_start_time", began, Some(&Unit::Seconds), self.began_at)?;
        if let Some(bytes) = resident_bytes() {
            gauge("process_resident_memory", "Memory in use.", Some(&Unit::Bytes), bytes)?;
        }
        if let Some(count) = open_files() {
            gauge("process_open_fds", "Open files and connections.", None, count)?;
        }
        if let Some(count) = getrlimit(Resource::Nofile).current {
            let help = "Files and connections that may be open.";
            gauge("process_max_fds", help, None, count as f64)?;
        }
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let (help, unit) = ("Processor time used.", Some(&Unit::Seconds));
            let encoder =
                encoder.encode_descriptor("process_cpu", help, unit, counter.metric_type())?;
            counter.encode(encoder)?;
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn open_files() -> Option<f64> {
    // The directory itself is open while it is read.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    Some(f64::from(u32::try_from(count).ok()?))
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in parentheses, may have anything in it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_described() {
        assert!(resident_bytes().unwrap() > 1_000_000.0);
        assert!(open_files().unwrap() >= 3.0);
        assert!(cpu_seconds().unwrap() >= 0.0);
    }
}
