//! What the operating system encloses a worker with, before any script runs. Everything is best effort and reported: an
//! old system lacks some of it, and the interpreters' own sandboxes hold without it.

/// The largest address space of a worker. The host kills a worker that holds more memory than its script may; this is the
/// wall behind it, wide because address space is reserved far beyond what is used.
#[cfg(target_os = "linux")]
const ADDRESS_SPACE: libc::rlim_t = 16 << 30;

/// Encloses this process: no new files, no network, no core dumps, a bounded address space. Must run before the first
/// thread starts. Gives the names of the walls that stand.
#[cfg(target_os = "linux")]
pub fn enclose() -> Vec<String> {
    let mut walls = Vec::new();
    // SAFETY: setrlimit and prctl read plain values and change nothing but limits of this process.
    unsafe {
        let limit =
            |resource, value| libc::setrlimit(resource, &libc::rlimit { rlim_cur: value, rlim_max: value }) == 0;
        if limit(libc::RLIMIT_AS, ADDRESS_SPACE) {
            walls.push("address space".to_owned());
        }
        if limit(libc::RLIMIT_CORE, 0) {
            walls.push("no core dumps".to_owned());
        }
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 {
            walls.push("no new privileges".to_owned());
        }
    }
    if landlocked() {
        walls.push("landlock".to_owned());
    }
    walls
}

/// Nothing is enclosed on other systems.
#[cfg(not(target_os = "linux"))]
pub fn enclose() -> Vec<String> {
    Vec::new()
}

/// Takes away the file system and TCP, as far as this kernel knows how.
#[cfg(target_os = "linux")]
fn landlocked() -> bool {
    use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus};
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V5)))
        .and_then(|ruleset| ruleset.create())
        .and_then(|ruleset| ruleset.restrict_self());
    matches!(status, Ok(status) if status.ruleset != RulesetStatus::NotEnforced)
}
