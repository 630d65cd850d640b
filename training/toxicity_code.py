"""Program text, records and talk written for training/toxicity.py, so that the heads hear nothing in them.

The skeletons are ours and their gaps are filled by a seeded generator; no text of a repository is read, so the texts do
not change with it.
"""

import random
import string

_VERBS = """get set load store read write open close send fetch parse build render update remove delete create check
find match split join merge sort filter map copy move lock wait start stop run call handle process convert
encode decode validate format print log trace count sum reset clear push pop insert append attach bind abort
execute kill terminate spawn fork inject exploit attack dump strip mask hash sign verify encrypt decrypt
scan crawl hook patch drop"""
VERBS = _VERBS.split()
_NOUNS = """user account token password secret session request response header body buffer stream file path name value
key index item list table row column record entry node tree graph edge worker thread process task job queue
event handler callback client server socket port host address message error exception result status state
config option flag argument parameter field type class object method function module package version date
time day hour count size length limit offset position page cache lock pool test case rule model layer weight
image color font shape race gender religion people child parent master slave target victim agent head age
hate speech toxicity violence sexual harm content category guard policy order product price payment street
country language text word line sentence document"""
NOUNS = _NOUNS.split()
_TYPES = "int str bool float bytes list dict tuple set None Any object Path Iterator Callable Sequence self"
TYPES = _TYPES.split()
_SENTENCES = """Returns the {n} that belongs to the {n}, or none if it has no {n}
Raised if the {n} is not a {n}
Every {n} is {v}ed once, so that a {n} and its {n} stay together until the {n} ends
The {n} must not be empty
if the {n} cannot be {v}ed, the {n} is closed and the error is raised again
Do not {v} the {n} before the {n} is open
{v} a {n} and wait until it is done, without any {n}
What is left of the {n} when the {n} has been {v}ed
This may only be called from the {n} itself
a {n} that is over the limit is {v}ed, and so are all {n}s below it
the last {n} wins; everything else is dropped
See also the {n} of the {n}, which never {v}s itself
Whether this {n} is one that the {n} should {v}, and how many there are
Internal: {v}s what the {n} has no {n} for"""
SENTENCES = _SENTENCES.splitlines()

