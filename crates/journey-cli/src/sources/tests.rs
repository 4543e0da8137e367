//! Which files paths name.

use std::path::{Path, PathBuf};

use super::{FILES_MAX, for_model, read};

fn write(folder: &Path, names: &[&str]) {
    for name in names {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("# {name}")).unwrap();
    }
}

/// Names of what was read, below the folder.
fn names(folder: &Path, paths: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let below = |name: &str| {
        let name = Path::new(name).strip_prefix(folder).unwrap();
        name.display().to_string()
    };
    Ok(read(paths)?.iter().map(|file| below(&file.name)).collect())
}

#[test]
fn folders_give_their_yaml_in_name_order() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(
        root,
        &[
            "b.yaml",
            "a.yml",
            "notes.txt",
            "c/z.yaml",
            "c/d/y.yml",
            "README",
        ],
    );
    let found = names(root, &[root.to_path_buf()]).unwrap();
    assert_eq!(found, ["a.yml", "b.yaml", "c/d/y.yml", "c/z.yaml"]);
}

#[test]
fn a_named_file_is_read_whatever_its_ending() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, &["notes.txt", "a.yaml"]);
    let paths = [root.join("notes.txt"), root.join("a.yaml")];
    assert_eq!(names(root, &paths).unwrap(), ["notes.txt", "a.yaml"]);
    let files = read(&paths).unwrap();
    let sources = for_model(&files);
    assert_eq!(sources.len(), 2);
    assert_eq!(
        (&sources[0].name, &sources[0].text),
        (&files[0].name, &"# notes.txt".to_owned())
    );
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, &["notes.txt"]);
    let missing = read(&[root.join("none.yaml")]).unwrap_err().to_string();
    assert!(missing.ends_with("none.yaml does not exist"), "{missing}");
    let empty = read(&[root.to_path_buf()]).unwrap_err().to_string();
    assert!(empty.starts_with("no .yaml or .yml file there"), "{empty}");
}

#[test]
fn a_file_that_is_not_utf8_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.yaml");
    std::fs::write(&path, b"title: caf\xe9").unwrap();
    let refused = format!("{:#}", read(&[path]).unwrap_err());
    assert!(
        refused.contains("latin.yaml") && refused.contains("UTF-8"),
        "{refused}"
    );
}

#[test]
fn a_mistaken_folder_is_not_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..=FILES_MAX).map(|n| format!("{n}.yaml")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    write(folder.path(), &names);
    let refused = read(&[folder.path().to_path_buf()])
        .unwrap_err()
        .to_string();
    assert_eq!(refused, "more than 1000 files; name a smaller folder");
}
