//! Makes the built binaries find libtorch from any directory, without `LD_LIBRARY_PATH`.
//!
//! torch-sys hands the library folder only to crates that depend on it directly, and only for
//! linking; the run path has to be emitted by the crate that links the final binary.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    // Set by `.cargo/config.toml` where the environment has none.
    let libtorch = env::var("LIBTORCH").unwrap_or_default();
    let lib = Path::new(&libtorch).join("lib");
    println!("cargo:rerun-if-changed={}", lib.display());
    let lib = match fs::canonicalize(&lib) {
        Ok(lib) if lib.join("libtorch_cpu.so").exists() => lib,
        _ => {
            eprintln!(
                "no libtorch in LIBTORCH={libtorch}: run `make setup`, which provides one (or \
                 checks the one that LIBTORCH names)"
            );
            process::exit(1);
        }
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    search_from_documentation_tests(&lib);
    if lib.join("libtorch_cuda.so").exists() {
        // Nothing refers to its symbols, yet loading it is what makes CUDA devices available.
        println!("cargo:rustc-link-arg=-L{}", lib.display());
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,--as-needed");
    }
}

/// The run path does not reach documentation tests; but cargo lets them search for libraries in
/// folders of its own, so one of those leads to libtorch.
fn search_from_documentation_tests(lib: &Path) {
    let link = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("libtorch");
    // A link from an earlier run may lead to another libtorch.
    let _ = fs::remove_file(&link);
    match symlink(lib, &link) {
        Ok(()) => println!("cargo:rustc-link-search=native={}", link.display()),
        Err(error) => println!("cargo:warning=no documentation tests: {error}"),
    }
}
