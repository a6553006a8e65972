//! How much memory we may use and keep, and how many files we may open.

use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What a box without readable /proc is taken for.
const SMALLEST_BYTES: u64 = 512 << 20;

/// The memory of this box, or what the service manager or container engine grants us when that is less.
pub fn limit_bytes() -> u64 {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let total = read(Path::new("/proc/meminfo"))
        .and_then(|text| total_of(&text))
        .unwrap_or(SMALLEST_BYTES);
    let cgroup =
        read(Path::new("/proc/self/cgroup")).and_then(|text| cgroup_of(&text).map(str::to_owned));
    let mut least = total;
    // The limit of every group above ours counts as well (cgroups(7), version 2).
    let mut group = Path::new(cgroup.as_deref().unwrap_or("")).to_owned();
    loop {
        let file = Path::new("/sys/fs/cgroup").join(&group).join("memory.max");
        if let Some(limit) = read(&file).and_then(|text| text.trim().parse::<u64>().ok()) {
            least = least.min(limit);
        }
        if !group.pop() {
            return least;
        }
    }
}

/// Sets the allocator up for a few threads and many large buffers. To be called first of all in `main`.
pub fn settle_allocator() {
    super::sys::settle_allocator();
}

/// Gives back what a burst of work (a scan, a channel on air) has left behind in the heap.
pub fn give_back() {
    super::sys::trim_heap();
}

/// `MemTotal` of /proc/meminfo (proc(5)), in bytes.
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Our group within the version 2 tree, without the slash in front.
fn cgroup_of(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// Lets us open as many files as the system permits: a viewer is a socket, and the usual 1,024 are few.
pub fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(e) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        log::debug!("the limit of open files stays {soft}: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_kernel_are_understood() {
        assert_eq!(
            total_of("MemTotal:        2048000 kB\nMemFree: 1 kB\n"),
            Some(2_097_152_000)
        );
        assert_eq!(total_of("nothing"), None);
        assert_eq!(
            cgroup_of("1:name=x:/y\n0::/system.slice/exstreamd.service\n"),
            Some("system.slice/exstreamd.service")
        );
        assert_eq!(cgroup_of("0::/\n"), Some(""));
        assert!(limit_bytes() > 0);
    }
}
