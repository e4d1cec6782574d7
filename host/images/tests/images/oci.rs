//! OCI image layouts: everything is named by its digest, and is what its digest says.

use std::fs;

use mimobox_images::{BundleFault, ImageConfig, ImportError, ImportOptions, Metadata, SourceKind};
use serde_json::{Value, json};

use crate::packing::{Tar, digest, gzip, hex, zstd};
use crate::shelf::Shelf;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const REFERENCE: &str = "org.opencontainers.image.ref.name";

/// This machine's name for its processor among images.
fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// A layout in the making: files by their paths.
#[derive(Clone)]
pub(crate) struct Layout(pub(crate) Vec<(String, Vec<u8>)>);

impl Layout {
    pub(crate) fn new() -> Self {
        Self(vec![("oci-layout".into(), json!({"imageLayoutVersion": "1.0.0"}).to_string().into())])
    }

    /// Adds a blob, and gives what a document says of it.
    pub(crate) fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        self.0.push((format!("blobs/sha256/{}", hex(bytes)), bytes.to_vec()));
        json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
    }

    pub(crate) fn document(&mut self, media_type: &str, document: &Value) -> Value {
        self.blob(media_type, document.to_string().as_bytes())
    }

    /// Adds an image of these layers, each with its packed form, and gives its manifest.
    pub(crate) fn image(&mut self, layers: &[(&str, Vec<u8>, Vec<u8>)]) -> Value {
        let differences: Vec<_> = layers.iter().map(|(_, plain, _)| digest(plain)).collect();
        let config = json!({
            "os": "linux",
            "architecture": architecture(),
            "rootfs": {"type": "layers", "diff_ids": differences},
            "config": {"Env": ["PATH=/bin", "EMPTY=", "nonsense"], "User": "app:app", "WorkingDir": "/srv", "Cmd": ["sh"]},
        });
        let config = self.document("application/vnd.oci.image.config.v1+json", &config);
        let layers: Vec<_> = layers.iter().map(|(kind, _, packed)| self.blob(kind, packed)).collect();
        self.document(MANIFEST, &json!({"schemaVersion": 2, "config": config, "layers": layers}))
    }

    pub(crate) fn index(mut self, manifests: &[Value]) -> Self {
        let index = json!({"schemaVersion": 2, "manifests": manifests}).to_string();
        self.0.push(("index.json".into(), index.into()));
        self
    }

    pub(crate) fn archive(&self) -> Vec<u8> {
        let mut tar = Tar::new().directory("blobs/");
        // The layout's own files last, as some tools write them.
        for (path, bytes) in self.0.iter().rev() {
            tar = tar.file(path, bytes);
        }
        tar.bytes()
    }

    /// The file of this path, to be spoilt.
    fn file(&mut self, path: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(known, _)| known.contains(path)).unwrap().1
    }

    fn import(&self) -> Result<Metadata, ImportError> {
        Shelf::new().import(&self.archive())
    }

    #[track_caller]
    fn fault(&self) -> BundleFault {
        match self.import() {
            Err(ImportError::Bundle(fault)) => fault,
            other => panic!("not refused as an image: {other:?}"),
        }
    }
}

pub(crate) fn layer(tar: Tar) -> (&'static str, Vec<u8>, Vec<u8>) {
    let plain = tar.bytes();
    (LAYER, plain.clone(), plain)
}

fn simple() -> Layout {
    let mut layout = Layout::new();
    let manifest = layout.image(&[layer(Tar::new().file("a", "x"))]);
    layout.index(&[manifest])
}

#[test]
fn layers_of_every_packing_are_put_upon_each_other() {
    let shelf = Shelf::new();
    let mut layout = Layout::new();
    let layers =
        [Tar::new().file("a", "1").file("b", "1"), Tar::new().file("b", "2"), Tar::new().file("c", "3")];
    let [one, two, three] = layers.map(Tar::bytes);
    let (gzipped, zipped) = (gzip(&two), zstd(&three));
    let mut manifest = layout.image(&[
        (LAYER, one.clone(), one),
        ("application/vnd.oci.image.layer.v1.tar+gzip", two, gzipped),
        ("application/vnd.oci.image.layer.v1.tar+zstd", three, zipped),
    ]);
    manifest["annotations"] = json!({REFERENCE: "example:1"});
    let metadata = shelf.import(&layout.index(std::slice::from_ref(&manifest)).archive()).unwrap();
    assert_eq!(
        (shelf.contents("a"), shelf.contents("b"), shelf.contents("c")),
        ("1".into(), "2".into(), "3".into())
    );
    assert_eq!(metadata.source.kind, SourceKind::Oci);
    assert_eq!(metadata.source.reference.as_deref(), Some("example:1"));
    assert_eq!(metadata.source.digest.unwrap().to_string(), manifest["digest"].as_str().unwrap());
    let environment = vec![("PATH".into(), "/bin".into()), ("EMPTY".into(), String::new())];
    let config = ImageConfig { environment, user: Some("app:app".into()), directory: Some("/srv".into()) };
    assert_eq!(metadata.config, config);
}

