//! The project: what is written, and where.

/// A C program of one file, and how it is made.
pub(crate) struct Project {
    name: String,
    folder: String,
}

const MAIN: &str = r#"#include <stdio.h>

int main(void) {
    puts("hello from @NAME@");
    return 0;
}
"#;

const MAKEFILE: &str = "CFLAGS = -O2 -Wall -Wextra\n\n@NAME@: main.c\n\t$(CC) $(CFLAGS) -o $@ $<\n";

impl Project {
    /// One of this name, which becomes a file's name and stands in a makefile.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let fits = |character: char| character.is_ascii_alphanumeric() || character == '_';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(format!("{name:?} is no name for a program: letters, digits and underscores"));
        }
        Ok(Self { name: name.to_owned(), folder: format!("/home/sandbox/{name}") })
    }

    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    /// The path of each file, and what is in it.
    pub(crate) fn files(&self) -> [(String, String); 2] {
        [("main.c", MAIN), ("Makefile", MAKEFILE)]
            .map(|(file, content)| (format!("{}/{file}", self.folder), content.replace("@NAME@", &self.name)))
    }

    /// The path of what is built.
    pub(crate) fn program(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::Project;

    #[test]
    fn name_that_would_mean_something_to_make_or_to_a_path_is_refused() {
        for name in ["", "a b", "../a", "$(shell id)", "a:b", "ä"] {
            assert!(Project::new(name).is_err(), "{name}");
        }
        assert!(Project::new("hello_2").is_ok());
    }
}
