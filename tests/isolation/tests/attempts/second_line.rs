//! Landlock is the second line behind mounts and permissions. Here the first was taken away, so that it stands alone; the
//! control is without both.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use mimobox_confine::{PathRights, PathRule, Plan, Step};
use mimobox_isolation_tests::{Attempt, Conditions, Confined, Place, open_to_everybody, without};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

fn attempt(name: &'static str) -> Attempt {
    Attempt::new("files", name)
}

/// In the volume, what can be changed by the mount and by all permissions.
fn two_folders(volume: &Path) {
    for name in ["open", "shut"] {
        std::fs::create_dir(volume.join(name)).unwrap();
        std::fs::write(volume.join(name).join("file"), "there").unwrap();
        open_to_everybody(&volume.join(name));
        open_to_everybody(&volume.join(name).join("file"));
    }
}

/// Rules by which one of the folders can only be read.
fn shut_one(plan: &mut Plan) {
    for step in &mut plan.steps {
        if let Step::Landlock(rules) = step {
            rules.retain(|rule| rule.path != "/scratch");
            let rule = |path: &str, rights| PathRule { path: path.to_owned(), rights };
            rules
                .extend([rule("/scratch/open", PathRights::All), rule("/scratch/shut", PathRights::Execute)]);
        }
    }
}

/// A device where none belongs.
fn misplace_a_device(plan: &mut Plan) {
    let root = plan.steps.iter().position(|step| matches!(step, Step::EnterRoot)).unwrap();
    let device = Step::Device { source: "/dev/urandom".to_owned(), path: "/etc/device".to_owned() };
    plan.steps.insert(root, device);
}

fn place(change: fn(&mut Plan)) -> Place {
    Place::Sandbox(Conditions { scratch: Some(two_folders), change, ..Conditions::default() })
}

/// Landlock alone stops it.
fn is_stopped(attempt: &Attempt) {
    attempt.is_stopped_in(&place(shut_one), &place(without::landlock));
}

#[test]
fn no_file_can_be_made_where_only_reading_is_allowed() {
    is_stopped(&attempt("create_in").with("/scratch/shut"));
}

#[test]
fn no_file_can_be_opened_for_writing_where_only_reading_is_allowed() {
    is_stopped(&attempt("open_for_writing").with("/scratch/shut/file"));
}

#[test]
fn no_file_can_be_cut_where_only_reading_is_allowed() {
    is_stopped(&attempt("truncate").with("/scratch/shut/file"));
    is_stopped(&attempt("truncate_by_path").with("/scratch/shut/file"));
}

#[test]
fn no_file_can_be_moved_to_where_only_reading_is_allowed() {
    is_stopped(&attempt("move").with("/scratch/open/mine").with("/scratch/shut/mine"));
}

#[test]
fn no_file_can_be_linked_to_where_more_is_allowed() {
    is_stopped(&attempt("link").with("/scratch/shut/file").with("/scratch/open/more"));
}

#[test]
fn a_device_outside_of_dev_takes_no_requests() {
    attempt("control_device").with("/etc/device").is_stopped_in(
        &place(misplace_a_device),
        &place(|plan| {
            misplace_a_device(plan);
            without::landlock(plan);
        }),
    );
}

/// Sends a folder of the host to whoever connects.
fn pass_on(folder: &Path, socket: &UnixListener) {
    let (stream, _) = socket.accept().unwrap();
    let folder = std::fs::File::open(folder).unwrap();
    let descriptors = [folder.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let bytes = [std::io::IoSlice::new(b"x")];
    sendmsg::<()>(stream.as_raw_fd(), &bytes, &rights, MsgFlags::empty(), None).unwrap();
}

#[test]
fn a_folder_of_the_host_that_was_passed_in_opens_nothing() {
    let open = attempt("open_beneath_what_was_passed").with("/scratch/socket").with("secret");
    let in_a_sandbox = |change| {
        let conditions = Conditions { scratch: Some(|_| {}), change, ..Conditions::default() };
        let confined = Confined::with(&conditions)?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "of the host").unwrap();
        open_to_everybody(folder.path());
        let path = confined.volume("scratch").join("socket");
        let socket = UnixListener::bind(&path).unwrap();
        open_to_everybody(&path);
        Some(std::thread::scope(|scope| {
            scope.spawn(|| pass_on(folder.path(), &socket));
            confined.attempt(&open)
        }))
    };
    let Some(outcome) = in_a_sandbox(|_| {}) else { return };
    open.must_be_stopped(&outcome);
    open.must_get_out(&in_a_sandbox(without::landlock).unwrap());
}
