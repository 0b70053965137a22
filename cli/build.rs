//! Links the program so that a process that does little holds little memory.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        // Relocations as a bitmap: otherwise every process reads megabytes of them at its start. A linker that does not
        // know the option ignores it.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
