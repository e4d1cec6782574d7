//! Boots the machine of a template, until it waits for its host.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mimobox_confine::cgroup::GroupLimits;
use mimobox_vmm_protocol::{Config, Disk, Event, Mechanism, Request, Start};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::shape::{CAPACITY, OVERHEAD, Shape};
use crate::template::{Making, Template, TemplateError};
use crate::vmm::{Configured, Parts, Vmm, Workshop};

/// How long a boot may take. Half a second on ordinary machines; half a minute where guest kernels are emulated and the
/// machine is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// From the line that says that it is ready to the call in which it waits.
const SETTLING: Duration = Duration::from_millis(100);

/// What the kernel is told besides what the VMM tells it: which root, and who is pid 1.
const COMMAND_LINE: &str = "quiet root=/dev/vda rootfstype=erofs ro init=/sbin/mimobox-agent -- vm";

/// The configuration of a machine of this shape.
pub(crate) fn config(shape: &Shape, start: Start, tolerated: &[Mechanism]) -> Config {
    let command_line = match start {
        Start::Boot => COMMAND_LINE.to_owned(),
        Start::Restore => String::new(),
    };
    Config {
        memory: shape.memory,
        vcpus: shape.vcpus,
        template: shape.template,
        command_line,
        disks: vec![Disk { capacity: CAPACITY }; usize::from(shape.disks)],
        start,
        account: None,
        tolerated: tolerated.to_vec(),
    }
}

/// The limits of a VMM of this shape.
pub(crate) fn limits(shape: &Shape, cpu: u32) -> GroupLimits {
    // Its threads, and KVM's own.
    let processes = u32::from(shape.vcpus) + 8;
    GroupLimits { memory: shape.memory.saturating_add(OVERHEAD), processes, cpu }
}

/// Boots it, and puts it into place as the template.
pub(crate) async fn make(
    workshop: &Arc<Workshop>,
    shape: &Shape,
    tolerated: &[Mechanism],
    kernel: File,
    base_image: File,
    making: Making,
    name: String,
) -> Result<Template, TemplateError> {
    let begin = Instant::now();
    tracing::info!(memory = shape.memory, vcpus = shape.vcpus, "booting a machine to start microVMs from");
    let mut disks = vec![base_image];
    for _ in 1..shape.disks {
        // What is attached later is not read before.
        let empty =
            memfd_create("empty", MemfdFlags::CLOEXEC).map_err(|error| TemplateError::Make(error.into()))?;
        disks.push(empty.into());
    }
    let memory = making.memory.try_clone().map_err(TemplateError::Make)?;
    let parts = Parts { memory, start: kernel, disks };
    let all = u32::from(shape.vcpus) * 1000;
    let Configured { vmm, agent: _agent, .. } =
        Vmm::start(workshop, name, limits(shape, all + 1000), config(shape, Start::Boot, tolerated), parts)
            .await?;
    vmm.ask(Request::Run, &Event::Running).await?;
    wait(&vmm).await?;
    tokio::time::sleep(SETTLING).await;
    vmm.ask(Request::Pause, &Event::Paused).await?;
    let (state, bytes) = vmm.save().await.map_err(TemplateError::Save)?;
    drop(vmm);
    let finish = move || making.finish(state, bytes);
    let template = tokio::task::spawn_blocking(finish).await.map_err(|_| TemplateError::ShuttingDown)??;
    tracing::info!(seconds = begin.elapsed().as_secs_f32(), "booted a machine to start microVMs from");
    Ok(template)
}

/// Until the guest says that it is ready.
async fn wait(vmm: &Vmm) -> Result<(), TemplateError> {
    tokio::select! {
        // What was said is looked at first.
        biased;
        ready = vmm.log.awaited() => if ready { return Ok(()) },
        _ = vmm.control.ended() => {}
        () = tokio::time::sleep(PATIENCE) => return Err(TemplateError::Slow { said: vmm.log.tail() }),
    }
    Err(TemplateError::Boot { ended: vmm.control.ended().await.to_string(), said: vmm.log.tail() })
}
