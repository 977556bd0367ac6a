"""safetensors files, with headers in all the ways of JSON, right ones and wrong ones (SPEC 14.4)."""

from __future__ import annotations

import base64
from random import Random

Place = tuple[dict[str, bytes], str]
"""Files by their paths, and the one that is named."""


def one(data: bytes) -> Place:
    """One file."""
    return {"host.bin": data}, "host.bin"


def safetensors(random: Random, box: bytes, broken: bool) -> Place:
    """A safetensors file, with its header written in all the ways of JSON."""
    text = base64.b64encode(box).decode()
    data = b"\0" * 8

    def spaces() -> str:
        return random.choice(("", "", " ", "\n", "\t\r"))

    name = random.choice(('"jellyformat"', '"jellyformat"', '"\\u006aellyformat"', '"jelly\\u0066ormat"'))
    other = random.choice(
        (
            '"format":"pt"',
            '"a":"}\\"{"',
            '"é":"\\ud83d\\ude00"',
            '"\\ud800":"x"',
            '"n":[1,{"x":-0.5e+3}]',
            '"":""',
            '"__proto__":"x"',
        )
    )
    weight = random.choice(('"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}', '"w":null', '"__metadata":{}'))
    fill = random.choice(("~", "!", "~~~", "!~!", "" if random.random() < 0.5 else "~"))
    value = f'"{text}{fill}"'
    if broken:
        value = random.choice(
            (
                f'"{text[:-1]}{fill}"', f'"{text}A{fill}"', f'"{text}====~"', f'"{text[:8]}\\n{text[8:]}~"', "1",
                "null", '""', '"~"', f'"~{text}"', f'"{text} ~"', '"AAAA"', '"AAAA~"',
                f'"{text[:-4]}AB==~"', f'"{text.replace("+", "-").replace("/", "_")}~"', '["x"]', f'"{text}\\u007e"',
                f'"{text}\\u0021"', '"\\u0000~"',
            )
        )  # fmt: skip
    member = f"{name}{spaces()}:{spaces()}{value}"
    if random.random() < 0.3:
        begin = random.choice((0, 8))
        size = len(box)
        offsets = f"[{begin},{begin + size}]"
        shape = f"[{size}]"
        if broken:
            offsets = random.choice(
                (
                    f"[{begin},{begin + size + 1}]",
                    f"[{begin + 1},{begin + size}]",
                    "[0,8]",
                    "[-1,5]",
                    "[0]",
                    f"[0.0,{size}]",
                    f'["0",{size}]',
                    f"[1e0,{size}]",
                    f"[{begin},{begin + size},0]",
                    "[1,0]",
                    f"[00,{size}]",
                    f"[ 0 , {size} ]",
                )
            )
            shape = random.choice(
                (
                    shape,
                    shape,
                    f"[{size}.0]",
                    f"[{size},1]",
                    "[]",
                    f"[{size}e0]",
                    f'["{size}"]',
                    f"[-{size}]",
                    f"[{size - 1}]",
                    "[-0]",
                )
            )
        dtype = random.choice(("U8", "U8", "U\\u0038")) if not broken else random.choice(("U8", "U8", "I8", "u8", ""))
        parts = [f'"dtype":"{dtype}"', f'"shape":{shape}', f'"data_offsets":{offsets}']
        random.shuffle(parts)
        if broken and random.random() < 0.2:
            parts.append(random.choice(('"more":1', parts[0])))
        json = "{" + ",".join([name + ":{" + ",".join(parts) + "}", '"__metadata__":{' + other + "}", weight]) + "}"
        data = (b"\0" * begin + box + data) if random.random() < 0.5 else b"\0" * begin + box
    else:
        inner = [member, other]
        random.shuffle(inner)
        outer = [
            random.choice(('"__metadata__"', '"__metadat\\u0061__"'))
            + spaces()
            + ":"
            + spaces()
            + "{"
            + spaces()
            + ",".join(inner)
            + "}",
            weight,
        ]
        random.shuffle(outer)
        json = spaces() * broken + "{" + f"{spaces()},{spaces()}".join(outer) + "}" + spaces() * 3
    if broken and random.random() < 0.5:
        json = random.choice(
            (
                json[:-1], json + "x", json.replace(":", "", 1), json.replace('"w"', "w"), json + "\0",
                json.replace("}", ",}", 1), json.replace("{", "[", 1), json[:1] + '"jellyformat":{},' + json[1:],
                json[:1] + '"__metadata__":{},' + json[1:], "{" + json + "}", json.replace("pt", "p\nt"),
                json.replace("pt", "\\x"), json.replace("pt", "\\ud800"), json[:1] + '"a":01,' + json[1:],
                json[:1] + '"a":NaN,' + json[1:], json[:1] + '"a":-,' + json[1:],
                json[:1] + '"a":' + "[" * 300 + "]" * 300 + "," + json[1:], json[:1] + '"a":1.,' + json[1:],
                json[:1] + '"a":1e999,' + json[1:],
                "\ufeff" + json, json[:1] + '"a":"\x7f\u2028",' + json[1:], json[:1] + '"a":.5,' + json[1:],
                json[:1] + '"a":+1,' + json[1:], json[:1] + '"a":Infinity,' + json[1:],
                json[:1] + '"a":nil,' + json[1:],
                json[:1] + '"__metadata__":[],' + json[1:], json[:1] + '"\\u005f_metadata__":null,' + json[1:],
                json[:1] + '"a":"\\u00zz",' + json[1:], json[:1] + "\x0b" + json[1:], json[:1] + "\xa0" + json[1:],
            )
        )  # fmt: skip
    raw = json.encode("utf-8", "surrogatepass")
    if broken and random.random() < 0.1:
        raw = raw.replace(b"pt", b"\xff\xfe")
    length = (
        len(raw)
        if not broken or random.random() < 0.95
        else random.choice((1, 2, 100_000_001, len(raw) + 1, len(raw) - 1))
    )
    return one(length.to_bytes(8, "little") + raw + data)
