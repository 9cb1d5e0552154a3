#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares exobench results.

compare.py BASE.tsv OTHER.tsv        per-case ratio OTHER/BASE and their geometric mean
                                     (below 1: OTHER is faster)
compare.py --spread A.tsv B.tsv...   how far repeated runs of one system lie apart
"""

import argparse
import math
import sys

CONTROL = "control_"


def read_results(path):
    """Returns ({case: nanoseconds or None where it failed}, {remark: value}) of one file."""
    figures, remarks = {}, {}
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#"):
                remarks[fields[0][1:]] = "\t".join(fields[1:])
            elif len(fields) >= 3:
                figures[fields[0]] = None if fields[2] == "FAIL" else float(fields[2])
    return figures, remarks


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


def show(figure):
    return "FAIL" if figure is None else f"{figure:.1f}"


def compare(base_path, other_path, limit):
    base, _ = read_results(base_path)
    other, _ = read_results(other_path)
    ratios, failed = [], []
    print(f"{'case':24} {'base ns':>14} {'other ns':>14} {'ratio':>8}")
    for case in base:
        if case not in other:
            continue
        if base[case] and other[case]:
            ratio = other[case] / base[case]
            print(f"{case:24} {show(base[case]):>14} {show(other[case]):>14} {ratio:8.3f}")
            if not case.startswith(CONTROL):
                ratios.append(ratio)
        else:
            print(f"{case:24} {show(base[case]):>14} {show(other[case]):>14} {'-':>8}")
            failed.append(case)
    for case in sorted(set(base) ^ set(other)):
        print(f"{case:24} only in one file")
    if not ratios:
        print("no case in common")
        return 1
    mean = geometric_mean(ratios)
    print(f"geometric mean of {len(ratios)} ratios: {mean:.3f} "
          f"({sum(ratio < 1 for ratio in ratios)} faster, failed: {len(failed)})")
    return 1 if limit is not None and (mean > limit or failed) else 0


def spread(paths, limit):
    runs = [read_results(path)[0] for path in paths]
    worst = 0.0
    print(f"{'case':24} {'lowest ns':>14} {'highest ns':>14} {'spread %':>9}")
    for case in runs[0]:
        figures = [run.get(case) for run in runs]
        if None in figures:
            print(f"{case:24} failed in {figures.count(None)} of {len(runs)} runs")
            continue
        low, high = min(figures), max(figures)
        percent = 100 * (high - low) / low if low else 0.0
        worst = max(worst, percent)
        print(f"{case:24} {low:14.1f} {high:14.1f} {percent:9.3f}")
    print(f"largest spread: {worst:.3f} %")
    return 1 if limit is not None and worst > limit else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spread", action="store_true", help="compare runs of one system")
    parser.add_argument("--limit", type=float,
                        help="exit 1 if the mean ratio (or the spread in percent) is higher")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    if options.spread:
        return spread(options.files, options.limit)
    if len(options.files) != 2:
        parser.error("two files are needed")
    return compare(*options.files, options.limit)


if __name__ == "__main__":
    sys.exit(main())
