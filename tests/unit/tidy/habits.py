"""Habits that a program can check: line and file length, banned words with the replacement to use, headers that say
what they are for. Fails with every offending line."""
import pathlib
import re
import sys

LINE_MAX = 130
FILE_MAX = 620
FOLDERS = ("common", "ring", "erasure", "chunkserver", "metadata", "gateway", "tools", "tests")

# pattern -> (what to use instead, path prefixes where it is allowed)
BANNED = {
    r"std::this_thread::sleep": ("Clock::sleep", ("tools/bench", "tests/")),
    r"(steady|system)_clock::now\(": ("Clock", ("common/clock.cc", "common/log.cc", "tools/bench", "tests/")),
    r"\brand\(\)|std::random_device": ("Rng", ()),
    r"std::cout|std::cerr": ("LOG, or fmt::print in tools", ()),
    r"\bco_spawn\(": ("spawn, gather or run_on of common/async.h", ("common/", "tests/", "tools/bench")),
    r"using namespace ": ("qualified names", ("tests/",)),
    r"#include <(iostream|regex)>": ("fmt, or a small parser", ("tests/",)),
    r"#include <boost/asio\.hpp>": ("the single headers", ()),
    r"\b(TODO|FIXME|XXX|HACK)\b": ("an issue", ("tests/unit/tidy",)),
    r"catch \(\.\.\.\)": ("letting it escape to spawn()", ("common/async.cc", "tools/", "tests/")),
}


def problems(path, text):
    lines = text.splitlines()
    if len(lines) > FILE_MAX:
        yield f"{path}: {len(lines)} lines; the most is {FILE_MAX}"
    if path.endswith(".h") and "#pragma once" not in text:
        yield f"{path}: no #pragma once"
    if path.endswith(".h") and not path.startswith("tests/") and not lines[0].startswith("//"):
        yield f"{path}:1: a header opens with what it is for"
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX:
            yield f"{path}:{number}: {len(line)} columns; the most is {LINE_MAX}"
        if line.rstrip() != line:
            yield f"{path}:{number}: trailing white space"
        for pattern, (instead, allowed) in BANNED.items():
            if re.search(pattern, line) and not any(path.startswith(prefix) for prefix in allowed):
                yield f"{path}:{number}: use {instead}"


def main(root):
    bad = []
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in (".h", ".cc"):
                path = file.relative_to(root).as_posix()
                bad.extend(problems(path, file.read_text()))
    print("\n".join(bad) if bad else "the habits hold")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