#[test]
fn a_layout_is_taken_from_a_folder_too() {
    let shelf = Shelf::new();
    for (path, bytes) in simple().0 {
        let path = shelf.path("source").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let metadata = shelf.import_path(&shelf.path("source"), &ImportOptions::default()).unwrap();
    assert_eq!(metadata.source.kind, SourceKind::Oci);
    assert_eq!(shelf.contents("a"), "x");
}

#[test]
fn a_blob_that_is_a_link_out_of_its_folder_is_not_followed() {
    let shelf = Shelf::new();
    for (path, bytes) in simple().0 {
        let path = shelf.path("source").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(shelf.path("elsewhere"), &bytes).unwrap();
        if path.ends_with("index.json") {
            std::os::unix::fs::symlink(shelf.path("elsewhere"), path).unwrap();
        } else {
            fs::write(path, bytes).unwrap();
        }
    }
    let refused = shelf.import_path(&shelf.path("source"), &ImportOptions::default());
    assert!(matches!(refused, Err(ImportError::Bundle(BundleFault::Read { .. }))), "{refused:?}");
}

#[test]
fn one_wrong_byte_anywhere_is_a_digest_mismatch() {
    let whole = simple();
    let blobs = whole.0.iter().filter(|(path, _)| path.starts_with("blobs/")).count();
    assert_eq!(blobs, 3, "configuration, layer, manifest");
    for number in 0..blobs {
        let mut spoilt = whole.clone();
        let (_, bytes) =
            spoilt.0.iter_mut().filter(|(path, _)| path.starts_with("blobs/")).nth(number).unwrap();
        // In a layer, within the zeros at its end, which no reader of the archive would look at.
        *bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(spoilt.fault(), BundleFault::DigestMismatch { .. }), "blob {number}");
    }
}

#[test]
fn a_layer_that_unpacks_to_something_else_is_a_digest_mismatch() {
    let mut layout = Layout::new();
    let packed = gzip(&Tar::new().file("a", "other").bytes());
    let manifest = layout.image(&[(LAYER, Tar::new().file("a", "meant").bytes(), packed)]);
    assert!(matches!(layout.index(&[manifest]).fault(), BundleFault::DigestMismatch { .. }));
}

#[test]
fn a_wrong_size_is_refused_even_with_the_right_digest() {
    let mut layout = Layout::new();
    let mut manifest = layout.image(&[layer(Tar::new().file("a", "x"))]);
    manifest["size"] = json!(manifest["size"].as_u64().unwrap() + 1);
    assert!(matches!(layout.index(&[manifest]).fault(), BundleFault::SizeMismatch { .. }));
}

