//! What a server's processes use: processor time and memory, from `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

/// The clock ticks of `/proc` in a second: the same 100 on every Linux of today.
const TICKS: u64 = 100;

/// A process with all its descendants.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    root: u32,
}

/// One line of `/proc/PID/stat`.
struct Stat {
    pid: u32,
    parent: u32,
    /// User and system time, in ticks.
    own_ticks: u64,
    /// That of reaped children.
    children_ticks: u64,
}

impl Process {
    /// The tree under the process `pid`.
    pub fn new(pid: u32) -> Self {
        Self { root: pid }
    }

    /// User and system time of the tree, reaped descendants included.
    ///
    /// # Errors
    ///
    /// `/proc` cannot be read.
    pub fn cpu(&self) -> io::Result<Duration> {
        Ok(self.tree()?.iter().map(Stat::cpu).sum())
    }

    /// Memory of the tree in bytes: pages shared by several processes are divided among them (PSS).
    ///
    /// # Errors
    ///
    /// `/proc` cannot be read.
    pub fn memory(&self) -> io::Result<u64> {
        let pss = |stat: Stat| {
            let path = format!("/proc/{}/smaps_rollup", stat.pid);
            // One that ended meanwhile uses nothing.
            fs::read_to_string(path).map_or(0, |text| kilobytes(&text, "Pss:") << 10)
        };
        Ok(self.tree()?.into_iter().map(pss).sum())
    }

    /// Numbers of the processes of the tree, the root first.
    ///
    /// # Errors
    ///
    /// `/proc` cannot be read.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        Ok(self.tree()?.into_iter().map(|stat| stat.pid).collect())
    }

    fn tree(&self) -> io::Result<Vec<Stat>> {
        let mut others = Vec::new();
        let mut tree = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            match parse_stat(&text) {
                Some(stat) if stat.pid == self.root => tree.push(stat),
                Some(stat) => others.push(stat),
                None => {}
            }
        }
        let mut done = 0;
        while done < tree.len() {
            let parent = tree[done].pid;
            tree.extend(others.extract_if(.., |stat| stat.parent == parent));
            done += 1;
        }
        Ok(tree)
    }
}

impl Stat {
    /// A tick is long beside what a process of one session uses, so those that run are asked for
    /// nanoseconds. That count leaves out threads that ended, which the ticks do not.
    fn cpu(&self) -> Duration {
        let ticks = |count: u64| Duration::from_millis(count * 1000 / TICKS);
        ticks(self.own_ticks).max(self.threads_cpu()) + ticks(self.children_ticks)
    }

    fn threads_cpu(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid));
        let nanoseconds = threads.into_iter().flatten().flatten().map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            let first = text.split(' ').next().and_then(|field| field.parse().ok());
            first.unwrap_or(0)
        });
        Duration::from_nanos(nanoseconds.sum())
    }
}

/// The name of a process, in parentheses, may hold anything, blanks and parentheses too.
fn parse_stat(text: &str) -> Option<Stat> {
    let (head, rest) = text.rsplit_once(')')?;
    let pid = head.split(' ').next()?.parse().ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        own_ticks: number(11)? + number(12)?,
        children_ticks: number(13)? + number(14)?,
    })
}

/// The number of kilobytes on the line of `text` that starts with `key`, or 0.
pub(crate) fn kilobytes(text: &str, key: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_after_the_name() {
        let line = "7 (a) b) S 3 7 7 0 -1 4194560 94 0 0 0 5 6 70 80 20 0 1 0 100 1000 10";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.pid, stat.parent), (7, 3));
        assert_eq!((stat.own_ticks, stat.children_ticks), (11, 150));
        assert!(parse_stat("").is_none());
    }

    #[test]
    fn memory_is_the_line_of_its_key() {
        assert_eq!(kilobytes("Rss:  9 kB\nPss:   12 kB\n", "Pss:"), 12);
        assert_eq!(kilobytes("Rss:  9 kB\n", "Pss:"), 0);
    }

    #[test]
    fn this_process_is_a_tree_that_uses_something() {
        let process = Process::new(std::process::id());
        assert_eq!(process.pids().unwrap().first(), Some(&std::process::id()));
        assert!(process.memory().unwrap() > 0);
    }
}
