//! From bytes to something that can be instantiated, or the reason why not.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentNamedList, Lift, Lower};

use crate::component::Component;
use crate::escaped::Escaped;
use crate::grants::{ImportsRefused, List};

/// Longest account of what is wrong with a component. It quotes names that the component chose.
const LONGEST_CAUSE: usize = 1000;

/// Why a component cannot be run, or cannot decide.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It is cut short, damaged, or asks for a feature that this host does not run.
    #[error("not a valid component: {cause}")]
    Invalid {
        /// What the compiler said.
        cause: Cause,
    },
    /// It asks for interfaces that it cannot have.
    #[error(transparent)]
    Imports(#[from] ImportsRefused),
    /// A policy that asks for anything at all.
    #[error("a policy may import nothing; it imports {}", List(.0))]
    PolicyImports(Vec<String>),
    /// It is no program.
    #[error("nothing to run: it exports neither `run` of world mimobox:host/orchestrator nor wasi:cli/run")]
    NothingToRun,
    /// It is no policy.
    #[error("not a policy: it does not export mimobox:policy/decision")]
    NotAPolicy,
    /// An interface has the right name and other functions or types than this host's.
    #[error("its interfaces are not those of this host: {cause}")]
    WrongType {
        /// Which one, and how it differs.
        cause: Cause,
    },
}

/// What wasmtime said about a component.
#[derive(Debug)]
pub struct Cause(wasmtime::Error);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Escaped { text: &format!("{:#}", self.0), most: LONGEST_CAUSE })
    }
}

impl PrepareError {
    pub(crate) fn invalid(cause: wasmtime::Error) -> Self {
        Self::Invalid { cause: Cause(cause) }
    }

    pub(crate) fn wrong_type(cause: wasmtime::Error) -> Self {
        Self::WrongType { cause: Cause(cause) }
    }
}

/// Compiles it, or finds it in the cache. Takes seconds for a component that brings a language's engine along: not on a
/// thread that serves others.
pub(crate) fn compile(
    engine: &wasmtime::Engine,
    component: &Component,
) -> Result<wasmtime::component::Component, PrepareError> {
    // `from_binary`, and not `new`: text is no component.
    wasmtime::component::Component::from_binary(engine, component.bytes()).map_err(PrepareError::invalid)
}

/// Whether a function of an exported interface has these types. The bindings check that too, but not before there is an
/// instance: then it would be a run that fails, and a policy that denies everything.
pub(crate) fn check_type<Parameters, Results>(
    component: &wasmtime::component::Component,
    interface: &str,
    function: &str,
) -> wasmtime::Result<()>
where
    Parameters: ComponentNamedList + Lower,
    Results: ComponentNamedList + Lift,
{
    let engine = component.engine();
    let ty = component.component_type();
    let missing = || wasmtime::format_err!("{interface} has no function {function}");
    let Some(ComponentItem::ComponentInstance(interface)) =
        ty.get_export(engine, interface).map(|export| export.ty)
    else {
        return Err(missing());
    };
    match interface.get_export(engine, function).map(|export| export.ty) {
        Some(ComponentItem::ComponentFunc(found)) => {
            found.typecheck::<Parameters, Results>(&ty.instance_type())
        }
        _ => Err(missing()),
    }
}
