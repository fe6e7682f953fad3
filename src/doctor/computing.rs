//! libtorch, the model, and whether the processor keeps up.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tch::{Device, Kind, Tensor};

use super::Finding;
use crate::SAMPLE_RATE_HZ;
use crate::devices::realtime;
use crate::model::cost::Cost;
use crate::model::denormals::flush_denormals;
use crate::model::{Model, locate};

/// Two seconds of audio tell enough.
const FRAMES: usize = 200;
const WARM_UP_FRAMES: usize = 50;
/// Real-time threads must rest, as the worker does between frames.
const PAUSE: Duration = Duration::from_millis(2);
/// With less time to spare than this share of a frame, other programs make it stutter.
const COMFORTABLE: f64 = 0.5;

/// The library that this program has loaded, and whether it computes.
pub fn libtorch() -> Finding {
    const AREA: &str = "libtorch";
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let library = maps.lines().find_map(|line| {
        line.split_whitespace()
            .last()
            .filter(|p| p.contains("libtorch_cpu"))
    });
    let place = library
        .and_then(|path| Path::new(path).parent())
        .map_or_else(|| "linked in".into(), |folder| folder.display().to_string());
    let ones = Tensor::f_ones([64, 64], (Kind::Float, Device::Cpu));
    let product = ones.and_then(|ones| ones.f_matmul(&ones)?.f_sum(Kind::Float));
    match product.and_then(f64::try_from) {
        Ok(sum) if sum == 64.0 * 64.0 * 64.0 => Finding::good(AREA, format!("works ({place})")),
        other => Finding::problem(
            AREA,
            format!("the library in {place} miscalculates: {other:?}"),
            "delete .libtorch and run `make setup` again, or check LIBTORCH",
        ),
    }
}

/// Real-time priority, the weights and their cost, on a thread like the worker's.
pub fn worker(named: Option<&Path>, tell: &mut impl FnMut(Finding)) {
    let examined = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut findings = vec![realtime()];
            model(named, &mut |finding| findings.push(finding));
            findings
        });
        worker.join()
    });
    match examined {
        Ok(findings) => findings.into_iter().for_each(tell),
        Err(_) => tell(Finding::problem(
            "model",
            "the check itself failed; the message above says why",
            "report it as a bug",
        )),
    }
}

/// Loads the weights and measures them.
fn model(named: Option<&Path>, tell: &mut impl FnMut(Finding)) {
    const AREA: &str = "model";
    let path = locate::chosen(named);
    let loaded = path.and_then(|path| Ok((Model::load(&path, Device::Cpu)?, path)));
    match loaded {
        Err(error) => tell(Finding::problem(
            AREA,
            format!("{error:#}"),
            "name a file with --model or in the configuration, or install the shipped weights again",
        )),
        Ok((model, path)) => {
            let millions = model.weight_count() as f64 / 1e6;
            let what = format!("{} ({millions:.2} M weights)", path.display());
            tell(Finding::good(AREA, what));
            tell(headroom(&model));
        }
    }
}

fn headroom(model: &Model) -> Finding {
    flush_denormals();
    tch::set_num_threads(1);
    let mut stream = model.stream();
    Cost::measure(&mut stream, WARM_UP_FRAMES, 1, PAUSE);
    let cost = Cost::measure(&mut stream, FRAMES, 1, PAUSE);
    let frame_ms = 1e3 * stream.frame_samples() as f64 / f64::from(SAMPLE_RATE_HZ);
    judge(frame_ms, cost.frame_cpu_ms, cost.percentile_ms(0.99))
}

/// Of processor time and of the wall-clock time that 99 % of the frames do not exceed.
fn judge(frame_ms: f64, frame_cpu_ms: f64, frame_p99_ms: f64) -> Finding {
    const AREA: &str = "headroom";
    let what = format!(
        "a frame of {frame_ms:.0} ms takes {frame_cpu_ms:.2} ms of processor time, 99 % are done \
         within {frame_p99_ms:.1} ms"
    );
    if frame_cpu_ms > frame_ms {
        let remedy = "this processor is too slow for these weights: choose lighter ones, such as --model light";
        Finding::problem(AREA, what, remedy)
    } else if frame_p99_ms > COMFORTABLE * frame_ms {
        let remedy = "close what keeps the processor busy, see that it does not save power \
                      (`powerprofilesctl set performance`), or choose --model light";
        Finding::warning(AREA, what, remedy)
    } else {
        Finding::good(AREA, what)
    }
}

/// Asks for real-time priority, for the rest of this thread.
fn realtime() -> Finding {
    const AREA: &str = "real time";
    match realtime::promote_current_thread() {
        Ok(()) => Finding::good(AREA, "the worker gets real-time priority"),
        Err(error) => Finding::warning(
            AREA,
            format!("{error:#}"),
            "install rtkit (Debian: `apt install rtkit`), then log in again; without it audio \
             works, but may stutter on a busy machine",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn headroom_is_judged_by_what_the_worker_needs() {
        for (frame_ms, cpu_ms, p99_ms, verdict) in [
            (10.0, 0.5, 0.7, Verdict::Good),
            (10.0, 0.5, 8.0, Verdict::Warning),
            (10.0, 12.0, 13.0, Verdict::Problem),
            (5.0, 6.0, 7.0, Verdict::Problem),
        ] {
            let finding = judge(frame_ms, cpu_ms, p99_ms);
            assert_eq!(finding.verdict, verdict);
            assert_eq!(finding.remedy.is_some(), verdict != Verdict::Good);
        }
    }
}
