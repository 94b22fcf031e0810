//! How much memory new allocations can have: of the machine, of every control group around the process
//! (containers, batch systems), and under the limit of its own address space (`ulimit -v`).

use std::fs::read_to_string;
use std::path::Path;

/// Bytes that new allocations can have.
pub fn available_bytes() -> u64 {
    use sysinfo::{MemoryRefreshKind, RefreshKind, System};
    let memory = MemoryRefreshKind::nothing().with_ram();
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(memory));
    let groups = free_of_groups(Path::new("/"));
    let space = free_address_space(Path::new("/"));
    // A quarter of a limit is not for values: there are the program itself, stacks of threads, the
    // system's arenas, and blocks rounded up to the sizes in which they are kept.
    let limited = groups.min(space) / 4 * 3;
    system.available_memory().min(limited)
}

/// The least that the control groups of this process leave, its own and those around it; `u64::MAX`
/// without limits. Pages that only cache files count as free: the kernel gives them up first.
fn free_of_groups(root: &Path) -> u64 {
    let groups = read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut least = u64::MAX;
    for line in groups.lines() {
        // `0::/a/b` of version 2, `4:memory:/a/b` of version 1.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (mount, names) = match controllers {
            "" => ("sys/fs/cgroup", &VERSION_2),
            _ if controllers.split(',').any(|c| c == "memory") => {
                ("sys/fs/cgroup/memory", &VERSION_1)
            }
            _ => continue,
        };
        let mount = root.join(mount);
        // In a container the path may be that outside of it: then its own group is the mount itself.
        let own = mount.join(path.trim_start_matches('/'));
        let around = own
            .ancestors()
            .take_while(|group| group.starts_with(&mount));
        let groups = around.chain([mount.as_path()]);
        least = groups
            .filter_map(|group| free_of(group, names))
            .fold(least, u64::min);
    }
    least
}

/// Names of the files of a control group: its limit, what it uses, and in `memory.stat` the pages that
/// cache files not used of late.
struct Names {
    limit: &'static str,
    used: &'static str,
    inactive: &'static str,
}

const VERSION_2: Names = Names {
    limit: "memory.max",
    used: "memory.current",
    inactive: "inactive_file",
};
const VERSION_1: Names = Names {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    inactive: "total_inactive_file",
};

fn free_of(group: &Path, names: &Names) -> Option<u64> {
    let number = |name| {
        read_to_string(group.join(name))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let limit = number(names.limit)?; // "max" is no number
    let stat = read_to_string(group.join("memory.stat")).unwrap_or_default();
    let inactive = field(&stat, names.inactive).unwrap_or(0);
    let used = number(names.used)?.saturating_sub(inactive);
    Some(limit.saturating_sub(used))
}

/// The first number after a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
    lines.find_map(|rest| rest.split_whitespace().next()?.parse().ok())
}

/// What a limit of the address space leaves; `u64::MAX` without one.
fn free_address_space(root: &Path) -> u64 {
    let read = |name| read_to_string(root.join("proc/self").join(name)).unwrap_or_default();
    let limit = field(&read("limits"), "Max address space");
    let used = field(&read("status"), "VmSize:").unwrap_or(0) << 10;
    limit.map_or(u64::MAX, |limit| limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine's files, as far as they matter.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn caches_of_files_count_as_free() {
        let root = machine(&[
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "2000\n"),
            ("sys/fs/cgroup/memory.current", "1990\n"),
            (
                "sys/fs/cgroup/memory.stat",
                "anon 90\ninactive_file 1900\nactive_file 0\n",
            ),
        ]);
        assert_eq!(free_of_groups(root.path()), 2000 - 90);
    }

    #[test]
    fn the_tightest_of_nested_groups_counts() {
        let root = machine(&[
            ("proc/self/cgroup", "0::/system.slice/job_7/step_0\n"),
            (
                "sys/fs/cgroup/system.slice/job_7/step_0/memory.max",
                "max\n",
            ),
            (
                "sys/fs/cgroup/system.slice/job_7/step_0/memory.current",
                "100\n",
            ),
            ("sys/fs/cgroup/system.slice/job_7/memory.max", "1000\n"),
            ("sys/fs/cgroup/system.slice/job_7/memory.current", "300\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "5000\n"),
            ("sys/fs/cgroup/system.slice/memory.current", "1000\n"),
        ]);
        assert_eq!(free_of_groups(root.path()), 700);
    }

    #[test]
    fn version_1_and_paths_from_outside_a_container_are_read() {
        let root = machine(&[
            (
                "proc/self/cgroup",
                "5:cpu:/x\n4:hugetlb,memory:/docker/0123\n",
            ),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "96\n"),
            (
                "sys/fs/cgroup/memory/memory.stat",
                "total_inactive_file 6\n",
            ),
        ]);
        assert_eq!(free_of_groups(root.path()), 4006);
    }

    #[test]
    fn no_limit_is_no_limit() {
        let root = machine(&[
            ("proc/self/cgroup", "0::/user.slice\n"),
            (
                "proc/self/limits",
                "Max address space         unlimited  unlimited  bytes\n",
            ),
        ]);
        assert_eq!(free_of_groups(root.path()), u64::MAX);
        assert_eq!(free_address_space(root.path()), u64::MAX);
        let limited = machine(&[
            (
                "proc/self/limits",
                "Max address space         5000000    5000000    bytes\n",
            ),
            (
                "proc/self/status",
                "VmPeak:    2000 kB\nVmSize:     1000 kB\n",
            ),
        ]);
        assert_eq!(free_address_space(limited.path()), 5_000_000 - 1_024_000);
    }
}
