use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Time and fresh ids, injected so that runs can be replayed and tests can move the clock.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> DateTime<Utc>;

    /// A new unique id.
    fn uuid(&self) -> Uuid;
}

/// The machine's clock and random UUIDs of version 7.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
}
