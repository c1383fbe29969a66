//! Where webhooks may go. Whoever may make a subscription chooses an address that this machine
//! connects to: it must not reach what only this machine, or its network, can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;

/// Longer is no address of a receiver.
const LONGEST: usize = 2_000;

/// An address to which webhooks can be sent at all; whether its host may be connected to is only
/// known when it is.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(url: &str, allow_private: bool) -> Result<Uri, &'static str> {
    if url.len() > LONGEST {
        return Err("is too long: must be an address of at most 2000 bytes");
    }
    if url.contains('#') {
        return Err("has a fragment: must be an address without #");
    }
    let not_one = "is not an address: must be one such as https://example.org/hook";
    let uri: Uri = url.parse().map_err(|_| not_one)?;
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if allow_private => {}
        _ => return Err("has another scheme: must be an address that begins with https://"),
    }
    let authority = uri.authority().ok_or(not_one)?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err("names a user, or no host: must be an address with a host only");
    }
    match literal(&uri) {
        Some(address) if !allow_private && !is_public(address) => {
            Err("is a private address: must be a public one")
        }
        _ => Ok(uri),
    }
}

/// The address of a host that is written as one: nobody resolves it, so nobody else would look at it.
pub(super) fn literal(uri: &Uri) -> Option<IpAddr> {
    uri.host()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether it is somewhere in the Internet, as opposed to this machine, its network, or a place with
/// a special purpose (IANA, IPv4 and IPv6 special-purpose address registries).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // Multicast, reserved, broadcast.
        || a >= 224
        // This network.
        || a == 0
        // Between a provider and its customers.
        || (a == 100 && (64..128).contains(&b))
        // Protocol assignments, 6to4 relays, benchmarks.
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

/// Only global unicast, and of that nothing that stands for an address of IPv4 or has a purpose.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global = (0x2000..0x4000).contains(&a);
    let special =
        (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_is_not_public() {
        for special in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2001:10::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_public(special.parse().expect(special)), "{special}");
        }
        for public in [
            "1.1.1.1",
            "93.184.216.34",
            "100.63.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "::ffff:1.1.1.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(public.parse().expect(public)), "{public}");
        }
    }

    #[test]
    fn an_address_that_can_only_be_wrong_is_refused_at_once() {
        for wrong in [
            "",
            "example.org",
            "/hook",
            "ftp://example.org/",
            "http://example.org/",
            "https://",
            "https://user:secret@example.org/",
            "https://example.org/#part",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]:8443/",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert!(parse(wrong, false).is_err(), "{wrong}");
        }
        for right in
            ["https://example.org", "https://example.org:8443/hook?a=b", "https://1.1.1.1/"]
        {
            assert!(parse(right, false).is_ok(), "{right}");
        }
        for inside in ["http://127.0.0.1:8080/hook", "http://receiver/", "https://[::1]/"] {
            assert!(parse(inside, true).is_ok(), "{inside}");
        }
    }
}
