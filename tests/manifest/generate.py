#!/usr/bin/env python3
"""Writes random contracts with random described types as C++.

    generate.py SEED COUNT >contracts.hpp

Every contract is in a namespace of its own, c00, c01, …, and called svc."""

import random
import sys

SCALARS = ["bool", "std::int8_t", "std::int16_t", "std::int32_t", "std::int64_t", "std::uint8_t",
           "std::uint16_t", "std::uint32_t", "std::uint64_t", "float", "double", "std::string",
           "tenon::bytes", "std::array<std::byte, 3>", "std::vector<unsigned char>", "tenon::value",
           "std::chrono::system_clock::time_point", "std::chrono::milliseconds",
           "std::chrono::duration<double>", "std::byte", "long long", "signed char"]
LOOKS = [["bool"], ["std::int32_t", "double", "std::chrono::seconds"],
         ["std::string", "tenon::bytes", "std::chrono::system_clock::time_point"],
         ["std::vector<std::int32_t>", "std::tuple<bool, bool>", "std::array<float, 2>"],
         ["std::map<std::string, std::int64_t>"]]
WORDS = ["alpha", "beta", "gamma", "delta", "item", "order", "size", "next", "name", "value_",
         "type", "kind", "map", "list", "x", "y", "id", "_low", "camelCase", "string", "number"]
DOCS = ["Adds.", "Says \\\"hello\\\" and \\\\n.", "Two\\nlines.", "Übergrößen: 日本語 …",
        "A sentence that is so long that it has to be broken into several lines when it is "
        "written, because nobody can read it otherwise, can they?", "", "tab\\there?", "?\\?/ ?\\?= %s"]


