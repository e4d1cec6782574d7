//! Doors of the kernel that have let most people out of sandboxes. None is open, whoever knocks.

use mimobox_isolation_tests::{Attempt, Place, without};

/// A test for each call: it is answered as forbidden or unknown in a sandbox, and by the kernel's own code in the control.
macro_rules! doors {
    ($control:expr => $($door:ident)*) => {$(
        #[test]
        fn $door() {
            let attempt = Attempt::new("kernel", "door").with(stringify!($door));
            attempt.where_the_kernel_has_it().is_stopped_but_not_in(&$control);
        }
    )*};
}

/// The filters alone keep a command from these.
mod a_command_is_refused {
    use super::*;

    doors! { Place::weakened(without::seccomp) =>
        add_key adjtimex bpf clock_adjtime clock_settime clone3 fanotify_init fanotify_mark io_uring_enter
        io_uring_register io_uring_setup ioperm iopl kcmp keyctl memfd_secret modify_ldt name_to_handle_at open_tree
        perf_event_open personality process_madvise process_vm_writev ptrace quotactl request_key setns userfaultfd
    }
}

/// These take rights in a namespace besides, which a command does not have.
mod not_even_root_of_the_namespaces_would_be_let {
    use super::*;

    doors! { Place::all_namespaces() =>
        chroot fsconfig fsmount fsopen fspick mount_setattr move_mount pivot_root setdomainname sethostname umount2
    }
}

/// These take rights on the machine, which nobody in a user namespace has.
mod only_root_of_the_machine_may {
    use super::*;

    doors! { Place::host() =>
        acct delete_module finit_module init_module kexec_file_load kexec_load open_by_handle_at reboot settimeofday
        swapoff swapon syslog
    }
}
