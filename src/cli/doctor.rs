//! `seqduel doctor`: the machine, its limits, where files go, and what may be wrong.

use super::{Format, Shared, output};
use crate::data::corpus;
use crate::measure::busy::{Disturbance, Watch};
use crate::measure::cores::{self, CoreDistance};
use crate::measure::machine::Machine;
use crate::measure::roofline::{self, Roofline};
use kernels::simd;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Look at the machine and say what may be wrong.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// What was found. `machine` is what an output directory's manifest holds.
#[derive(Debug, Serialize)]
struct Findings {
    machine: Machine,
    /// Vector instructions that this CPU has.
    simd_levels: Vec<&'static str>,
    roofline: Roofline,
    core_distance: Option<CoreDistance>,
    /// How the frequency of the first core is governed; `None` if the machine does not show it.
    governor: Option<String>,
    /// Programs that wanted a core, on average over 1, 5 and 15 minutes.
    load_average: Option<[f64; 3]>,
    /// What else took processor time while the limits were measured.
    others: Disturbance,
    corpora: Vec<CorpusFound>,
    writable: bool,
    advice: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CorpusFound {
    name: &'static str,
    path: String,
    is_there: bool,
}

/// Looks and prints; exit code 1 if something must be mended before measuring.
pub fn run(_args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let findings = look(shared.thread_count());
    match shared.format {
        Format::Json => output::print_json(&findings)?,
        format => output::print_rows(format, &["what", "found"], &rows(&findings), &())?,
    }
    for advice in &findings.advice {
        tracing::warn!("{advice}");
    }
    Ok(ExitCode::from(u8::from(!findings.writable)))
}

fn look(threads: usize) -> Findings {
    let machine = Machine::detect();
    let watch = Watch::start();
    let roofline = roofline::probe(threads);
    let others = watch.others();
    let core_distance = cores::distance();
    let corpora = corpora();
    let writable = tempfile::tempfile_in(Path::new(".")).is_ok();
    let mut advice = Vec::new();
    if machine.build == "debug" {
        advice.push("this is a debug build: build with --release before measuring".to_string());
    }
    if !writable {
        advice.push("the current directory cannot be written to: give --out DIR".to_string());
    }
    if !corpora.iter().any(|corpus| corpus.is_there) {
        advice.push(
            "no corpus is cached: `seqduel corpus fetch NAME` gets one, or give --corpus FILE; \
             experiments on tasks need none"
                .to_string(),
        );
    }
    if machine.simd.starts_with("portable") && machine.architecture == "x86_64" {
        advice.push("no AVX2 in use: everything runs several times slower".to_string());
    }
    if !simd::level().is_exact() {
        advice.push(
            "no fused multiply-adds in use: trained numbers differ in their last digits from those of \
             other CPUs, and `verify` cannot check them"
                .to_string(),
        );
    }
    if machine.available_bytes < 2 << 30 {
        advice.push("less than 2 GiB of memory are free: large models will be refused".to_string());
    }
    advice.extend(simd::override_problem());
    advice.extend(others.complaint());
    let governor = governor();
    if governor.as_deref() == Some("powersave") {
        advice.push(
            "the cores are governed to save power: timings may start slow; set the governor `performance` \
             before measuring"
                .to_string(),
        );
    }
    Findings {
        machine,
        simd_levels: simd::available().iter().map(|level| level.name()).collect(),
        roofline,
        core_distance,
        governor,
        load_average: load_average(),
        others,
        corpora,
        writable,
        advice,
    }
}

fn governor() -> Option<String> {
    let file = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    let name = std::fs::read_to_string(file).ok()?.trim().to_string();
    (!name.is_empty()).then_some(name)
}

fn load_average() -> Option<[f64; 3]> {
    cfg!(unix).then(|| {
        let load = sysinfo::System::load_average();
        [load.one, load.five, load.fifteen]
    })
}

/// Every named corpus and its place in the cache; none where there is no place for a cache.
fn corpora() -> Vec<CorpusFound> {
    let found = corpus::CORPORA.iter().filter_map(|row| {
        let (path, is_there) = corpus::path(row.name).ok()?;
        Some(CorpusFound {
            name: row.name,
            path: path.display().to_string(),
            is_there,
        })
    });
    found.collect()
}

fn rows(findings: &Findings) -> Vec<Vec<String>> {
    let Findings {
        machine, roofline, ..
    } = findings;
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let (memory, free) = (gib(machine.memory_bytes), gib(machine.available_bytes));
    let mut rows = Vec::new();
    let mut add = |what: &str, found: String| rows.push(vec![what.to_string(), found]);
    add("cpu", machine.cpu.clone());
    add("cores", machine.cores.to_string());
    add("memory", format!("{memory:.1} GiB, {free:.1} GiB free"));
    add(
        "system",
        format!("{}, {}", machine.os, machine.architecture),
    );
    let levels = findings.simd_levels.join(", ");
    let level = format!("{} in use, of {levels}", machine.simd);
    add("vector instructions", level);
    add("build", format!("{} {}", machine.version, machine.build));
    let rate = |flops: f64| format!("{:.1} GFLOP/s", flops / 1e9);
    let threads = format!("multiply-adds, {} threads", roofline.threads);
    add(&threads, rate(roofline.fma_flops));
    add("matrix product", rate(roofline.gemm_flops));
    for copy in &roofline.copy {
        let rate = format!("{:.1} GB/s", copy.bytes_per_second / 1e9);
        add(&format!("copy, {} KiB", copy.bytes >> 10), rate);
    }
    let unknown = || "not shown by this machine".to_string();
    let distance = findings.core_distance.as_ref();
    let apart = distance.map_or_else(unknown, |d| match d.pairs {
        1 => format!("{:.0} ns", d.median_ns),
        _ => format!(
            "{:.0} ns (median), {:.0} to {:.0} ns",
            d.median_ns, d.nearest_ns, d.farthest_ns
        ),
    });
    add("a cache line from core to core", apart);
    let governor = findings.governor.clone();
    add("frequency governor", governor.unwrap_or_else(unknown));
    let load = findings.load_average.map(|l| l.map(|l| format!("{l:.2}")));
    let load = load.map(|l| format!("{} (over 1, 5, 15 minutes)", l.join(", ")));
    add("load average", load.unwrap_or_else(unknown));
    let others = findings.others.others_cores;
    let busy = others.map(|used| format!("{used:.1} cores"));
    add("used by other programs now", busy.unwrap_or_else(unknown));
    for corpus in &findings.corpora {
        let state = if corpus.is_there { "here" } else { "not here" };
        let found = format!("{state}: {}", corpus.path);
        add(&format!("corpus {}", corpus.name), found);
    }
    let writable = if findings.writable { "yes" } else { "no" };
    add("current directory writable", writable.into());
    rows
}
