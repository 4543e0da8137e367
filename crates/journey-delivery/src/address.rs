//! Which addresses a webhook may connect to.
//!
//! A URL is written by an operator, but where its name points is decided by a name server: without this guard a name
//! could lead requests, signed and with customers' data, to the node's own network or to a cloud's metadata service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Decides about addresses after the name was resolved; the connection goes to exactly the address that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressGuard {
    allow_private: bool,
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The open internet.
    Public,
    /// A network of one's own: private, loopback, shared by a carrier. An operator may allow it.
    Private(&'static str),
    /// Nothing that a webhook can be at; never allowed.
    Forbidden(&'static str),
}

impl AddressGuard {
    /// Refuses what is not public, or only what can be no webhook at all.
    #[must_use]
    pub const fn new(allow_private: bool) -> Self {
        Self { allow_private }
    }

    /// Why the address may not be connected to, if so.
    #[must_use]
    pub fn refusal(self, address: IpAddr) -> Option<String> {
        let scope = match address {
            IpAddr::V4(address) => scope_of_v4(address),
            IpAddr::V6(address) => scope_of_v6(address),
        };
        match scope {
            Scope::Public => None,
            Scope::Private(_) if self.allow_private => None,
            Scope::Private(kind) => Some(format!(
                "{address} is {kind}; if the webhook lies in your own network, set `allow-private = true`"
            )),
            Scope::Forbidden(kind) => Some(format!("{address} is {kind}, which is never allowed")),
        }
    }
}

/// Addresses of cloud metadata services that lie outside the link-local ranges: Azure, Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The metadata service of AWS, which lies among the private addresses.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);
const METADATA: &str = "a cloud's metadata service";

fn scope_of_v4(address: Ipv4Addr) -> Scope {
    if METADATA_V4.contains(&address) {
        return Scope::Forbidden(METADATA);
    }
    match address.octets() {
        [0, ..] => Scope::Forbidden("an address of no host (0.0.0.0/8)"),
        [169, 254, ..] => Scope::Forbidden("a link-local address (169.254.0.0/16)"),
        [224..=239, ..] => Scope::Forbidden("a multicast address (224.0.0.0/4)"),
        [240..=255, ..] => Scope::Forbidden("a reserved or broadcast address (240.0.0.0/4)"),
        [127, ..] => Scope::Private("a loopback address (127.0.0.0/8)"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => {
            Scope::Private("a private address (RFC 1918)")
        }
        [100, 64..=127, ..] => Scope::Private("a carrier's shared address (100.64.0.0/10)"),
        [192, 0, 0, _] => Scope::Private("a protocol's own address (192.0.0.0/24)"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Scope::Private("an address of documentation (RFC 5737)")
        }
        [192, 88, 99, _] => Scope::Private("a relay's anycast address (192.88.99.0/24)"),
        [198, 18..=19, ..] => Scope::Private("an address of benchmarks (198.18.0.0/15)"),
        _ => Scope::Public,
    }
}

fn scope_of_v6(address: Ipv6Addr) -> Scope {
    if address == METADATA_V6 {
        return Scope::Forbidden(METADATA);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = || {
        let [g, h] = [g.to_be_bytes(), h.to_be_bytes()];
        scope_of_v4(Ipv4Addr::new(g[0], g[1], h[0], h[1]))
    };
    match (a, b) {
        _ if address.is_unspecified() => Scope::Forbidden("an address of no host (::)"),
        _ if address.is_loopback() => Scope::Private("a loopback address (::1)"),
        // An IPv4 address in another dress is judged as what it is: mapped, compatible, and NAT64.
        (0, 0) if [c, d, e] == [0; 3] && (f == 0xffff || f == 0) => embedded(),
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => embedded(),
        (0xfe80..=0xfebf, _) => Scope::Forbidden("a link-local address (fe80::/10)"),
        (0xff00..=0xffff, _) => Scope::Forbidden("a multicast address (ff00::/8)"),
        (0xfc00..=0xfdff, _) => Scope::Private("a unique local address (fc00::/7)"),
        (0xfec0..=0xfeff, _) => Scope::Private("a site-local address (fec0::/10)"),
        // Tunnels carry an IPv4 address that the far end unpacks: nobody runs a webhook there.
        (0x2002, _) => Scope::Forbidden("a tunnel's address (6to4, 2002::/16)"),
        (0x2001, 0) => Scope::Forbidden("a tunnel's address (Teredo, 2001::/32)"),
        (0x2001, 1..=0x1ff) => Scope::Private("a protocol's own address (2001::/23)"),
        (0x2001, 0xdb8) | (0x3fff, 0..=0xfff) => {
            Scope::Private("an address of documentation (RFC 3849)")
        }
        (0x2000..=0x3fff, _) => Scope::Public,
        _ => Scope::Private("outside the addresses of the open internet (2000::/3)"),
    }
}

#[cfg(test)]
mod tests;
