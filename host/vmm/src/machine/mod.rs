//! The machine: KVM's virtual machine, its memory, its board and its processors.

mod boot_data;
mod kernel;
mod memory;
mod mp_table;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use kvm_bindings::{
    KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_MAX_CPUID_ENTRIES, kvm_clock_data,
    kvm_irqchip,
};
use kvm_ioctls::{IoEventAddress, Kvm, NoDatamatch, VmFd};
use mimobox_vmm_protocol::{Config, Failure, KvmStep, Start, StateFailure, cut};
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::EventFd;

pub(crate) use boot_data::{DESCRIPTORS_LENGTH, prepare_long_mode};

use crate::board::{Board, Log, Ports, SerialLine};
use crate::device_thread::DeviceThread;
use crate::devices::{Access, Devices, Disk, Wiring};
use crate::processor::{Begin, Beginning, Order, Processor, ProcessorState, cpuid_of, refused};
use crate::reports::{Report, Reports};
use crate::state::{MAX_STATE, MachineState};
use crate::sys::{give_memory, kvm_from};

/// Three pages that KVM needs for itself on Intel's processors, below the interrupt controllers.
const TASK_STATE: usize = 0xfffb_d000;
/// The version of KVM's interface that there has ever been since 2007.
const API_VERSION: i32 = 12;
/// The serial port's interrupt line.
const SERIAL_LINE: u32 = 4;

/// What comes with a configuration, in its order.
#[derive(Debug)]
pub(crate) struct Supplies {
    pub(crate) kvm: OwnedFd,
    pub(crate) memory: OwnedFd,
    /// Kernel or saved state.
    pub(crate) start: OwnedFd,
    pub(crate) agent: OwnedFd,
    pub(crate) log: OwnedFd,
    pub(crate) disks: Vec<OwnedFd>,
}

/// The threads of a machine, which wait for their part of it.
#[derive(Debug)]
pub(crate) struct Threads {
    pub(crate) processors: Vec<Processor>,
    pub(crate) devices: DeviceThread,
}

/// A machine that is ready to run.
#[derive(Debug)]
pub(crate) struct Machine {
    vm: VmFd,
    config: Config,
    pub(crate) board: Arc<Board>,
    pub(crate) processors: Vec<Processor>,
}

/// What a machine is put together from, once it has memory.
struct Site {
    memory: GuestMemoryMmap,
    line: SerialLine,
    log: Log,
    wiring: Wiring,
    /// Kernel or saved state.
    start: OwnedFd,
}

/// A machine's parts where they begin.
struct Beginnings {
    ports: Ports,
    devices: Devices,
    processors: Vec<Beginning>,
    /// What is given back last: clock and interrupt controllers of a saved machine.
    restored: Option<(kvm_clock_data, [kvm_irqchip; 3])>,
}

impl Machine {
    /// Makes the machine of these processors, which wait for their orders.
    ///
    /// # Errors
    /// All but `OutOfOrder`, `Config`, `Descriptors` and `Jail`.
    pub(crate) fn new(
        config: Config,
        supplies: Supplies,
        threads: Threads,
        reports: &Reports,
    ) -> Result<Self, Failure> {
        let kvm = kvm_from(supplies.kvm);
        check_version(&kvm)?;
        let memory = memory::map(supplies.memory, config.memory, config.start)?;
        let vm = new_vm(&kvm, &memory)?;
        let log = Log::new(supplies.log)
            .map_err(|error| Failure::Devices { cause: format!("failed to use the log: {error}") })?;
        let line = SerialLine(interrupt(&vm, SERIAL_LINE)?);
        let wiring = wiring(supplies.agent, supplies.disks, &config);
        let site = Site { memory, line, log, wiring, start: supplies.start };
        let begin = match config.start {
            Start::Boot => site.boot(&kvm, &config)?,
            Start::Restore => site.restore(&config)?,
        };
        connect(&vm, &begin.devices)?;
        let board = Arc::new(Board { ports: begin.ports.into(), devices: begin.devices });
        let machine = Self { vm, config, board, processors: threads.processors };
        let listed = kvm.get_msr_index_list().map_err(refused(KvmStep::ModelRegisters))?;
        machine.begin(begin.processors, &listed.as_slice().into(), reports)?;
        if let Some((clock, controllers)) = begin.restored {
            machine.give_back(clock, &controllers)?;
        }
        // Last of all: it repeats the interrupts of a saved machine, which the controllers must be there to take.
        threads.devices.serve(&machine.board)?;
        Ok(machine)
    }

