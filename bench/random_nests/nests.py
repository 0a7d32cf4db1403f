"""Random programs of one statement, such as users make up, as trees of formulas with what they cost at least.

A formula is a tuple: ("read", text, dims, gathers), ("number", text), ("call", fn, args), ("op", sign, a, b),
("where", condition as text, its dims, a, b) or ("reduce", op, dims, body). `Nest` draws one statement over such a
formula; `text()` writes its program and `work()` counts its operations by the rate they have (see roofline.py): each
part of the formula over its own dims, products that are summed in the cheapest order of their factors.
"""
import itertools
import math

BYTES = {"f32": 4, "f64": 8, "bf16": 2, "i32": 4}
DEAR = ["exp", "log", "sqrt", "tanh", "sigmoid", "erf", "sin", "cos", "/", "**", "//", "%"]
MOST_BYTES = 48e6  # all inputs and the output
MOST_POINTS = 6e7


def dims_of(formula):
    kind = formula[0]
    if kind == "read": return formula[2]
    if kind == "number": return frozenset()
    if kind == "reduce": return dims_of(formula[3]) - set(formula[2])
    if kind == "where": return formula[2] | dims_of(formula[3]) | dims_of(formula[4])
    return frozenset().union(*map(dims_of, parts_of(formula)))


def parts_of(formula):
    kind = formula[0]
    if kind in ("read", "number"): return ()
    return formula[3:] if kind in ("where", "reduce") else formula[2] if kind == "call" else formula[2:]


def factors_of(formula):
    return factors_of(formula[2]) + factors_of(formula[3]) if formula[:2] == ("op", "*") else [formula]


def printed(formula):
    kind = formula[0]
    if kind in ("read", "number"): return formula[1]
    if kind == "call": return f"{formula[1]}({', '.join(map(printed, formula[2]))})"
    if kind == "op": return f"({printed(formula[2])} {formula[1]} {printed(formula[3])})"
    if kind == "where": return f"where({formula[1]}, {printed(formula[3])}, {printed(formula[4])})"
    return f"{formula[1]}[{', '.join(formula[2])}]({printed(formula[3])})"