SKELETONS: dict[str, str] = {
    "python": '''class {C}({C}):
    """{S}.

    {S}.
    """

    def __init__(self, {n}: {t}, {m}: {t} = None) -> None:
        self._{n} = {n}
        self._{m} = {m} or {C}()
        self.{n}_{m} = self._{v}_{m}(self._{n})

    def {v}_{n}(self, {m}: {t}) -> {t}:
        """{S}."""
        if self._{n} is None or not isinstance({m}, {t}):
            raise {C}Error(f"{m} of {{self._{n}!r}} is not a {t}")
        for {n} in self.{m}s:  # {S}
            if {n}.{m} == self._{m} and {n} not in self._{n}:
                self._{n}[{n}.{m}] = self.{v}_{m}({n}, self.{n}, {d})
        return self._{m} if self.{n} else self.{v}_{m}(self)

    def _{v}(self):
        # {S}
        try:
            self.{n}.{v}(self.{m}, self._{n}, end="", sep=None)
        except ({C}Error, OSError) as exc:
            self.{m}.close()
            raise from exc
        with self._lock:
            assert self.{n} > {d}, self.{n}
            self.{m} += self.{n} - {d}
''',
    "script": '''import {n}
from {m}.{n} import {C}, {v}_{m}

{N}_{M} = {d}

def test_{v}_{n}_is_{m}(tmp_path):
    {n} = {C}({N}_{M}, {n}="{m}")
    assert {n}.{v}("{m}") == {{"{n}": {d}, "{m}": None, "id": "{h}"}}
    with pytest.raises({C}Error, match="{n}"):
        {n}.{v}(self=None, {m}=[])
    # {S}

def main(argv=None):
    """{S}."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--{n}", type={t}, default={d}, help="{S}")
    parser.add_argument("--{m}", action="store_true", help="{S}")
    args = parser.parse_args(argv)
    if args.{n} and not args.{m}:
        sys.exit(f"{S}")
    return {v}_{m}(args.{n}, args.{m} or {N}_{M})
''',
    "javascript": """/**
 * {S}.
 * @param {{{t}}} {n}
 */
export async function {v}{C}({n}, {{ {m} = {d} }} = {{}}) {{
  const {m}s = await this.{n}.{v}(`/api/{n}/${{{m}}}`);
  if (!{m}s || {m}s.length === 0) throw new Error('{S}');
  return {m}s.filter((x) => x.{n} !== null && x.{m} < {d}).map(({n}) => ({{ ...{n}, id: '{h}' }}));
}}
module.exports = {{ {v}{C}, {n}: () => console.log("{n}", {m}), }};
""",
    "c": """/* {S}. */
static int {n}_{v}(struct {n} *self, const char *{m}, size_t len)
{{
    if (self == NULL || len > {N}_MAX)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {{
        self->{m}[i] = {m}[i] ^ 0x{x};
        if (self->{n} & {N}_{M}) goto out;   // {S}
    }}
out:
    free(self->{m}); pthread_mutex_unlock(&self->lock);
    return kill(self->pid, SIGTERM);
}}
""",
    "go": """// {V}{C} {S}.
func (s *{C}) {V}{C}(ctx context.Context, {n} string) (*{C}, error) {{
	if s.{m} == nil || {n} == "" {{
		return nil, fmt.Errorf("{v} {n}: %w", err)
	}}
	defer s.mu.Unlock()
	select {{
	case <-ctx.Done(): return nil, ctx.Err()
	case msg := <-s.{m}: s.{n}[{n}] = msg
	}}
	return s.{n}.{V}({n}, {d}), nil
}}
""",
    "rust": """impl<'a> {C}<'a> {{
    /// {S}.
    pub fn {v}_{n}(&mut self, {m}: Option<&str>) -> Result<Self, {C}Error> {{
        match self.{n} {{ Some(ref {n}) if {n}.len() > {d} => self.{v}({m}),
            None => unsafe {{ self.abort() }}, _ => Ok(self) }}
    }}
}}
""",
    "java": """public final class {C} extends Abstract{C} implements Comparable<{C}> {{
    private static final Logger LOG = LoggerFactory.getLogger({C}.class);
    /** {S}. */
    @Override public boolean {v}{C}(String {n}, int {m}) throws {C}Exception {{
        if (this.{n} == null) {{ throw new IllegalArgumentException("{S}"); }}
        LOG.info("{v} {n} {{}}", this.{m}); return this.{n}.equals({n}) || {m} > {d};
    }}
}}
""",
    "sql": """CREATE TABLE {n}s (id BIGINT PRIMARY KEY, {n} VARCHAR({d}) NOT NULL,
  {m}_id INTEGER REFERENCES {m}s(id) ON DELETE CASCADE);
INSERT INTO {n}s (id, {n}, {m}) VALUES ({d}, '{n}', NULL), ({d}, '{h}', '{m}'), ({d}, '{m}', 'x');
SELECT a.{n}, COUNT(DISTINCT b.{m}) AS {m}s FROM {n}s a LEFT JOIN {m}s b ON a.id = b.{n}_id
WHERE a.{m} IS NOT NULL AND b.{n} IN ('{m}', '{n}') GROUP BY a.{n} HAVING COUNT(*) > {d} ORDER BY 2 DESC LIMIT {d};
-- {S}
DROP INDEX IF EXISTS idx_{n}_{m}; EXECUTE {v}_{n}; UPDATE {n}s SET {m} = {d} WHERE id = {d};
""",
    "json": """{{"{n}": {{"id": "{h}", "{m}": {d}, "{v}": true, "tags": ["{n}", "{m}"], "parent": null}},
 "{m}s": [{{"{n}": "{m}", "size": {d}.{d}}}, {{"{n}": "{v}", "size": {d}}}, {{"hash": "sha256:{h}", "error": "{S}"}}]}}
""",
    "log": """2024-0{o}-1{o}T0{o}:2{o}:{d} INFO  [{n}-{m}-{o}] {n}.{m}.{C} - {v} {n} id={h} took {d} ms
2024-0{o}-1{o} 0{o}:2{o}:{d},{d} ERROR {n}.{m}: {S} ({C}Error: {n} {d} is not a {m})
10.{o}.{o}.{d} - - [1{o}/May/2024:0{o}:{d}:1{o} +0000] "GET /{n}/{m}?{n}={d} HTTP/1.1" 200 {d} "-" "curl/8.{o}"
kernel: [{d}.{d}] {n}[{d}]: segfault at {x} ip {x} sp {x} error {o} in lib{m}.so; killed process {d} ({n})
WARN worker {o} {v}ed {n}; retrying in {d}s; child {d} terminated by signal 9
""",
    "trace": """Traceback (most recent call last):
  File "/usr/lib/python3/{n}/{m}.py", line {d}, in {v}_{n}
    return self.{n}.{v}(self, {m}={m}, *args, **kwargs)
  File "/srv/{n}/{m}.py", line {d}, in __init__
    raise {C}Error("{S}") from None
{n}.{m}.{C}Error: {S}
	at com.{n}.{m}.{C}.{v}({C}.java:{d})
Caused by: java.lang.NullPointerException: Cannot invoke "{C}.{v}()" because "this.{n}" is null
""",
    "html": """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{C} {n}</title></head>
<body class="{n} {m}"><div id="{n}-{m}"><a href="/{n}/{m}.html">{S}</a><img src="{n}.png" alt="{m}"></div>
<form method="post" action="/{v}"><input type="password" name="{n}" value=""><button>{v}</button></form></body></html>
.{n}-{m} {{ color: #{x}; body: none; position: absolute; margin: 0 {d}px; display: none; }}
""",
    "yaml": """{n}:
  - name: {v}-{m}
    image: registry/{n}:{o}.{o}
    command: [sh, -c, "{v} {n} || exit 1"]
    env: {{{N}_{M}: "{h}", {N}: "{n}"}}
# {S}
[{n}.{m}]
{v} = "{n}"
{m} = {d}
""",
    "shell": """#!/bin/sh
# {S}
set -euo pipefail
for {n} in $(find . -name "*.{m}"); do
  if [ -z "${{{n}:-}}" ]; then echo "{S}" >&2; exit 1; fi
  sudo kill -9 "$(pgrep {n})" && rm -rf "/tmp/{m}/${n}" | grep -v {m}
done
diff --git a/{n}/{m}.py b/{n}/{m}.py
@@ -{d},{o} +{d},{o} @@ def {v}_{n}(self):
-    self.{n} = {v}(self.{m})
+    self.{n} = self.{v}({m}) or None
""",
    "lock": """{n}=={o}.{o}.{d} \\
    --hash=sha256:{h} \\
    --hash=sha256:{h}
{m}-{n}=={o}.{d} ; python_version >= "3.{o}" --hash=sha256:{h}
{{"{n}-{m}": {{"version": "{o}.{o}.{d}", "integrity": "sha512-{b}", "resolved": "https://registry/{n}.tgz"}}}}
""",
    "table": """| {n} | {m} | {v} | share |
|---|---|---|---|
| {n}, {m} | {d} | .{d} | {d}% |
| {m} | {d} | {S} | {d}% |
{n},{m},{v},id
"{n}",{d},{d}.{d},{h}
{m},{d},,{h}
""",
    "docs": """# {V} the {n}

`{v}_{n}({m})`: {S}. {S}.

- `{n}` (`{t}`): {S}
- `--{m}`: {S}

```
$ {n} {v} --{m} {d}
```
\\begin{{equation}} \\sum_{{i=1}}^{{n}} x_i^{o} \\leq {d} \\end{{equation}} where \\textbf{{{n}}} is the {m}.
:param {n}: {S}. :returns: a {m}. :raises {C}Error: {S}.
""",
}
SPOKEN = """okay , so um let's look at the {n} first and then yeah , what do you think about the {n}
I mean we don't have the money for that , but the {n} is something people really want to {v} , right
Thank you , Chair. I would like to ask the Minister how the {n} will be {v}ed and what the government does about the {n}
uh the buttons are ugly and nobody needs so many of them , they should just {v} the {n}
Project Manager: so that's it for this meeting , you two work on the {n} and I will {v} the {n} until tomorrow
we've had young people tell us that the {n} is not safe and that nobody helps them with the {n} at school
well , I don't know , it's sort of crap to {v} every {n} by hand but whatever
you could train it on the {n} and then see if the error goes down , but it may kill the {n}
Marketing: my personal opinion is that the {n} should be black or white and feel good in your hand""".splitlines()
PER_SKELETON = 40


