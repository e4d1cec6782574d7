//! What `image` prints: for programs as `image.json` has it, for people in fewer words.
//!
//! An image's maker chose its variables, its user and its reference; no terminal obeys them.

use mimobox_images::{Altered, ListedImage, Metadata, Skipped};
use serde::Serialize;

use crate::output::Table;
use crate::quantity::Size;

/// Of a digest, to tell images apart by the eye.
const SHORT_DIGEST: usize = "sha256:".len() + 12;

/// All images, as `list --json` prints them.
#[derive(Serialize)]
pub(super) struct List<'a> {
    images: Vec<&'a Metadata>,
    /// What can't be used and should be removed.
    unusable: Vec<Unusable<'a>>,
}

#[derive(Serialize)]
struct Unusable<'a> {
    name: &'a str,
    message: String,
}

/// What `remove --json` prints.
#[derive(Serialize)]
pub(super) struct Removed<'a> {
    pub(super) removed: &'a str,
}

impl<'a> List<'a> {
    pub(super) fn new(listed: &'a [ListedImage]) -> Self {
        let mut list = Self { images: Vec::new(), unusable: Vec::new() };
        for ListedImage { name, metadata } in listed {
            match metadata {
                Ok(metadata) => list.images.push(metadata),
                Err(error) => {
                    list.unusable.push(Unusable { name: name.as_str(), message: error.to_string() })
                }
            }
        }
        list
    }

    /// One line for each image.
    pub(super) fn table(&self) -> Table<6> {
        let head = ["NAME", "SIZE", "ENTRIES", "FROM", "CREATED", "DIGEST"].map(str::to_owned);
        let row = |image: &&Metadata| {
            let digest = image.digest.to_string();
            [
                image.name.clone(),
                Size(image.bytes).to_string(),
                image.entries.to_string(),
                image.source.kind.name().to_owned(),
                image.created.clone(),
                digest.get(..SHORT_DIGEST).unwrap_or(&digest).to_owned(),
            ]
        };
        Table(std::iter::once(head).chain(self.images.iter().map(row)).collect())
    }

    /// A remark for each that can't be used.
    pub(super) fn remarks(&self) -> impl Iterator<Item = &str> {
        self.unusable.iter().map(|image| image.message.as_str())
    }
}

/// All that is known about an image.
pub(super) fn details(image: &Metadata) -> Table<2> {
    let Metadata { name, digest, source, created, entries, bytes, skipped, altered, config, .. } = image;
    let mut rows = vec![
        ["name".into(), name.clone()],
        ["digest".into(), digest.to_string()],
        ["from".into(), source.kind.name().into()],
        ["created".into(), created.clone()],
        ["holds".into(), format!("{} in {entries} entries", Size(*bytes))],
    ];
    let mut further = |label: &str, text: String| rows.push([label.to_owned(), text]);
    if let Some(reference) = &source.reference {
        further("reference", escaped(reference));
    }
    if let Some(digest) = &source.digest {
        further("source digest", digest.to_string());
    }
    if let Some(left_out) = left_out(skipped) {
        further("left out", left_out);
    }
    if let Some(changed) = changed(altered) {
        further("changed", changed);
    }
    if let Some(user) = &config.user {
        further("user", escaped(user));
    }
    if let Some(directory) = &config.directory {
        further("directory", escaped(directory));
    }
    for (name, value) in &config.environment {
        further("variable", format!("{}={}", escaped(name), escaped(value)));
    }
    Table(rows)
}

fn left_out(skipped: &Skipped) -> Option<String> {
    let Skipped { devices, pipes, sockets, mounts } = *skipped;
    counted(&[(devices, "devices"), (pipes, "pipes"), (sockets, "sockets"), (mounts, "mounted file systems")])
}

fn changed(altered: &Altered) -> Option<String> {
    let Altered { privileges, owners } = *altered;
    counted(&[(privileges, "set-user-id or set-group-id bits dropped"), (owners, "owners made nobody")])
}

fn counted(counts: &[(u64, &str)]) -> Option<String> {
    let words: Vec<_> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn escaped(text: &str) -> String {
    text.escape_debug().to_string()
}
