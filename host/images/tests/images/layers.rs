//! Whiteouts: how a layer takes away what the ones below it brought.

use mimobox_images::{ImportError, MemberFault, Metadata};

use crate::oci::{Layout, layer};
use crate::packing::Tar;
use crate::shelf::Shelf;

fn import<const LAYERS: usize>(shelf: &Shelf, layers: [Tar; LAYERS]) -> Result<Metadata, ImportError> {
    let mut layout = Layout::new();
    let manifest = layout.image(&layers.map(layer));
    shelf.import(&layout.index(&[manifest]).archive())
}

fn lower() -> Tar {
    Tar::new().file("a/b", "lower").file("a/c/d", "lower").file("e", "lower")
}

#[test]
fn a_whiteout_takes_a_file_or_a_whole_directory_away() {
    let shelf = Shelf::new();
    let metadata = import(&shelf, [lower(), Tar::new().file("a/.wh.c", "").file(".wh.e", "")]).unwrap();
    assert!(shelf.has("a/b") && !shelf.has("a/c") && !shelf.has("e"));
    assert_eq!(metadata.entries, 2);
    assert!(!shelf.has(".wh.e") && !shelf.has("a/.wh.c"));
}

#[test]
fn a_whiteout_of_nothing_does_nothing() {
    let shelf = Shelf::new();
    import(&shelf, [lower(), Tar::new().file(".wh.x", "").file("x/y/.wh.z", "").file("e/.wh.z", "")])
        .unwrap();
    assert!(shelf.has("a/b") && shelf.has("e") && !shelf.has("x"));
}

#[test]
fn an_opaque_whiteout_leaves_what_its_own_layer_brought_in_any_order() {
    let opaque = "a/.wh..wh..opq";
    let orders = [
        Tar::new().file(opaque, "").file("a/c/new", "upper").file("a/new", "upper"),
        Tar::new().file("a/c/new", "upper").file("a/new", "upper").file(opaque, ""),
    ];
    for upper in orders {
        let shelf = Shelf::new();
        import(&shelf, [lower(), upper]).unwrap();
        assert_eq!((shelf.contents("a/new"), shelf.contents("a/c/new")), ("upper".into(), "upper".into()));
        assert!(!shelf.has("a/b") && !shelf.has("a/c/d") && shelf.has("e"));
    }
}

#[test]
fn an_opaque_root_hides_all_layers_below() {
    let shelf = Shelf::new();
    import(&shelf, [lower(), Tar::new().file(".wh..wh..opq", "").file("new", "upper")]).unwrap();
    assert!(shelf.has("new") && !shelf.has("a") && !shelf.has("e"));
}

#[test]
fn a_whiteout_does_not_take_away_what_its_own_layer_brought() {
    let shelf = Shelf::new();
    import(&shelf, [lower(), Tar::new().file("a/b", "upper").file("a/.wh.b", "")]).unwrap();
    assert_eq!(shelf.contents("a/b"), "upper");
}

#[test]
fn a_layer_replaces_files_directories_and_links_by_each_other() {
    let shelf = Shelf::new();
    let lower =
        Tar::new().file("file", "lower").file("directory/inner", "lower").symbolic_link("link", "directory");
    let upper = Tar::new().file("file/inner", "upper").symbolic_link("directory", "file").directory("link");
    assert!(import(&shelf, [lower, upper]).is_err(), "a file is no directory unless a layer says so");
    let lower =
        Tar::new().file("file", "lower").file("directory/inner", "lower").symbolic_link("link", "directory");
    let upper = Tar::new().directory("file").symbolic_link("directory", "file").directory("link");
    import(&shelf, [lower, upper.file("link/new", "upper")]).unwrap();
    assert!(shelf.root("file").is_dir());
    assert_eq!(std::fs::read_link(shelf.root("directory")).unwrap().to_str(), Some("file"));
    assert_eq!(shelf.contents("link/new"), "upper");
}

#[test]
fn a_whiteout_does_not_reach_out_of_the_root() {
    let shelf = Shelf::new();
    let outside = shelf.path("outside");
    let lower = Tar::new().symbolic_link("out", outside.to_str().unwrap());
    import(&shelf, [lower, Tar::new().file("out/.wh.secret", "").file("out/.wh..wh..opq", "")]).unwrap();
    for path in ["../.wh.secret", "a/../../.wh..wh..opq"] {
        assert!(matches!(
            import(&Shelf::new(), [Tar::new().file(path, "")]),
            Err(ImportError::Member { fault: MemberFault::Parent, .. })
        ));
    }
}

#[test]
fn a_whiteout_of_no_name_is_refused() {
    for name in [".wh.", ".wh..", ".wh..."] {
        let refused = import(&Shelf::new(), [lower(), Tar::new().file(&format!("a/{name}"), "")]);
        assert!(matches!(refused, Err(ImportError::Member { fault: MemberFault::Whiteout, .. })), "{name}");
    }
}

#[test]
fn what_another_driver_kept_for_itself_is_left_out() {
    let shelf = Shelf::new();
    import(&shelf, [Tar::new().directory(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "x").file("a", "x")])
        .unwrap();
    assert!(shelf.has("a") && !shelf.has(".wh..wh.plnk"));
}