#[test]
fn a_digest_that_is_none_or_a_path_is_refused() {
    for digest in ["sha512:00", "sha256:../../../outside/secret", "md5:d41d8cd98f00b204e9800998ecf8427e", ""]
    {
        let mut layout = Layout::new();
        let mut manifest = layout.image(&[]);
        manifest["digest"] = json!(digest);
        assert!(matches!(layout.index(&[manifest]).fault(), BundleFault::Digest(_)), "{digest}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let mut layout = simple();
    layout.0.retain(|(path, _)| !path.starts_with("blobs/"));
    assert!(matches!(layout.fault(), BundleFault::Missing(path) if path.starts_with("blobs/sha256/")));
}

#[test]
fn documents_that_make_no_sense_are_refused() {
    let mut layout = simple();
    *layout.file("index.json") = b"[".to_vec();
    assert!(matches!(layout.fault(), BundleFault::Malformed { .. }));
    *layout.file("index.json") = vec![b' '; 5 << 20];
    assert!(matches!(layout.fault(), BundleFault::LongDocument { .. }));
    *layout.file("oci-layout") = json!({"imageLayoutVersion": "2.0.0"}).to_string().into();
    assert!(matches!(layout.fault(), BundleFault::LayoutVersion(_)));
    let twice = Layout(simple().0.into_iter().cycle().take(8).collect());
    assert!(matches!(twice.fault(), BundleFault::Duplicate(_)));
}

#[test]
fn an_unknown_media_type_is_refused() {
    let mut layout = Layout::new();
    let plain = Tar::new().file("a", "x").bytes();
    let manifest = layout.image(&[("application/vnd.example.encrypted", plain.clone(), plain)]);
    assert!(matches!(layout.index(&[manifest]).fault(), BundleFault::UnknownMediaType(_)));
    let mut layout = Layout::new();
    let manifest = layout.document("application/vnd.example.manifest", &json!({}));
    assert!(matches!(layout.index(&[manifest]).fault(), BundleFault::UnknownMediaType(_)));
}

#[test]
fn a_layer_that_no_difference_belongs_to_is_refused() {
    let mut layout = Layout::new();
    let config = json!({"os": "linux", "architecture": architecture(), "rootfs": {"diff_ids": []}});
    let config = layout.document("application/vnd.oci.image.config.v1+json", &config);
    let layer = layout.blob(LAYER, &Tar::new().bytes());
    let manifest = layout.document(MANIFEST, &json!({"config": config, "layers": [layer]}));
    let fault = layout.index(&[manifest]).fault();
    assert!(matches!(fault, BundleFault::LayerCount { layers: 1, differences: 0 }));
}

#[test]
fn of_several_platforms_this_machines_is_taken() {
    let shelf = Shelf::new();
    let mut layout = Layout::new();
    let mut ours = layout.image(&[layer(Tar::new().file("ours", "x"))]);
    ours["platform"] = json!({"os": "linux", "architecture": architecture()});
    let mut theirs = layout.image(&[layer(Tar::new().file("theirs", "x"))]);
    theirs["platform"] = json!({"os": "linux", "architecture": "s390x"});
    let index = layout.document(INDEX, &json!({"manifests": [theirs, ours]}));
    shelf.import(&layout.index(&[index]).archive()).unwrap();
    assert!(shelf.has("ours") && !shelf.has("theirs"));
}

#[test]
fn an_image_for_another_machine_is_refused() {
    let mut layout = Layout::new();
    let mut manifest = layout.image(&[]);
    manifest["platform"] = json!({"os": "linux", "architecture": "s390x"});
    assert!(matches!(layout.index(&[manifest]).fault(), BundleFault::NoImage(_)));
    let mut layout = Layout::new();
    let config = json!({"os": "plan9", "architecture": "mips", "rootfs": {"diff_ids": []}});
    let config = layout.document("application/vnd.oci.image.config.v1+json", &config);
    let manifest = layout.document(MANIFEST, &json!({"config": config, "layers": []}));
    assert!(matches!(layout.index(&[manifest]).fault(), BundleFault::WrongPlatform { .. }));
}

#[test]
fn of_several_images_one_is_chosen_by_its_reference() {
    let mut layout = Layout::new();
    let named = |mut manifest: Value, name: &str| {
        manifest["annotations"] = json!({REFERENCE: name});
        manifest
    };
    let one = named(layout.image(&[layer(Tar::new().file("one", "x"))]), "one:1");
    let two = named(layout.image(&[layer(Tar::new().file("two", "x"))]), "two:2");
    let layout = layout.index(&[one, two]);
    assert!(matches!(layout.fault(), BundleFault::SeveralImages(names) if names == "one:1, two:2"));
    let chosen = |reference: &str| {
        let options = ImportOptions { reference: Some(reference.into()), ..ImportOptions::default() };
        let shelf = Shelf::new();
        shelf.import_with(&layout.archive(), &options).map(|_| shelf.has("two"))
    };
    assert!(chosen("two:2").unwrap());
    assert!(matches!(chosen("three:3"), Err(ImportError::Bundle(BundleFault::NoImage(_)))));
}

#[test]
fn indexes_that_lead_from_one_to_the_next_are_not_followed_for_ever() {
    let mut layout = Layout::new();
    let mut inner = layout.image(&[]);
    for _ in 0..5 {
        inner = layout.document(INDEX, &json!({"manifests": [inner]}));
    }
    assert!(matches!(layout.index(&[inner]).fault(), BundleFault::NestedIndexes));
}
