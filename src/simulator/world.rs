//! Stub.
use super::clock::Clock;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) absolute_minimum_part_size: u64,
    pub(crate) recommended_part_size: u64,
    pub(crate) encrypt_by_default: bool,
    pub(crate) max_buckets: usize,
    pub(crate) listing_scan_limit: usize,
}
#[derive(Default)]
pub(crate) struct World {
    clock: Clock,
    port: AtomicU16,
}
pub(crate) struct Bucket {
    pub(crate) id: String,
}
impl Bucket {
    pub(crate) fn bucket_by_name(&self, _: &str) -> Option<&Bucket> {
        None
    }
}
impl World {
    pub(crate) fn in_memory(_: Settings) -> Self {
        Self::default()
    }
    pub(crate) fn open(_: &Path, _: Settings) -> io::Result<Self> {
        Ok(Self::default())
    }
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }
    pub(crate) fn account_id(&self) -> &str {
        "a"
    }
    pub(crate) fn master_key(&self) -> (String, String) {
        ("id".to_owned(), "secret".to_owned())
    }
    pub(crate) fn create_key(
        &self,
        _: &str,
        _: &[&str],
        _: Option<Vec<String>>,
        _: Option<String>,
        _: Option<u64>,
    ) -> io::Result<(String, String)> {
        Ok(("x".to_owned(), "secret".to_owned()))
    }
    pub(crate) fn expire_tokens(&self) -> io::Result<()> {
        Ok(())
    }
    pub(crate) fn revoke_tokens(&self) -> io::Result<()> {
        Ok(())
    }
    pub(crate) fn drop_upload_urls(&self) -> io::Result<()> {
        Ok(())
    }
    pub(crate) fn port(&self) -> Option<u16> {
        Some(self.port.load(Ordering::Relaxed)).filter(|port| *port != 0)
    }
    pub(crate) fn set_port(&self, port: u16) -> io::Result<()> {
        self.port.store(port, Ordering::Relaxed);
        Ok(())
    }
    pub(crate) fn state(&self) -> Bucket {
        Bucket { id: String::new() }
    }
}