    /// Makes the processors ready, each by its own thread.
    fn begin(&self, starts: Vec<Beginning>, listed: &Arc<[u32]>, reports: &Reports) -> Result<(), Failure> {
        for ((number, processor), start) in (0..).zip(&self.processors).zip(starts) {
            let vcpu = self.vm.create_vcpu(number).map_err(refused(KvmStep::CreateVcpu))?;
            let (board, listed) = (Arc::clone(&self.board), Arc::clone(listed));
            processor.order(Order::Begin(Box::new(Begin { vcpu, board, listed, start })))?;
        }
        for _ in &self.processors {
            match reports.wait()? {
                Report::Begun(answer) => answer?,
                _ => return Err(Failure::Thread),
            }
        }
        Ok(())
    }

    /// Gives back what belongs to no processor. After the processors, whose local controllers have to be there.
    fn give_back(&self, mut clock: kvm_clock_data, controllers: &[kvm_irqchip; 3]) -> Result<(), Failure> {
        let step = |step| move |_| Failure::State(StateFailure::Refused(step));
        for controller in controllers {
            self.vm.set_irqchip(controller).map_err(step(KvmStep::InterruptController))?;
        }
        // The clock goes on from where it was, whatever else is remembered of the time of saving.
        clock.flags = 0;
        self.vm.set_clock(&clock).map_err(step(KvmStep::Clock))
    }

    /// Takes the state of a machine that stands still.
    ///
    /// # Errors
    /// `State`, `Kvm`, `Devices`, `Thread`.
    pub(crate) fn save(&self, reports: &Reports) -> Result<Vec<u8>, Failure> {
        if self.config.start == Start::Restore {
            return Err(Failure::State(StateFailure::PrivateMemory));
        }
        let mut processors = Vec::new();
        for processor in &self.processors {
            processor.order(Order::Save)?;
            match reports.wait()? {
                Report::Saved(state) => processors.push(*state?),
                _ => return Err(Failure::Thread),
            }
        }
        let controllers = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC];
        let mut interrupt_controllers =
            controllers.map(|chip_id| kvm_irqchip { chip_id, ..Default::default() });
        for controller in &mut interrupt_controllers {
            self.vm.get_irqchip(controller).map_err(refused(KvmStep::InterruptController))?;
        }
        let state = MachineState {
            template: self.config.template,
            memory: self.config.memory,
            disks: u8::try_from(self.config.disks.len()).unwrap_or(u8::MAX),
            processors,
            interrupt_controllers,
            clock: self.vm.get_clock().map_err(refused(KvmStep::Clock))?,
            serial: self.board.ports.lock().state(),
            devices: self.board.devices.save(),
        };
        state.to_bytes().map_err(Failure::State)
    }
}

/// Whether this is KVM, of the version that there is.
///
/// # Errors
/// `Kvm`.
pub(crate) fn check_version(kvm: &Kvm) -> Result<(), Failure> {
    let is = kvm.get_api_version() == API_VERSION;
    is.then_some(()).ok_or(Failure::Kvm { step: KvmStep::Version, errno: libc::ENOSYS })
}