class Contract:
    def __init__(self, rng, number):
        self.rng = rng
        self.space = f"c{number:02}"
        self.defined = []   # C++ names of structures and enumerations
        self.enums = []
        self.keys = {}      # structure: its members that compare with ==
        self.text = []

    def pick(self, choices):
        return self.rng.choice(choices)

    def chance(self, p):
        return self.rng.random() < p

    def type(self, depth=3):
        r = self.rng.random()
        if depth == 0 or r < 0.35:
            return self.pick(SCALARS)
        if r < 0.55 and self.defined:
            return self.pick(self.defined)
        inner = lambda: self.type(depth - 1)
        kind = self.rng.randrange(9)
        if kind == 0:
            return f"std::optional<{inner()}>"
        if kind == 1:
            return f"std::vector<{inner()}>"
        if kind == 2:
            return f"std::array<{inner()}, {self.rng.randint(1, 4)}>"
        if kind == 3:
            items = [inner() for _ in range(self.rng.randint(1, 3))]
            return f"std::tuple<{', '.join(items)}>"
        if kind == 4:
            return f"std::pair<{inner()}, {inner()}>"
        if kind == 5:
            keys = ["std::string", "std::int32_t", "std::uint8_t", "std::int64_t", "bool"]
            return f"std::map<{self.pick(keys + self.enums)}, {inner()}>"
        if kind == 6:
            return self.plain_variant()
        if kind == 7:
            return self.tagged_variant(depth)
        return f"std::unordered_map<std::string, {inner()}>"

    # Alternatives that all look different.
    def plain_variant(self):
        looks = self.rng.sample(LOOKS, self.rng.randint(1, len(LOOKS)))
        items = [self.pick(look) for look in looks]
        structures = [d for d in self.defined if d not in self.enums]
        if structures and not any("map" in i for i in items) and self.chance(0.5):
            items.append(self.pick(structures))
        # Nothing and an optional look alike.
        if self.chance(0.4) and not any(i.startswith("std::optional") for i in items):
            items.insert(0, "std::monostate")
        return f"std::variant<{', '.join(items)}>"

    # Alternatives of different names, of which some look alike.
    def tagged_variant(self, depth):
        names = ["std::int8_t", "std::uint16_t", "std::int64_t", "double", "std::string",
                 "std::chrono::seconds", "tenon::value", "std::optional<std::string>",
                 "std::optional<std::int16_t>", "std::vector<bool>", "std::tuple<float>",
                 "std::map<std::string, double>", "std::variant<bool, std::string>"]
        plain = [d for d in self.defined if "<" not in d and "::" not in d]
        items = self.rng.sample(names, self.rng.randint(2, 4))
        by_name = {i.split("<")[0]: i for i in items}  # one of a kind
        items = list(by_name.values())
        items += self.rng.sample(plain, min(len(plain), self.rng.randint(0, 3)))
        if self.chance(0.3) and not any(i.startswith("std::optional") for i in items):
            items.insert(self.rng.randrange(len(items)), "std::monostate")
        return f"std::variant<{', '.join(items)}>"

    def names(self, most):
        return self.rng.sample(WORDS, self.rng.randint(1, most))

    def define_enum(self, name):
        underlying = self.pick(["", " : std::int8_t", " : std::uint64_t", " : std::int64_t"])
        numbers = {"": [0, 1, 2, 3, 70000, -4], " : std::int8_t": [-128, 127, 5, 6, 7],
                   " : std::uint64_t": ["18446744073709551615u", 0, 1, 2, 3, 4],
                   " : std::int64_t": ["INT64_MIN", "INT64_MAX", -1, 0, 1]}[underlying]
        entries = self.names(5)
        values = self.rng.sample(numbers, len(entries)) if self.chance(0.6) else None
        body = ", ".join(e if values is None else f"{e} = {v}"
                         for e, v in zip(entries, values or entries))
        self.text.append(f"enum class {name}{underlying} {{ {body} }};\n"
                         f"TENON_ENUM({name}, {', '.join(entries)})\n")
        return name

    def define_struct(self, name, described=None, scope=""):
        described = described or name
        lines, marks, keys = [], [], []
        fields = self.names(5) if self.chance(0.95) else []
        for field in fields:
            if field == name:
                continue
            spelled, brackets = self.type(), ""
            if self.chance(0.15):
                spelled = self.pick([f"std::vector<{described}>", f"std::map<int, {described}>",
                                     f"std::optional<std::vector<{described}>>"])
            elif self.chance(0.08):
                spelled, brackets = self.pick(["unsigned char", "int", "double"]), "[2][3]"
            elif spelled in SCALARS:
                keys.append(field)
            # Where a member is called like a type, types are spelled in full.
            spelled = self.full(spelled, fields)
            lines.append(f"    {spelled} {field}{brackets};\n")
            marks.append(f"({field}, defaulted)" if self.chance(0.2) else field)
        self.text.append(f"struct {name} {{\n{''.join(lines)}}};\n")
        self.text.append(f"TENON_STRUCT({', '.join([described] + marks)})\n")
        self.keys[scope + described] = keys
        return described

    def full(self, spelled, _):
        for d in sorted(self.defined, key=len, reverse=True):
            if "::" in d or "<" in d:
                continue
            parts, out = spelled.split(d), ""
            for i, part in enumerate(parts):
                out += part
                if i + 1 == len(parts):
                    break
                before = out[-1:] if out else " "
                after = parts[i + 1][:1]
                alone = not (before.isalnum() or before in "_:") and \
                    not (after.isalnum() or after in "_:<" and after)
                out += f"::{self.space}::{d}" if alone else d
            spelled = out
        return spelled

    def define_types(self):
        for name in self.rng.sample(["item", "order", "side", "level", "tree", "name", "box_int",
                                     "thing_2", "limits", "int32", "map"],
                                    self.rng.randint(2, 8)):
            if self.chance(0.3):
                self.enums.append(self.define_enum(name))
                self.defined.append(name)
            else:
                self.defined.append(self.define_struct(name))
        if self.chance(0.5):  # a second type of a name
            name = self.pick([d for d in self.defined])
            self.text.append("namespace inner {\n")
            self.define_struct(name, scope="inner::")
            self.text.append("}\n")
            self.defined.append(f"inner::{name}")
        if self.chance(0.4):  # a template
            self.text.append("template <class T>\nstruct box {\n    T content;\n    int n;\n};\n"
                             "TENON_STRUCT(box<int>, content, n)\n"
                             "TENON_STRUCT(box<std::string>, content, (n, defaulted))\n")
            self.defined += ["box<int>", "box<std::string>"]

    def default_of(self, spelled):
        simple = {"bool": ["true", "false"], "std::int32_t": ["7", "-1"], "double": ["0.5", "1e300"],
                  "std::int64_t": ["INT64_MIN", "9007199254740993"], "std::string":
                  ['"EUR"', '"a\\"b\\\\\\n"', 'std::string("\\0x", 2)'],
                  "std::uint64_t": ["UINT64_MAX", "0"],
                  "tenon::bytes": ["tenon::bytes(3)"], "std::vector<std::int32_t>":
                  ["tenon::value::list({1, 2})", "tenon::value::list({})"],
                  "std::map<std::string, std::int64_t>":
                  ['tenon::value::object({{")json\\"", 1}})', "tenon::value::object({})"],
                  "std::chrono::milliseconds": ["1.5", "std::chrono::milliseconds(20)"]}
        return self.pick(simple[spelled]) if spelled in simple and self.chance(0.5) else None

    # What is said of one direction with values of this type.
    def flow(self, spelled):
        calls = []
        queue = f", {self.rng.randint(1, 99)}" if self.chance(0.5) else ""
        if self.keys.get(spelled) and self.chance(0.7):
            key = f"{self.full(spelled, [])}::{self.pick(self.keys[spelled])}"
            calls.append(f".latest(&{key}{queue})")
        elif self.chance(0.5):
            policy = self.pick(["block", "drop_new", "drop_old", "latest", "fail"])
            calls.append(f".overflow(tenon::overflow::{policy}{queue})")
        if self.chance(0.4):
            calls.append(f".window({self.rng.randint(1, 5000)})")
        return calls

    # A source, sink or channel: its type, and what describe says of its flow.
    def stream(self, params):
        values = lambda: self.pick(self.defined) if self.chance(0.5) else self.type()
        up, down = values(), values()
        kind = self.pick(["source", "sink", "channel"])
        if kind == "source":
            return f"tenon::source<{down}({', '.join(params)})>", self.flow(down)
        if kind == "channel":
            flow = ([".up()"] + self.flow(up) if self.chance(0.5) else []) + \
                ([".down()"] + self.flow(down) if self.chance(0.5) else [])
            return f"tenon::channel<{', '.join([up, down] + params)}>", flow
        reply = ["void"] if params or self.chance(0.2) else []
        reply = [self.type()] if self.chance(0.5) else reply
        return f"tenon::sink<{', '.join([up] + reply + params)}>", self.flow(up)

    def write(self):
        self.define_types()
        members, entries, described = [], [], []
        for method in self.rng.sample([w for w in WORDS if w != "svc"] + ["svc", "describe_it"],
                                      self.rng.randint(1, 5)):
            params = []
            for name in self.rng.sample(WORDS + ["class", "int", "dash-ed"], self.rng.randint(0, 4)):
                views = ["std::string_view", "tenon::bytes_view", "std::monostate",
                         "std::vector<std::int32_t>", "std::map<std::string, std::int64_t>"]
                params.append((self.pick(views) if self.chance(0.2) else self.type(), name))
            result = "void" if self.chance(0.2) else self.type()
            plain = [d for d in self.defined if "<" not in d]
            errors = self.rng.sample(plain, min(len(plain), self.pick([0, 0, 1, 2])))
            signature = f"{result}({', '.join(t for t, _ in params)})"
            kinds = ", ".join([signature] + errors)
            spelled, flow = f"tenon::method<{kinds}>", []
            is_stream = self.chance(0.4)
            if is_stream:
                spelled, flow = self.stream([t for t, _ in params])
            members.append(f"    {self.full(spelled, [])} {method};\n")
            named = [n for _, n in params]
            entries.append(f"({', '.join([method] + named)})" if named and self.chance(0.9)
                           else method)
            calls = []
            if self.chance(0.5):
                calls.append(f'.doc("{self.pick(DOCS)}")')
            flags = ("blocking",) if is_stream else ("idempotent", "blocking", "serial")
            calls += [f".{f}()" for f in flags if self.chance(0.2)]
            if is_stream and errors:
                calls.append(f".errors<{self.full(', '.join(errors), [])}>()")
            if self.chance(0.1):
                calls.append(".codec(tenon::codec::json)")
            if self.chance(0.2):
                calls.append(f".priority(tenon::priority::{self.pick(['low', 'normal', 'high'])})")
            for t, n in params if "(" in entries[-1] else []:
                default = self.default_of(t)
                if default:
                    calls.append(f'.default_value("{n}", {default})')
            calls += flow
            if calls:
                described.append(f"        d[&self::{method}]{''.join(calls)};\n")
        doc = f'        d.doc("{self.pick(DOCS)}");\n' if self.chance(0.7) else ""
        describe = ""
        if doc or described:
            describe = ("    static void describe(tenon::description<struct svc>& d) {\n"
                        f"        using self [[maybe_unused]] = struct svc;\n{doc}"
                        f"{''.join(described)}    }}\n")
        return (f"namespace {self.space} {{\n{''.join(self.text)}"
                f"struct svc {{\n{''.join(members)}{describe}}};\n"
                f'TENON_INTERFACE(svc, "{self.space}", "svc", "1.2.3-rc.{self.rng.randrange(9)}", '
                f"{', '.join(entries)})\n}}\n")


def main():
    rng = random.Random(int(sys.argv[1]))
    headers = ["array", "chrono", "map", "optional", "string", "tuple", "unordered_map", "variant",
               "vector"]
    print("\n".join(f"#include <{h}>" for h in headers))
    print('#include "tenon/contract.hpp"\n#include "tenon/stream_members.hpp"\n'
          '#include "tenon/struct.hpp"\n')
    for number in range(int(sys.argv[2])):
        print(Contract(rng, number).write())


main()
