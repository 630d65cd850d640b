#!/bin/sh
# Prints the Python to make .venv with: the first of those here that is 3.11 or later and can make one, or a later one if
# that is at least a tenth faster. Builds of one version differ by a third (profile-guided optimisation), and what the
# gateway costs a request with them.
best=python3
least=
for python in python3 /usr/local/bin/python3 /usr/bin/python3; do
    took=$("$python" - 2>/dev/null <<'END'
import ensurepip, sys, time, venv

assert sys.version_info >= (3, 11)


class Pair:
    def __init__(self, left, right):
        self.left, self.right = left, right

    def sum(self):
        return self.left + self.right


def work():
    kept, total = {}, 0
    for number in range(30_000):
        pair = Pair(number, number + 1)
        total ^= pair.sum() + len(f"{number}:{total}")
        kept[number & 255] = (pair, total)


def timed():
    began = time.process_time()
    work()
    return time.process_time() - began


print(int(min(timed() for _ in range(7)) * 1e6))
END
    ) || continue
    if [ -z "$least" ] || [ $((took * 10)) -lt $((least * 9)) ]; then
        best=$python
        least=$took
    fi
done
echo "$best"
