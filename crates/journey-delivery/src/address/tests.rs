//! Every range by name, also in the dress of IPv6.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::AddressGuard;

fn refusal(address: &str, allow_private: bool) -> Option<String> {
    let address: IpAddr = address.parse().unwrap();
    AddressGuard::new(allow_private).refusal(address)
}

#[test]
fn public_addresses_pass() {
    for address in [
        "1.1.1.1",
        "93.184.216.34",
        "172.15.255.255",
        "172.32.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "192.0.1.1",
        "198.17.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001:81b::200e",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
    ] {
        assert_eq!(refusal(address, false), None, "{address}");
    }
}

#[test]
fn a_network_of_ones_own_passes_only_when_allowed() {
    for address in [
        "10.0.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "::1",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
        "2001:db8::1",
        "3fff:1::1",
        "100::1",
        "64:ff9b:1::1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "::10.1.2.3",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
    ] {
        let refused = refusal(address, false).unwrap_or_default();
        assert!(refused.contains("allow-private"), "{address}: {refused}");
        assert_eq!(refusal(address, true), None, "{address}");
    }
}

#[test]
fn what_can_be_no_webhook_never_passes() {
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "169.254.170.2",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ] {
        let refused = refusal(address, true).unwrap_or_default();
        assert!(refused.contains("never"), "{address}: {refused}");
        assert!(refusal(address, false).is_some(), "{address}");
    }
}

proptest! {
    /// No dress of an IPv4 address passes where the address itself does not.
    #[test]
    fn an_embedded_address_is_judged_as_what_it_is(bits: u32, allow_private: bool) {
        let guard = AddressGuard::new(allow_private);
        let v4 = Ipv4Addr::from(bits);
        let is_refused = guard.refusal(IpAddr::V4(v4)).is_some();
        let mapped = IpAddr::V6(v4.to_ipv6_mapped());
        prop_assert_eq!(guard.refusal(mapped).is_some(), is_refused);
        let nat64 = format!("64:ff9b::{v4}").parse().unwrap();
        prop_assert_eq!(guard.refusal(nat64).is_some(), is_refused);
    }

    /// The standard library's own words agree.
    #[test]
    fn nothing_private_by_the_standard_library_passes(bits: u32) {
        let v4 = Ipv4Addr::from(bits);
        let is_own = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
            || v4.is_broadcast() || v4.is_unspecified() || v4.is_documentation();
        prop_assert!(!is_own || AddressGuard::new(false).refusal(IpAddr::V4(v4)).is_some());
    }
}
