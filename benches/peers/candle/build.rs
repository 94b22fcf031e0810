//! Hands the version of candle in Cargo.lock to the program.

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = std::fs::read_to_string("Cargo.lock").expect("Cargo.lock is beside Cargo.toml");
    let mut lines = lock.lines();
    lines.find(|line| *line == "name = \"candle-core\"");
    let version = lines.next().and_then(|line| line.split('"').nth(1));
    println!(
        "cargo::rustc-env=CANDLE_VERSION={}",
        version.unwrap_or("unknown")
    );
}
