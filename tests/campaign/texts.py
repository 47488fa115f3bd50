"""Ways to change text files: YAML and lists."""

import yaml
from campaign.mutations import change_json, damage

ODD_YAML = {
    "aliases": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefghi", "bcdefghij")),
    "an alias of itself": "&a [*a]\n",
    "a mapping of itself": "&a {batch_size: *a}\n",
    "merged aliases": "a: &a {k0: 1}\n" + "".join(f"m{i}: &m{i} {{<<: [*a, *a]}}\n" for i in range(50)),
    "deep lists": "[" * 20_000,
    "deep lists, closed": "k0: " + "[" * 3000 + "]" * 3000,
    "deep mappings": "".join(" " * i + "a:\n" for i in range(1500)),
    "deep, in a line": "- " * 3000 + "x",
    "many digits": "k0: 1" + "0" * 6000 + "\n",
    "many digits, sixty to one": "k0: " + ":".join(["59"] * 3000) + "\n",
    "many hexadecimal digits": "k0: 0x" + "f" * 6000 + "\n",
    "many digits of a float": "c: 1" + "0" * 6000 + ".0\n",
    "k0 of 2**63": "k0: 9223372036854775808\n",
    "seed of 2**63": "seed: 9223372036854775808\n",
    "a tag": "!!python/object/apply:os.system ['gs']\n",
    "a tag of a value": "k0: !!python/name:os.system\n",
    "an unknown tag": "k0: !x 3\n",
    "a binary": "description: !!binary aGVsbG8=\n",
    "a date": "seed: 2020-13-45\n",
    "a true date": "seed: 2020-10-10\n",
    "empty values": "k0:\nseed:\nloss:\n",
    "an empty value": "batch_size:\n",
    "a list": "- 1\n- 2\n",
    "a word": "hello\n",
    "nothing": "",
    "two documents": "k0: 3\n---\nk0: 4\n",
    "NUL": "k0: 3\0\n",
    "tabs": "k0:\t3\n\tk1: 3\n",
    "a byte order mark": "\ufeffk0: 3\n",
    "control characters": 'data: "\\e[31mred\\n"\n',
    "a key of control characters": '"\\e[31mred\\n": 3\n',
    "keys that are no texts": "1: 2\nnull: 3\n",
    "a list as a key": "? [a, b]\n: 3\n",
    "a mapping as a key": "? {a: b}\n: 3\n",
    "a set": "!!set {k0, k1}\n",
    "twice": "k0: 3\nk0: 4\n",
    "half a character": 'data: "\\ud800"\n',
    "infinity": "learning_rate: .inf\n",
    "no number": "learning_rate: .nan\n",
    "tiny": "learning_rate: 1.0e-400\n",
    "true": "batch_size: true\n",
    "a long text": "description: " + "x" * 100_000 + "\n",
    "a long unknown key": "x" * 100_000 + ": 3\n",
    "a long wrong value": "loss: " + "x" * 100_000 + "\n",
}


def change_yaml(rng, text):
    """Change a YAML text of settings; returns what, and bytes."""
    way = rng.choice(("odd", "odd", "odd", "values", "values", "bytes", "Latin-1", "UTF-16"))
    if way == "odd":
        what = rng.choice(sorted(ODD_YAML))
        return what, ODD_YAML[what].encode()
    if way == "values":
        what, settings = change_json(rng, yaml.safe_load(text))
        return what, yaml.safe_dump(settings).encode(errors="surrogatepass")
    if way == "bytes":
        return damage(rng, text.encode())
    return way, ("# é\n" + text).encode(way)
