//! A province's files in the tree that clusters are kept by: its overlay, its entry of the directory, its door for
//! Flux. Argo CD finds the folder by itself.
//!
//! It writes nothing that is there already and touches no other province's file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use domain::Jurisdiction;

use crate::arguments::Onboard;
use crate::exit::Exit;
use crate::output::Output;

/// What is written, where.
const FILES: [(&str, &str); 4] = [
    ("kustomize/overlays/pt/{code}/kustomization.yaml", include_str!("onboard/overlay.yaml")),
    ("kustomize/overlays/pt/{code}/identity.yaml", include_str!("onboard/identity.yaml")),
    ("kustomize/registry/jurisdictions/{code}.yaml", include_str!("onboard/jurisdiction.yaml")),
    ("deploy/flux/clusters/prod/pt-{code}.yaml", include_str!("onboard/flux.yaml")),
];

/// The one file that lists others: kustomize finds none by itself.
const LIST: &str = "kustomize/registry/jurisdictions/kustomization.yaml";

pub fn run(output: &Output, what: &Onboard) -> Result<Exit> {
    let written = write(what)?;
    let written: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    if !output.json(&written)? {
        for path in &written {
            output.line(path);
        }
    }
    Ok(Exit::Fine)
}

/// Writes the files and returns their paths.
fn write(what: &Onboard) -> Result<Vec<PathBuf>> {
    let code = Jurisdiction::parse(&what.code)?;
    for word in [&what.name_en, &what.name_fr, &what.login] {
        let is_plain = |c: char| c.is_alphanumeric() || " -.'’&,".contains(c);
        ensure!(
            !word.is_empty() && word.chars().all(is_plain),
            "{word:?} holds what does not belong into a name"
        );
    }
    let fill = |text: &str| {
        text.replace("{code}", &code.lower())
            .replace("{CODE}", code.as_str())
            .replace("{en}", &what.name_en)
            .replace("{fr}", &what.name_fr)
            .replace("{login}", &what.login)
    };
    let list = what.tree.join(LIST);
    let listed = fs::read_to_string(&list)
        .with_context(|| format!("{} is not the tree that clusters are kept by", what.tree.display()))?;
    let files = FILES.map(|(path, text)| (what.tree.join(fill(path)), fill(text)));
    if let Some((there, _)) = files.iter().find(|(path, _)| path.exists()) {
        bail!("{} is there already", there.display());
    }
    let mut written = Vec::new();
    for (path, text) in files {
        make_folder_of(&path)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    fs::write(&list, with_line(&listed, &format!("- {}.yaml", code.lower())))?;
    written.push(list);
    Ok(written)
}

fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().context("a file stands in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Adds a line to the list at the end of the text, in order.
fn with_line(text: &str, line: &str) -> String {
    let (head, mut items): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| !line.starts_with("- "));
    items.push(line);
    items.sort_unstable();
    items.dedup();
    [head, items].concat().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn onboard(tree: &Path, code: &str) -> Onboard {
        Onboard {
            code: code.to_owned(),
            name_en: "British Columbia".to_owned(),
            name_fr: "Colombie-Britannique".to_owned(),
            login: format!("login.{}.example", code.to_ascii_lowercase()),
            tree: tree.to_owned(),
        }
    }

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let list = tree.path().join(LIST);
        make_folder_of(&list).unwrap();
        fs::write(list, "kind: Kustomization\nresources:\n- phac.yaml\n- reader.yaml\n").unwrap();
        tree
    }

    #[test]
    fn what_it_writes_is_what_stands_in_the_tree() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let tree = tree();
        for path in write(&onboard(tree.path(), "BC")).unwrap() {
            let relative = path.strip_prefix(tree.path()).unwrap();
            if relative != Path::new(LIST) {
                let written = fs::read_to_string(&path).unwrap();
                let standing = fs::read_to_string(repository.join(relative)).unwrap();
                assert_eq!(written, standing, "{}", relative.display());
            }
        }
        let list = fs::read_to_string(tree.path().join(LIST)).unwrap();
        assert_eq!(list, "kind: Kustomization\nresources:\n- bc.yaml\n- phac.yaml\n- reader.yaml\n");
    }

    #[test]
    fn nothing_that_is_there_is_touched() {
        let tree = tree();
        write(&onboard(tree.path(), "zz")).unwrap();
        let error = write(&onboard(tree.path(), "ZZ")).unwrap_err();
        assert!(error.to_string().contains("is there already"), "{error}");
    }

    #[test]
    fn what_would_break_the_files_is_refused() {
        let tree = tree();
        assert!(write(&onboard(tree.path(), "o/n")).is_err());
        assert!(write(&Onboard { name_en: "\"}".to_owned(), ..onboard(tree.path(), "zz") }).is_err());
    }
}
