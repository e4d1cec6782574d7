//! What `doctor` says about microVMs: the device, how guests run on it, and the files that they start from.

use std::fs;

use mimobox_backend_kvm::{Flavour, Part, open_kvm, probe};

use super::Check;
use crate::config::Config;

const NO_MICRO_VMS: &str = "no sandboxes of isolation micro-vm";

/// A line for each.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let setting = &config.micro_vm;
    let mut checks = vec![kvm().await];
    for (mechanism, part, configured) in [
        ("micro-vm-program", Part::Vmm, None),
        ("micro-vm-kernel", Part::Kernel, setting.kernel.as_deref()),
        ("micro-vm-base-image", Part::BaseImage, setting.base_image.as_deref()),
    ] {
        checks.push(file(mechanism, part, configured));
    }
    checks
}

/// The device is opened and tried, not looked at: permissions and containers have their own opinion, and not every KVM runs a
/// guest's kernel on the processor.
async fn kvm() -> Check {
    let check = Check {
        mechanism: "kvm",
        present: false,
        detail: String::new(),
        lost: NO_MICRO_VMS,
        fix: "load kvm-intel or kvm-amd, switch on virtualisation in the firmware, join the group kvm",
    };
    let kvm = match open_kvm() {
        Ok(kvm) => kvm,
        Err(error) => return Check { detail: error.to_string(), ..check },
    };
    let vmm = Part::Vmm.path(None).ok().and_then(|path| fs::read(path).ok());
    let Some(vmm) = vmm else {
        return Check { present: true, detail: "/dev/kvm opens".to_owned(), ..check };
    };
    match probe(&vmm, std::os::fd::AsFd::as_fd(&kvm)).await {
        Err(error) => Check { detail: error.to_string(), ..check },
        Ok(found) => {
            let how = match found.flavour {
                Flavour::Hardware => "guests run on the processor",
                Flavour::EmulatedKernel => {
                    "a guest's kernel is emulated: some thousand times slower, and AVX registers are lost in it"
                }
            };
            let detail =
                format!("{how}; template {}, up to {} processors", found.template.name(), found.vcpus);
            Check { present: true, detail, ..check }
        }
    }
}

fn file(mechanism: &'static str, part: Part, configured: Option<&std::path::Path>) -> Check {
    let found = part.path(configured).map_err(|error| error.to_string()).and_then(|path| {
        let opened = fs::File::open(&path).map_err(|error| format!("{}: {error}", path.display()));
        opened.map(|_| path.display().to_string())
    });
    Check {
        mechanism,
        present: found.is_ok(),
        detail: found.unwrap_or_else(|error| error),
        lost: NO_MICRO_VMS,
        fix: match part {
            Part::Vmm => "build it with `cargo xtask demo`, or name it in $MIMOBOX_VMM",
            Part::Kernel => {
                "build it with `cargo xtask kernel`, or name it in $MIMOBOX_KERNEL or the configuration"
            }
            Part::BaseImage => {
                "build it with `cargo xtask base-image`, or name it in $MIMOBOX_BASE_IMAGE or the configuration"
            }
        },
    }
}
