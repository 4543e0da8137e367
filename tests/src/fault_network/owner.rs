//! Whose socket it is: Linux tells the process of a connection's other end, and the process' arguments tell the node.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// A node of the cluster, by its place from 0.
    Node(usize),
    /// Another process.
    Outside,
    /// No process any more.
    Nobody,
}

/// Knows the nodes of one cluster by the folders of their data.
#[derive(Debug)]
pub(super) struct Owners {
    /// What the path of a node's folder begins with; its number follows.
    prefix: String,
}

impl Owners {
    pub(super) fn of(folder: &Path) -> Self {
        let prefix = folder.join("node").display().to_string();
        Self { prefix }
    }

    /// The owner of the socket at `from` that is connected to `to`.
    pub(super) fn of_socket(&self, from: SocketAddr, to: SocketAddr) -> Owner {
        let Some(inode) = inode_of(from, to) else {
            return Owner::Nobody;
        };
        let wanted = PathBuf::from(format!("socket:[{inode}]"));
        let mut nodes = processes().filter_map(|(pid, arguments)| {
            let node = self.node_of(&arguments)?;
            has_open(pid, &wanted).then_some(node)
        });
        nodes.next().map_or(Owner::Outside, Owner::Node)
    }

    /// The node that a process with these arguments is.
    fn node_of(&self, arguments: &str) -> Option<usize> {
        let mut arguments = arguments.split('\0');
        let folder = arguments
            .by_ref()
            .skip_while(|argument| *argument != "--data-dir")
            .nth(1)?;
        let number: usize = folder.strip_prefix(&self.prefix)?.parse().ok()?;
        number.checked_sub(1)
    }
}

fn processes() -> impl Iterator<Item = (u32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let arguments = fs::read(entry.path().join("cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&arguments).into_owned()))
    })
}

fn has_open(pid: u32, wanted: &Path) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd"));
    let mut open = open.into_iter().flatten().flatten();
    open.any(|file| fs::read_link(file.path()).is_ok_and(|target| target == wanted))
}

/// The number of a connected socket, from the kernel's table; none where no process holds it.
fn inode_of(from: SocketAddr, to: SocketAddr) -> Option<u64> {
    let (from, to) = (hexadecimal(from)?, hexadecimal(to)?);
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let is_it = fields.next()? == from && fields.next()? == to;
        // state, queues, timer, retransmissions, user, timeout, and then the inode
        let inode = fields.nth(6)?.parse().ok()?;
        (is_it && inode != 0).then_some(inode)
    })
}

/// An address as the kernel's table writes it.
fn hexadecimal(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else {
        return None;
    };
    let ip = u32::from_ne_bytes(address.ip().octets());
    Some(format!("{ip:08X}:{:04X}", address.port()))
}
