//! The data folder: layout, format, lock.

use super::*;
use crate::engine::Put;

fn options(path: &Path) -> DataFolderOptions {
    DataFolderOptions {
        path: path.to_owned(),
        log_cache_bytes: 64 * 1024 * 1024,
        state_cache_bytes: 64 * 1024 * 1024,
    }
}

fn open(path: &Path) -> Result<DataFolder, StorageError> {
    DataFolder::open(options(path))
}

#[test]
fn folder_is_made_with_those_above_it_and_keeps_what_is_flushed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/journeyd-data");
    let data = open(&path).unwrap();
    assert_eq!(data.path(), path);
    let puts = |size_bytes| [Put::set("a", vec![7; size_bytes])];
    data.log()
        .tree("raft")
        .unwrap()
        .put_ordered(&puts(LOG_VALUE_SIZE_BYTES_MAX))
        .unwrap();
    data.state()
        .tree("p1")
        .unwrap()
        .put_ordered(&puts(STATE_VALUE_SIZE_BYTES_MAX))
        .unwrap();
    data.log().flush_durable().unwrap();
    data.state().flush_durable().unwrap();
    data.verify().unwrap();
    drop(data);
    let format = fs::read_to_string(path.join("FORMAT")).unwrap();
    assert_eq!(format, "journeyd data format 1\n");
    let data = open(&path).unwrap();
    assert_eq!(data.log().tree_names(), ["raft"]);
    assert_eq!(data.state().tree_names(), ["p1"]);
}

#[test]
fn second_opening_is_told_that_the_folder_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let data = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    let own_id = std::process::id();
    assert!(
        matches!(&error, StorageError::InUse { path, process_id } if path == folder.path() && *process_id == Some(own_id)),
        "{error}"
    );
    let message = error.to_string();
    assert!(
        message.contains(&format!("(process id {own_id})")),
        "{message}"
    );
    drop(data);
    open(folder.path()).unwrap();
}

#[test]
fn later_format_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("FORMAT"), "journeyd data format 2\n").unwrap();
    let message = open(folder.path()).unwrap_err().to_string();
    let expected = "has data format 2, and this release reads up to 1; start the release that wrote it, or a later one";
    assert!(message.ends_with(expected), "{message}");
    assert!(!folder.path().join(LOG).exists());
}

#[test]
fn folder_that_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(LOG)).unwrap();
    let message = open(folder.path()).unwrap_err().to_string();
    assert!(
        message.contains("it holds log and no FORMAT file"),
        "{message}"
    );
    fs::write(folder.path().join("FORMAT"), [0xff, 0xfe]).unwrap();
    let message = open(folder.path()).unwrap_err().to_string();
    assert!(
        message.contains("its FORMAT file names no version"),
        "{message}"
    );
    assert_eq!(fs::read_dir(folder.path().join(LOG)).unwrap().count(), 0);
}

#[test]
fn crash_before_the_format_is_written_does_not_block_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("FORMAT.half"), "journ").unwrap();
    drop(open(folder.path()).unwrap());
    open(folder.path()).unwrap();
}

#[test]
fn path_that_is_a_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "x").unwrap();
    let message = open(&path).unwrap_err().to_string();
    assert!(message.contains(&*path.to_string_lossy()), "{message}");
}

#[test]
fn folder_that_lost_a_database_is_refused_rather_than_founded_anew() {
    for name in [LOG, STATE] {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()).unwrap());
        fs::remove_dir_all(folder.path().join(name)).unwrap();
        let message = open(folder.path()).unwrap_err().to_string();
        let expected = format!("says that data was written, and {name}/db is missing");
        assert!(message.contains(&expected), "{message}");
        assert!(!folder.path().join(name).exists());
    }
}

#[test]
fn crash_while_the_databases_are_made_does_not_block_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let (format, begun) = (folder.path().join(FORMAT), folder.path().join(FORMAT_BEGUN));
    fs::rename(&format, &begun).unwrap();
    fs::remove_dir_all(folder.path().join(STATE)).unwrap();
    open(folder.path()).unwrap();
    assert!(format.exists() && !begun.exists());
}
