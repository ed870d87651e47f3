//! Stands in for `journalctl` in tests: says the lines of the file `said` beside the name it was
//! called by, from the cursor on that it is given, and follows without end if there is a file `on`.

use std::io::Write;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os();
    let own = PathBuf::from(arguments.next().ok_or("no name")?);
    let folder = own.parent().ok_or("no folder")?;
    let cursor = arguments
        .filter_map(|argument| argument.into_string().ok())
        .find_map(|argument| argument.strip_prefix("--after-cursor=").map(str::to_owned));
    let said = std::fs::read(folder.join("said"))?;
    let mut begun = cursor.is_none();
    let mut out = std::io::stdout().lock();
    for line in said.split_inclusive(|byte| *byte == b'\n') {
        if begun {
            out.write_all(line)?;
        }
        begun |= cursor.as_ref().is_some_and(|cursor| {
            String::from_utf8_lossy(line).contains(&format!("\"__CURSOR\":\"{cursor}\""))
        });
    }
    out.flush()?;
    while folder.join("on").exists() {
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    Ok(())
}