impl Site {
    /// Everything as after a reset, and a kernel in memory.
    fn boot(self, kvm: &Kvm, config: &Config) -> Result<Beginnings, Failure> {
        let devices = Devices::new(self.memory.clone(), self.wiring).map_err(|error| no_devices(&error))?;
        let entry = load(&self.memory, self.start, config, &devices.kernel_arguments())?;
        let supported = kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).map_err(refused(KvmStep::Cpuid))?;
        let processor = |number| Beginning::Boot {
            cpuid: cpuid_of(config.template, &supported, number, config.vcpus),
            entry: (number == 0).then_some(entry),
        };
        let processors = (0..config.vcpus).map(processor).collect();
        Ok(Beginnings { ports: Ports::new(self.line, self.log), devices, processors, restored: None })
    }

    /// Everything as it was saved.
    fn restore(self, config: &Config) -> Result<Beginnings, Failure> {
        let state = read_state(&self.start.into(), config)?;
        let ports = Ports::restored(state.serial, self.line, self.log);
        let devices = Devices::restore(self.memory, self.wiring, &state.devices);
        let processor = |processor: ProcessorState| Beginning::Restore(Box::new(processor));
        Ok(Beginnings {
            ports: ports.ok_or(Failure::State(StateFailure::Damaged))?,
            devices: devices.map_err(|error| no_devices(&error))?,
            processors: state.processors.into_iter().map(processor).collect(),
            restored: Some((state.clock, state.interrupt_controllers)),
        })
    }
}

fn new_vm(kvm: &Kvm, memory: &GuestMemoryMmap) -> Result<VmFd, Failure> {
    let vm = kvm.create_vm().map_err(refused(KvmStep::CreateVm))?;
    vm.set_tss_address(TASK_STATE).map_err(refused(KvmStep::TssAddress))?;
    vm.create_irq_chip().map_err(refused(KvmStep::InterruptController))?;
    give_memory(&vm, memory).map_err(refused(KvmStep::Memory))?;
    Ok(vm)
}

/// An interrupt line that is raised by writing to what comes back.
fn interrupt(vm: &VmFd, line: u32) -> Result<EventFd, Failure> {
    let event = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC).map_err(|error| Failure::Kvm {
        step: KvmStep::InterruptLine,
        errno: error.raw_os_error().unwrap_or(0),
    })?;
    vm.register_irqfd(&event, line).map_err(refused(KvmStep::InterruptLine))?;
    Ok(event)
}

/// Lets the kernel take kicks from the guest to the devices, and interrupts from the devices to the guest.
fn connect(vm: &VmFd, devices: &Devices) -> Result<(), Failure> {
    for connection in devices.connections() {
        let address = IoEventAddress::Mmio(connection.kick_address);
        vm.register_ioevent(connection.kick, &address, NoDatamatch).map_err(refused(KvmStep::WriteEvent))?;
        vm.register_irqfd(connection.line, connection.interrupt).map_err(refused(KvmStep::InterruptLine))?;
    }
    Ok(())
}

fn wiring(agent: OwnedFd, disks: Vec<OwnedFd>, config: &Config) -> Wiring {
    let disk = |(file, disk): (OwnedFd, &mimobox_vmm_protocol::Disk)| Disk {
        file: file.into(),
        capacity: disk.capacity,
        access: Access::ReadOnly,
    };
    Wiring { disks: disks.into_iter().zip(&config.disks).map(disk).collect(), agent: agent.into() }
}

fn no_devices(error: &dyn std::error::Error) -> Failure {
    Failure::Devices { cause: cut(error.to_string()) }
}

/// Puts a kernel and all that it wants to find into memory, and says where it begins.
fn load(memory: &GuestMemoryMmap, kernel: OwnedFd, config: &Config, devices: &str) -> Result<u64, Failure> {
    let kernel = kernel::load(memory, File::from(kernel)).map_err(Failure::Kernel)?;
    let line = boot_data::command_line(config.template, devices, &config.command_line);
    boot_data::write(memory, config.memory, &kernel, &line)?;
    mp_table::write(memory, config.vcpus).map_err(|error| Failure::Memory { cause: error.to_string() })?;
    Ok(kernel.entry)
}

/// Reads a saved state, of a machine like this one.
fn read_state(file: &File, config: &Config) -> Result<MachineState, Failure> {
    let mut bytes = vec![0; MAX_STATE + 1];
    let mut length = 0;
    while let Some(rest @ [_, ..]) = bytes.get_mut(length..) {
        match file.read_at(rest, length as u64) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(_) => return Err(Failure::State(StateFailure::Unrecognised)),
        }
    }
    let state = MachineState::from_bytes(bytes.get(..length).unwrap_or_default()).map_err(Failure::State)?;
    state.fits(config).map_err(Failure::State)?;
    Ok(state)
}
