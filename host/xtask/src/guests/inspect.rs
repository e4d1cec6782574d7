//! What a component asks for and offers, read from its bytes.

use anyhow::{Context, Result, bail};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

/// The outside of a component.
#[derive(Debug)]
pub(super) struct Shape {
    /// Names of its imports, in their order.
    pub(super) imports: Vec<String>,
    /// Names of its exports, in their order.
    pub(super) exports: Vec<String>,
}

/// Validates the bytes and reads the outermost component's imports and exports.
pub(super) fn inspect(bytes: &[u8]) -> Result<Shape> {
    Validator::new_with_features(WasmFeatures::all()).validate_all(bytes).context("it does not validate")?;
    let mut shape = Shape { imports: Vec::new(), exports: Vec::new() };
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => bail!("it is a core module"),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    shape.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    shape.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::inspect;

    #[test]
    fn core_module_is_refused() {
        let error = inspect(b"\0asm\x01\0\0\0").unwrap_err();
        assert_eq!(error.to_string(), "it is a core module");
    }

    #[test]
    fn empty_component_has_no_imports() {
        let shape = inspect(b"\0asm\x0d\0\x01\0").unwrap();
        assert!(shape.imports.is_empty() && shape.exports.is_empty());
    }

    #[test]
    fn truncated_bytes_are_refused() {
        assert!(inspect(b"\0asm\x0d\0\x01").is_err());
    }
}