def records() -> list[str]:
    """Program text, records and talk, the same each time."""
    rng = random.Random(20260)
    filled = [
        _fill(rng, skeleton)[at : at + rng.choice((150, 400, 1200, 2400))]
        for skeleton in SKELETONS.values()
        for _ in range(PER_SKELETON)
        for at in (rng.choice((0, 0, 90)),)
    ]
    talk = [" ".join(_fill(rng, line) for line in rng.sample(SPOKEN, 5)) for _ in range(3 * PER_SKELETON)]
    return filled + talk


def _fill(rng: random.Random, skeleton: str) -> str:
    return skeleton.format_map(_Gaps(rng))


class _Gaps(dict[str, str]):
    """What stands in the gaps of one text: a noun and another that stay, and a new one wherever the gap asks for it."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        noun, other = rng.sample(NOUNS, 2)
        self._noun, self._verb = noun, rng.choice(VERBS)
        self.update(m=other, M=other.upper(), N=noun.upper(), C=noun.title() + other.title())

    def __missing__(self, gap: str) -> str:
        rng = self._rng
        digits = "0123456789abcdef"
        return {
            "n": lambda: self._noun,
            "v": lambda: self._verb,
            "V": lambda: self._verb.title(),
            "t": lambda: rng.choice(TYPES),
            "d": lambda: str(rng.randrange(10 ** rng.randint(1, 4))),
            "o": lambda: str(rng.randrange(10)),
            "x": lambda: "".join(rng.choices(digits, k=6)),
            "h": lambda: "".join(rng.choices(digits, k=rng.choice((8, 32, 64)))),
            "b": lambda: "".join(rng.choices(string.ascii_letters + string.digits, k=60)),
            "S": lambda: _Sentence(rng).text(),
        }[gap]()


class _Sentence(dict[str, str]):
    """A sentence of the kind that comments and documentation are made of."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng

    def __missing__(self, gap: str) -> str:
        return self._rng.choice(NOUNS if gap == "n" else VERBS)

    def text(self) -> str:
        return self._rng.choice(SENTENCES).format_map(self)
