//! What `docker save` writes: paths in one document, digests in another.

use mimobox_images::{BundleFault, ImportError, ImportOptions, Metadata, SourceKind};
use serde_json::{Value, json};

use crate::packing::{Tar, digest, gzip, hex};
use crate::shelf::Shelf;

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let differences: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
    let rootfs = json!({"type": "layers", "diff_ids": differences});
    json!({"os": "linux", "architecture": architecture, "rootfs": rootfs, "config": {"Env": null, "User": ""}})
        .to_string()
        .into()
}

fn saved(config: &str, tags: &Value, layers: &[&str]) -> Value {
    json!({"Config": config, "RepoTags": tags, "Layers": layers})
}

fn archive(manifest: &Value, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Tar::new();
    for (path, bytes) in files {
        tar = tar.file(path, bytes);
    }
    tar.file("manifest.json", manifest.to_string()).bytes()
}

fn fault(imported: Result<Metadata, ImportError>) -> BundleFault {
    match imported {
        Err(ImportError::Bundle(fault)) => fault,
        other => panic!("not refused as an image: {other:?}"),
    }
}

#[test]
fn a_saved_image_is_imported() {
    let shelf = Shelf::new();
    let (one, two) = (Tar::new().file("a", "1").file("b", "1").bytes(), Tar::new().file(".wh.b", "").bytes());
    let config = config(&[&one, &two]);
    let name = format!("{}.json", hex(&config));
    let manifest = json!([saved(&name, &json!(["example:1"]), &["one/layer.tar", "two/layer.tar"])]);
    let files: [(&str, &[u8]); 3] =
        [(&name, &config), ("one/layer.tar", &one), ("two/layer.tar", &gzip(&two))];
    let metadata = shelf.import(&archive(&manifest, &files)).unwrap();
    assert!(shelf.has("a") && !shelf.has("b"));
    assert_eq!(metadata.source.kind, SourceKind::Docker);
    assert_eq!(metadata.source.reference.as_deref(), Some("example:1"));
    assert_eq!(metadata.source.digest.unwrap().to_string(), digest(&config));
    assert_eq!(metadata.config.user, None);
}

#[test]
fn a_layer_that_is_a_link_to_another_is_found() {
    let shelf = Shelf::new();
    let layer = Tar::new().file("a", "x").bytes();
    let config = config(&[&layer, &layer]);
    let manifest =
        json!([saved("config.json", &Value::Null, &["one/layer.tar", "two/layer.tar"])]).to_string();
    let tar = Tar::new()
        .file("config.json", &config)
        .file("one/layer.tar", &layer)
        .symbolic_link("two/layer.tar", "../one/layer.tar")
        .file("manifest.json", manifest);
    shelf.import(&tar.bytes()).unwrap();
    assert!(shelf.has("a"));
}

#[test]
fn a_layer_or_a_configuration_that_is_not_what_its_digest_says_is_refused() {
    let (meant, other) = (Tar::new().file("a", "meant").bytes(), Tar::new().file("a", "other").bytes());
    let config = config(&[&meant]);
    let manifest = json!([saved("config.json", &json!([]), &["layer.tar"])]);
    let spoilt = archive(&manifest, &[("config.json", &config), ("layer.tar", &other)]);
    assert!(matches!(fault(Shelf::new().import(&spoilt)), BundleFault::DigestMismatch { .. }));
    let name = format!("{}.json", hex(b"another"));
    let manifest = json!([saved(&name, &json!([]), &["layer.tar"])]);
    let spoilt = archive(&manifest, &[(&name, &config), ("layer.tar", &meant)]);
    assert!(matches!(fault(Shelf::new().import(&spoilt)), BundleFault::DigestMismatch { .. }));
}

#[test]
fn a_layer_that_is_missing_or_outside_is_named() {
    for path in ["nowhere/layer.tar", "../outside/secret", "/etc/passwd"] {
        let config = config(&[b"x"]);
        let manifest = json!([saved("config.json", &json!([]), &[path])]);
        let imported = Shelf::new().import(&archive(&manifest, &[("config.json", &config)]));
        assert!(matches!(fault(imported), BundleFault::Missing(missing) if missing == path));
    }
}

#[test]
fn of_several_images_one_is_chosen_by_its_reference() {
    let shelf = Shelf::new();
    let layer = Tar::new().file("a", "x").bytes();
    let config = config(&[&layer]);
    let image = |tag: &str| saved("config.json", &json!([tag]), &["layer.tar"]);
    let manifest = json!([image("one:1"), image("two:2")]);
    let archive = archive(&manifest, &[("config.json", &config), ("layer.tar", &layer)]);
    assert!(
        matches!(fault(shelf.import(&archive)), BundleFault::SeveralImages(names) if names == "one:1, two:2")
    );
    let options = ImportOptions { reference: Some("two:2".into()), ..ImportOptions::default() };
    let metadata = shelf.import_with(&archive, &options).unwrap();
    assert_eq!(metadata.source.reference.as_deref(), Some("two:2"));
}
