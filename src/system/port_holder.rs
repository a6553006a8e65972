//! Which program holds a port, as far as /proc lets us see: "port in use" helps nobody, "used by Plex DLNA Server
//! (process 812)" does.

use std::fmt;
use std::path::Path;

/// The kind of port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A program that holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its command name.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// How many processes and sockets are looked at, so that a huge machine does not hold up the start.
const MOST_PROCESSES: usize = 4096;
const MOST_INODES: usize = 64;

/// Who holds `port`. `None` when nobody does, or when it is another user's program and we are not root.
pub fn find(protocol: Protocol, port: u16) -> Option<Holder> {
    find_in(Path::new("/proc"), protocol, port)
}

fn find_in(proc: &Path, protocol: Protocol, port: u16) -> Option<Holder> {
    let tables = match protocol {
        Protocol::Tcp => ["tcp", "tcp6"],
        Protocol::Udp => ["udp", "udp6"],
    };
    let mut targets = Vec::new();
    for table in tables {
        let text = std::fs::read_to_string(proc.join("net").join(table)).unwrap_or_default();
        let inodes = text
            .lines()
            .skip(1)
            .filter_map(|line| inode_of(line, protocol, port));
        targets.extend(inodes.map(|inode| format!("socket:[{inode}]")));
    }
    targets.truncate(MOST_INODES);
    if targets.is_empty() {
        return None;
    }
    let processes = std::fs::read_dir(proc).ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.take(MOST_PROCESSES).find_map(|pid| {
        let folder = proc.join(pid.to_string());
        let mut descriptors = std::fs::read_dir(folder.join("fd")).ok()?.flatten();
        let holds = descriptors.any(|entry| {
            std::fs::read_link(entry.path()).is_ok_and(|to| {
                targets
                    .iter()
                    .any(|target| to.as_os_str() == target.as_str())
            })
        });
        let name = std::fs::read_to_string(folder.join("comm")).ok()?;
        holds.then(|| Holder {
            name: name.trim_end().to_owned(),
            pid,
        })
    })
}

/// The socket of a line of `/proc/net/{tcp,udp}` (proc_net(5)) when it is bound to `port`, for TCP listening.
fn inode_of(line: &str, protocol: Protocol, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let (_, digits) = local.rsplit_once(':')?;
    let bound = u16::from_str_radix(digits, 16) == Ok(port);
    (bound && (protocol == Protocol::Udp || state == LISTEN)).then_some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn our_own_sockets_are_found_under_our_own_name() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let us = std::process::id();
        let found = find(Protocol::Tcp, tcp.local_addr().unwrap().port()).unwrap();
        assert_eq!(found.pid, us);
        assert!(!found.name.is_empty());
        let found = find(Protocol::Udp, udp.local_addr().unwrap().port()).unwrap();
        assert_eq!(found.pid, us);
    }

    #[test]
    fn a_line_counts_only_when_it_listens_on_the_port() {
        let listening = "   0: 00000000:20DB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0";
        let connected = listening.replace(" 0A ", " 01 ");
        assert_eq!(inode_of(listening, Protocol::Tcp, 8411), Some("4711"));
        assert_eq!(inode_of(listening, Protocol::Tcp, 8412), None);
        assert_eq!(inode_of(&connected, Protocol::Tcp, 8411), None);
        assert_eq!(inode_of(&connected, Protocol::Udp, 8411), Some("4711"));
        assert_eq!(inode_of("nonsense", Protocol::Tcp, 8411), None);
    }
}
