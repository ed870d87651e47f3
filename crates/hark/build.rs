//! Puts the functions that an agent uses all the time side by side in the program, where the linker can.
//!
//! The system maps a program in stretches of some sixteen pages, so that what is used and lies scattered over
//! fourteen megabytes takes several of them in each agent's memory. `agent-first.ld` names it. Whether the
//! linker understands that is tried with an empty program: without it all is the same, but larger in memory.
//!
//! Names of functions are left out of what is shipped, unless `HARK_SYMBOLS` is set in the environment.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const ORDER: &str = "agent-first.ld";

/// Keeps the names of functions in the program, and has the linker say where it has put what: for
/// scripts/order-agent.
const SYMBOLS: &str = "HARK_SYMBOLS";

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={SYMBOLS}");
    let is = |name: &str, value: &str| env::var_os(name).is_some_and(|found| found == value);
    // What is shipped; the others are for tests, and linked often.
    if !(is("OPT_LEVEL", "s") && is("CARGO_CFG_TARGET_OS", "linux")) {
        return;
    }
    match (env::var_os(SYMBOLS), env::var_os("OUT_DIR")) {
        (Some(_), Some(out)) => {
            let map = PathBuf::from(out).join("hark.map");
            println!("cargo::rustc-link-arg-bins=-Wl,-Map={}", map.display());
        }
        _ => println!("cargo::rustc-link-arg-bins=-Wl,--strip-all"),
    }
    let Some(folder) = env::var_os("CARGO_MANIFEST_DIR") else { return };
    let order = PathBuf::from(folder).join(ORDER);
    let argument = format!("-Wl,-T,{}", order.display());
    if is_understood(&argument) == Some(true) {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

/// Links an empty program with `argument`, as this one will be linked.
fn is_understood(argument: &str) -> Option<bool> {
    let out = PathBuf::from(env::var_os("OUT_DIR")?);
    let program = out.join("empty.rs");
    std::fs::write(&program, "fn main() {}\n").ok()?;
    let mut rustc = Command::new(env::var_os("RUSTC")?);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = OsString::from("-Clinker=");
        option.push(linker);
        rustc.arg(option);
    }
    let flags = env::var_os("CARGO_ENCODED_RUSTFLAGS")?.into_string().ok()?;
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    rustc.arg("--target").arg(env::var_os("TARGET")?).arg("--out-dir").arg(&out);
    rustc.arg(format!("-Clink-arg={argument}")).arg(&program);
    let status = rustc.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    Some(status.ok()?.success())
}
