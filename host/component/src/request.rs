//! A component's imports and exports: its permission request, as the operator sees it before it runs.

use wasmtime::component::types::ComponentItem;

use crate::component::Component;
use crate::engine::Engine;
use crate::prepare::{self, PrepareError};

/// What a component asks for and what it offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it cannot be instantiated without, in its own order.
    pub imports: Vec<Item>,
    /// What it offers to be called.
    pub exports: Vec<Item>,
}

/// One import or export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Such as `mimobox:host/execute@0.1.0`, or the plain name of a function.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
}

/// What an import or export is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// An interface, of which these functions are used or offered.
    Interface {
        /// Names as in WIT; those of a resource begin with `[method]` and the like.
        functions: Vec<String>,
    },
    /// A function of the world itself.
    Function,
    /// A type or a module: nothing that could be called.
    Other,
}

/// What a component can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// World `mimobox:host/orchestrator`.
    Orchestrator,
    /// A plain program: `wasi:cli/run` of WASI 0.2.
    Command,
    /// The same of WASI 0.3, whose function is async.
    AsyncCommand,
    /// World `mimobox:policy/policy`.
    Policy,
}

impl Request {
    /// Reads it off a component, which is compiled for that (or found in the cache) and not run.
    ///
    /// # Errors
    /// [`PrepareError::Invalid`].
    pub fn of(engine: &Engine, component: &Component) -> Result<Self, PrepareError> {
        Ok(Self::read(&prepare::compile(engine.orchestrators(), component)?))
    }

    pub(crate) fn read(component: &wasmtime::component::Component) -> Self {
        let engine = component.engine();
        let ty = component.component_type();
        let item = |name: &str, item: ComponentItem| Item {
            name: name.to_owned(),
            kind: ItemKind::of(engine, &item),
        };
        Self {
            imports: ty.imports(engine).map(|(name, import)| item(name, import.ty)).collect(),
            exports: ty.exports(engine).map(|(name, export)| item(name, export.ty)).collect(),
        }
    }

    /// Names of the imports.
    pub fn import_names(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().map(|import| import.name.as_str())
    }

    /// What it can be used for, by what it exports; none where it is of no use to this host.
    pub fn purpose(&self) -> Option<Purpose> {
        self.entry().map(|(purpose, _)| purpose)
    }

    /// The export that gives it its purpose, under the very name that it has.
    pub(crate) fn entry(&self) -> Option<(Purpose, &str)> {
        self.exports.iter().find_map(|Item { name, kind }| {
            let purpose = match kind {
                ItemKind::Function if name == "run" => Purpose::Orchestrator,
                ItemKind::Interface { .. } if name.starts_with("wasi:cli/run@0.2.") => Purpose::Command,
                ItemKind::Interface { .. } if name.starts_with("wasi:cli/run@0.3.") => Purpose::AsyncCommand,
                ItemKind::Interface { .. } if name.starts_with("mimobox:policy/decision@0.1.") => {
                    Purpose::Policy
                }
                _ => return None,
            };
            Some((purpose, name.as_str()))
        })
    }
}

impl ItemKind {
    fn of(engine: &wasmtime::Engine, item: &ComponentItem) -> Self {
        match item {
            ComponentItem::ComponentFunc(_) => Self::Function,
            ComponentItem::ComponentInstance(instance) => {
                let functions = instance
                    .exports(engine)
                    .filter(|(_, export)| matches!(export.ty, ComponentItem::ComponentFunc(_)))
                    .map(|(name, _)| name.to_owned())
                    .collect();
                Self::Interface { functions }
            }
            _ => Self::Other,
        }
    }
}