class Nest:
    """What is drawn from `random`: dims and their extents, inputs as (name, dims, type), and the formula `body`."""

    def __init__(self, random):
        self.random = random
        while not self.draw(): pass

    def draw(self):
        random = self.random
        self.type = random.choices(list(BYTES), [70, 10, 12, 8])[0]
        self.results = [f"o{i}" for i in range(random.choice([1, 2, 2, 2, 3, 3, 4]))]
        self.reduced = [f"r{i}" for i in range(random.choice([0, 0, 1, 1, 1, 2, 2, 3]))]
        self.op = random.choice(["sum"] * 12 + ["max"] * 3 + ["min", "prod", "mean", "argmax", "argmin"])
        if self.type in ("i32", "bf16") and self.op == "mean": self.op = "sum"
        if self.op.startswith("arg"): self.reduced = self.reduced[:1]
        self.extents, self.inputs = self.draw_extents(), []
        operands = self.draw_operands()
        self.body = self.draw_body(operands)
        if self.reduced: self.body = ("reduce", self.op, tuple(self.reduced), self.body)
        return self.points(self.results + self.reduced) <= MOST_POINTS and self.bytes() <= MOST_BYTES

    def draw_extents(self):
        """Extents of the dims of the loops, of a volume that is drawn first; some of the reduced ones are few taps."""
        random, extents = self.random, {}
        volume = math.exp(random.uniform(math.log(2e3), math.log(4e7)))
        self.taps = [r for r in self.reduced if random.random() < 0.4]
        for r in self.taps: extents[r] = random.choice([2, 3, 3, 4, 5, 7])
        if self.op == "prod":  # of few, since others are 0 or infinite
            extents.update({r: random.randint(2, 5) for r in self.reduced})
        rest = [d for d in self.results + self.reduced if d not in extents]
        shares = [random.uniform(0.4, 1.6) for _ in rest]
        volume /= math.prod(extents.values())
        for dim, share in zip(rest, shares):
            extent = max(2, round(max(2.0, volume) ** (share / sum(shares))))
            unit = random.choice([1, 1, 1, 8, 16, 32])
            extents[dim] = extent // unit * unit if extent >= 2 * unit else extent
        return extents

    def draw_operands(self):
        """One to four reads of inputs of their own, which together use all dims."""
        random, every = self.random, self.results + self.reduced
        count = random.choice([1, 1, 2, 2, 2, 3, 4])
        subsets = [set(random.sample(every, random.randint(1, min(4, len(every))))) for _ in range(count)]
        for dim in every:
            if not any(dim in s for s in subsets): random.choice(subsets).add(dim)
        return [self.draw_read(f"x{i}", sorted(s)) for i, s in enumerate(subsets)]

    def new_dim(self, extent):
        name = f"t{sum(d[0] == 't' for d in self.extents)}"
        self.extents[name] = max(1, extent)
        return name

    def draw_read(self, name, over):
        """A read of a new input along the dims `over`, some of them through windows, strides, shifts or data."""
        random, extents = self.random, self.extents
        random.shuffle(over)
        left, dims, indices, gathers = list(over), [], [], 0
        windows = [d for d in over if d in self.taps]
        pad = " pad 0" if random.random() < 0.5 else ""
        while left:
            dim = left.pop(0)
            extent, kind = extents[dim], random.random()
            tap = next((w for w in windows if w in left), None)
            if tap and dim not in self.taps and kind < 0.8:
                left.remove(tap)
                step, dilation = random.choice([1, 1, 2]), random.choice([1, 1, 1, 2])
                reach = step * (extent - 1) + dilation * (extents[tap] - 1) + 1
                shift = extents[tap] // 2 if pad else 0
                times = lambda by, name: f"{by}*{name}" if by > 1 else name
                place = f"{times(step, dim)} + {times(dilation, tap)}" + (f" - {shift}" if shift else "")
                dims.append(self.new_dim(reach - 2 * shift))
                indices.append(f"{dims[-1]}: {place}{pad}")
            elif kind < 0.72 or dim in self.taps:
                dims.append(dim)
            elif kind < 0.78:
                dims.append(self.new_dim(2 * extent))
                indices.append(f"{dims[-1]}: 2*{dim}{random.choice(['', ' + 1'])}")
            elif kind < 0.84 and pad:
                dims.append(self.new_dim(extent))
                indices.append(f"{dims[-1]}: {dim} {random.choice('+-')} {random.randint(1, 3)}{pad}")
            elif kind < 0.88:
                dims.append(self.new_dim(extent))
                indices.append(f"{dims[-1]}: {extent - 1} - {dim}")
            elif kind < 0.92:
                dims.append(self.new_dim((extent + 1) // 2))
                indices.append(f"{dims[-1]}: {dim} // 2")
            elif kind < 0.96 and not gathers:
                dims.append(self.new_dim(max(2, round(extent * random.choice([0.1, 1, 2])))))
                self.inputs.append((f"at_{name}", [dim], "i32"))
                indices.append(f"{dims[-1]}: at_{name}")
                gathers = self.points(over) if not left else extent
            else:
                dims.append(dim)
        if not pad: indices = [i.replace(" pad 0", "") for i in indices]
        self.inputs.append((name, dims, self.type))
        text = f"{name}[{', '.join(indices)}]" if indices else name
        return ("read", text, frozenset(over), gathers)

    def number(self):
        return ("number", str(self.random.randint(1, 5)) if self.type == "i32"
                else self.random.choice(["0.5", "1.5", "0.1", "2.0"]))

    def positive(self, formula):
        return ("op", "+", ("call", "abs", (formula,)), ("number", "0.1"))

    def apply(self, formula):
        """An elementwise function, a cheap or a dear one."""
        random = self.random
        kinds = ["scale", "scale", "clamp", "abs", "guard", "guard", "sign"]
        if self.type != "i32":
            kinds += "square exp exp tanh sigmoid divide sqrt log erf sin power".split()
        kind = random.choice(kinds)
        if kind == "scale": return ("op", "*", formula, self.number())
        if kind == "clamp": return ("call", random.choice(["max", "min"]), (formula, self.number()))
        if kind == "abs": return ("call", "abs", (formula,))
        if kind == "square": return ("op", "*", formula, formula)
        if kind == "divide": return ("op", "/", formula, self.positive(formula))
        if kind == "power": return ("op", "**", self.positive(formula), ("number", "1.5"))
        if kind in ("sqrt", "log"): return ("call", kind, (self.positive(formula),))
        if kind == "guard": return self.guard(formula)
        if kind == "sign":
            return ("where", f"{printed(formula)} > {0 if self.type == 'i32' else '0.0'}", dims_of(formula), formula,
                    ("op", "*", formula, self.number()))
        return ("call", kind, (formula,))

    def guard(self, formula):
        """The formula where a condition about dims holds, else another value."""
        random, every = self.random, self.results + self.reduced
        a, b = random.choice(every), random.choice(every)
        text, dims = random.choice([(f"{a} <= {b}", {a, b}), (f"{a} < {self.extents[a] // 2}", {a}),
                                    (f"({a} + {b}) % 2 == 0", {a, b}), (f"{a} != {b}", {a, b})])
        other = random.choice([("number", "0" if self.type == "i32" else "0.0"), self.number()])
        return ("where", text, frozenset(dims), formula, other)

    def draw_body(self, operands):
        random = self.random
        parts = [self.apply(o) if random.random() < 0.25 else o for o in operands]
        body = parts[0]
        for part in parts[1:]:
            sign = random.choice(["*"] * 6 + ["+", "+", "-", "-", "max"] + (["/"] if self.type != "i32" else []))
            if sign == "max": body = ("call", "max", (body, part))
            elif sign == "/": body = ("op", "/", body, self.positive(part))
            else: body = ("op", sign, body, part)
        return self.apply(body) if random.random() < (0.3 if self.reduced else 0.7) else body

    def points(self, dims):
        return math.prod(self.extents[d] for d in dims)

    def result_type(self):
        return "i32" if self.reduced and self.op in ("argmax", "argmin") else self.type

    def bytes(self):
        """Of all inputs and of the output, once."""
        return (sum(self.points(dims) * BYTES[t] for _, dims, t in self.inputs) +
                self.points(self.results) * BYTES[self.result_type()])

    def text(self):
        order = list(self.results)
        self.random.shuffle(order)
        lines = ["program nest", "dim " + ", ".join(f"{d} = {e}" for d, e in self.extents.items())]
        lines += [f"input {n}[{', '.join(dims)}] : {t}" for n, dims, t in self.inputs]
        lines += [f"y[{', '.join(order)}] = {printed(self.body)}", f"output y[{', '.join(order)}]"]
        return "\n".join(lines) + "\n"

    def work(self):
        """How often each kind of operation is done: "slot" for what takes the place of a multiply-add."""
        counts, self.counted = {}, set()
        self.count(self.body, counts)
        return counts

    def add(self, counts, kind, dims):
        counts[kind] = counts.get(kind, 0) + self.points(dims)

    def count(self, formula, counts):
        if formula in self.counted: return  # what stands twice is computed once
        self.counted.add(formula)
        kind, dims = formula[0], dims_of(formula)
        if kind == "read" and formula[3]: counts["gather"] = counts.get("gather", 0) + formula[3]
        if kind in ("read", "number"): return
        if kind == "reduce": return self.count_reduction(formula, counts)
        if kind == "where":
            self.add(counts, "slot", formula[2])
            self.add(counts, "slot", dims)
        elif formula[1] in DEAR: self.add(counts, formula[1], dims)
        elif formula[:2] == ("op", "*") and self.type == "i32": self.add(counts, "*", dims)
        elif not (kind == "op" and formula[1] in "+-" and self.fuses(formula)): self.add(counts, "slot", dims)
        for part in parts_of(formula): self.count(part, counts)

    def fuses(self, formula):
        """Is a sum one multiply-add with the product under it?"""
        return self.type != "i32" and any(p[:2] == ("op", "*") and dims_of(p) == dims_of(formula) for p in formula[2:])

    def count_reduction(self, formula, counts):
        op, body = formula[1], formula[3]
        factors = factors_of(body)
        if op in ("sum", "mean") and len(factors) > 1:
            for factor in factors: self.count(factor, counts)
            over = [dims_of(f) for f in factors if f[0] != "number"]
            alike = sum(self.points(dims) * (over.count(dims) - 1) for dims in set(over))
            steps = alike + self.product(list(set(over)), frozenset(formula[2]))
            kind = "*" if self.type == "i32" else "slot"
            counts[kind] = counts.get(kind, 0) + steps
            return
        self.add(counts, "slot", dims_of(body))
        if op in ("argmax", "argmin"): self.add(counts, "slot", dims_of(body))
        self.count(body, counts)

    def product(self, factors, reduced):
        """Multiply-adds of a sum of products, two factors at a time in the cheapest order. A dim that one factor alone
        has is summed there first."""
        steps, alone = 0, []
        for i, f in enumerate(factors):
            own = {d for d in f & reduced if not any(d in g for j, g in enumerate(factors) if j != i)}
            if own: steps += self.points(f)
            alone.append(f - own)
        if len(alone) == 1: return steps
        best = math.inf
        for a, b in itertools.combinations(range(len(alone)), 2):
            rest = [f for i, f in enumerate(alone) if i not in (a, b)]
            both = alone[a] | alone[b]
            done = {d for d in both & reduced if not any(d in f for f in rest)}
            best = min(best, self.points(both) + (self.product(rest + [both - done], reduced) if rest else 0))
        return steps + best
