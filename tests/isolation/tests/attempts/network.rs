//! The network: nobody outside is reached, and no odd family of sockets is a door.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use mimobox_isolation_tests::Namespace::{Mount, Network};
use mimobox_isolation_tests::{Attempt, Place, open_to_everybody, without};

fn attempt(name: &'static str) -> Attempt {
    Attempt::new("network", name)
}

const IN_THE_HOSTS_NETWORK: Place = Place::Entered(&[Network]);

#[test]
fn a_service_on_the_host_s_loopback_cannot_be_reached() {
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = service.local_addr().unwrap().port();
    attempt("connect_to_port").with(port).is_stopped_but_not_in(&IN_THE_HOSTS_NETWORK);
}

#[test]
fn an_abstract_socket_of_the_host_cannot_be_reached() {
    let name = format!("mimobox-isolation-{}", std::process::id());
    let _service = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    attempt("connect_to_name").with(name).is_stopped_but_not_in(&IN_THE_HOSTS_NETWORK);
}

#[test]
fn a_socket_in_the_host_s_files_cannot_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let _service = UnixListener::bind(&path).unwrap();
    open_to_everybody(folder.path());
    open_to_everybody(&path);
    attempt("connect_to_path").with(path.display()).is_stopped_but_not_in(&Place::Entered(&[Mount]));
}

#[test]
fn no_interface_of_the_host_can_be_seen() {
    let host_has_one = std::fs::read_dir("/sys/class/net").unwrap().count() > 1;
    let see = attempt("see_interfaces");
    if host_has_one {
        see.is_stopped_but_not_in(&IN_THE_HOSTS_NETWORK);
    } else {
        see.is_stopped_but_has_no_control_since("this machine has loopback alone");
    }
}

#[test]
fn there_is_no_way_out() {
    // TEST-NET-1, of nobody (RFC 5737): a machine has a way there if it has one to anywhere.
    let find = attempt("find_a_way").with("192.0.2.1");
    let routes = std::fs::read_to_string("/proc/net/route").unwrap();
    if routes.lines().count() > 1 {
        find.is_stopped_but_not_in(&IN_THE_HOSTS_NETWORK);
    } else {
        find.is_stopped_but_has_no_control_since("this machine has no way out either");
    }
}

#[test]
fn loopback_cannot_be_configured() {
    attempt("configure_interface").is_stopped_but_not_in(&Place::all_namespaces());
}

#[test]
fn protocols_of_ip_other_than_tcp_and_udp_are_not_there() {
    for name in ["dccp", "l2tp", "mptcp", "sctp"] {
        attempt("open_protocol").with(name).is_stopped_but_not_in(&Place::weakened(without::seccomp));
    }
}

#[test]
fn no_other_call_makes_sockets_of_a_family_that_is_refused() {
    for family in ["alg", "netlink_generic", "qipcrtr", "tipc", "vsock"] {
        attempt("open_pair").with(family).is_stopped_but_not_in(&Place::weakened(without::seccomp));
    }
}

#[test]
fn no_protocol_can_be_put_on_tcp() {
    attempt("put_a_protocol_on_tcp").is_stopped_but_not_in(&Place::weakened(without::seccomp));
}

/// A test for each family of sockets: refused in a sandbox; made, or refused by the family itself, in the control.
macro_rules! families {
    ($control:expr => $($family:ident)*) => {$(
        #[test]
        fn $family() {
            let open = attempt("open_socket").with(stringify!($family)).where_the_kernel_has_it();
            open.is_stopped_but_not_in(&$control);
        }
    )*};
}

/// The filters alone keep a command from these.
mod sockets_of_a_family_are_refused {
    use super::*;

    families! { Place::weakened(without::seccomp) =>
        alg netlink_connector netlink_generic netlink_kobject_uevent netlink_sock_diag netlink_xfrm qipcrtr tipc vsock
    }

    #[test]
    fn whatever_the_high_bits_of_its_number() {
        attempt("open_socket_by_high_bits").is_stopped_but_not_in(&Place::weakened(without::seccomp));
    }
}

/// These take rights in the network namespace besides, which a command does not have.
mod sockets_that_hear_everything_are_refused {
    use super::*;

    families! { Place::all_namespaces() => key netlink_netfilter packet raw raw6 xdp }
}

/// These are only there for who is in the machine's own network namespace.
mod sockets_of_the_machine_are_refused {
    use super::*;

    families! { Place::host() => bluetooth can netlink_audit rds }
}
