"""Random programs as trees of formulas, and the ways to write each of them down.

A formula is a tuple: ("name", n), ("number", text), ("call", fn, a), ("op", sign, a, b), ("product", [factors]),
("reduce", "sum" | "max" | "mean", dims, body). A program is a list of lines (name, formula), of which the last is the
result; some have a loss and gradients. A wording writes the same lines otherwise; see `write`.
"""
import itertools

SIZES = [8, 12, 16, 24, 32, 48, 60, 64, 96, 100, 128, 200, 256]


def dims_of(formula, known):
    """The dims of a formula, sorted; `known` has those of names."""
    kind = formula[0]
    if kind == "name": return known[formula[1]]
    if kind == "number": return ()
    if kind == "reduce": return tuple(d for d in dims_of(formula[3], known) if d not in formula[2])
    parts = formula[1] if kind == "product" else formula[2:]
    return tuple(sorted(set(itertools.chain(*(dims_of(part, known) for part in parts)))))


class Program:
    """Inputs and lines drawn from `random`; `volume` bounds the points that any line runs over when it is written
    as one nest."""

    def __init__(self, random, volume=3e7):
        self.random = random
        self.extents = {f"d{i}": random.choice(SIZES) for i in range(random.randint(3, 5))}
        self.volume = volume
        self.inputs, self.lines, self.known = [], [], {}
        for i in range(random.randint(3, 5)):
            dims = random.sample(sorted(self.extents), random.choice([1, 2, 2, 2, 3]))
            self.inputs.append((f"x{i}", dims))
            self.known[f"x{i}"] = tuple(sorted(dims))
        for i in range(random.randint(2, 4)):
            formula = self.line()
            if formula is None: continue
            self.lines.append((f"t{i}", formula))
            self.known[f"t{i}"] = dims_of(formula, self.known)
        self.wrt = []
        if self.lines and random.random() < 0.4:
            used = [n for n, _ in self.inputs if self.depends(self.lines[-1][0], n)]
            self.wrt = random.sample(used, min(len(used), random.randint(1, 2)))

    def points(self, dims):
        product = 1
        for dim in dims: product *= self.extents[dim]
        return product

    def depends(self, name, other):
        formulas = dict(self.lines)
        return name == other or (name in formulas and
                                 any(self.depends(n, other) for n in names_in(formulas[name])))

    def line(self):
        """A formula over what there is, which uses the newest value; nothing where it would be too large."""
        random = self.random
        newest = ("name", list(self.known)[-1])
        dims = dims_of(newest, self.known)
        kind = random.choice(["product"] * 5 + ["map"] * 2 + ["softmax", "norm", "combine"])
        if kind == "product":
            others = [("name", n) for n in random.sample(sorted(self.known), min(len(self.known), random.randint(1, 3)))]
            factors = [newest] + [o for o in others if o != newest]
            every = dims_of(("product", factors), self.known)
            if self.points(every) > self.volume: return None
            twice = [d for d in every if sum(d in dims_of(f, self.known) for f in factors) > 1] or list(every)
            reduced = random.sample(twice, min(len(twice), random.randint(1, 2)))
            return ("reduce", "sum", tuple(sorted(reduced)), ("product", factors)) if reduced else None
        if kind == "map":
            fn = random.choice(["tanh", "relu", "silu", "square", "scale"])
            if fn == "relu": return ("call", "max", ("op", ",", newest, ("number", "0.0")))
            if fn == "silu": return ("product", [newest, ("call", "sigmoid", newest)])
            if fn == "square": return ("product", [newest, newest])
            if fn == "scale": return ("product", [("number", "0.125"), newest])
            return ("call", "tanh", newest)
        if kind == "combine":
            others = [n for n in sorted(self.known) if n != newest[1]]
            other = ("name", random.choice(others))
            if self.points(dims_of(("op", "+", newest, other), self.known)) > self.volume / 10: return None
            return ("op", random.choice("+-"), newest, other)
        if not dims: return None
        over = (random.choice(dims),)
        if kind == "softmax":
            e = ("call", "exp", ("op", "-", newest, ("reduce", "max", over, newest)))
            return ("op", "/", e, ("reduce", "sum", over, e))
        centred = ("op", "-", newest, ("reduce", "mean", over, newest))
        spread = ("reduce", "mean", over, ("product", [centred, centred]))
        return ("op", "/", centred, ("call", "sqrt", ("op", "+", spread, ("number", "0.01"))))


def names_in(formula):
    kind = formula[0]
    if kind == "name": return {formula[1]}
    if kind == "number": return set()
    parts = formula[1] if kind == "product" else formula[3:] if kind == "reduce" else formula[2:]
    return set(itertools.chain(*(names_in(part) for part in parts)))


def rebuilt(formula, change):
    """Bottom-up, `change` sees each node after its parts."""
    kind = formula[0]
    if kind == "product": formula = ("product", [rebuilt(f, change) for f in formula[1]])
    if kind == "reduce": formula = formula[:3] + (rebuilt(formula[3], change),)
    if kind in ("call", "op"): formula = formula[:2] + tuple(rebuilt(f, change) for f in formula[2:])
    return change(formula)


def printed(formula):
    kind = formula[0]
    if kind in ("name", "number"): return formula[1]
    if kind == "product": return "(" + " * ".join(printed(f) for f in formula[1]) + ")"
    if kind == "reduce": return f"{formula[1]}[{', '.join(formula[2])}]({printed(formula[3])})"
    if kind == "call": return f"{formula[1]}({printed(formula[2]).strip() if formula[2][0] != 'op' or formula[2][1] != ',' else printed(formula[2][2]) + ', ' + printed(formula[2][3])})"
    return f"({printed(formula[2])} {formula[1]} {printed(formula[3])})"


WORDINGS = ["as it is", "inlined", "every part named", "factors shuffled", "dims renamed", "sums in steps", "all of it"]


def write(program, wording, random):
    """The text of the program in one of WORDINGS."""
    every = wording == "all of it"
    lines = list(program.lines)
    if wording == "inlined" or every: lines = inlined(lines)
    if wording == "factors shuffled" or every: lines = [(n, shuffled(f, random)) for n, f in lines]
    if wording == "sums in steps" or every: lines = [(n, in_steps(f)) for n, f in lines]
    if wording == "every part named": lines = named(lines)
    order = sorted(program.extents)
    new = {d: d for d in order}
    if wording == "dims renamed" or every:
        random.shuffle(order)
        new = {d: f"q{i}" for i, d in enumerate(order)}
        lines = [(n, rebuilt(f, lambda g: g[:2] + (tuple(new[d] for d in g[2]),) + g[3:] if g[0] == "reduce" else g))
                 for n, f in lines]
    text = ["program other_words", "dim " + ", ".join(f"{new[d]} = {program.extents[d]}" for d in order)]
    text += [f"input {n}[{', '.join(new[d] for d in dims)}]" for n, dims in program.inputs]
    text += [f"{n} = {printed(f)}" for n, f in lines]
    last = lines[-1][0]
    dims = [new[d] for d in program.known[last]]
    text.append(f"output {last}" + (f"[{', '.join(dims)}]" if dims else ""))
    if program.wrt:
        text.append(f"loss = sum[{', '.join(dims)}]({last} * {last})" if dims else f"loss = {last} * {last}")
        for n in program.wrt:
            text += [f"d_{n} = grad(loss, {n})", f"output d_{n}[{', '.join(new[d] for d in dict(program.inputs)[n])}]"]
    return "\n".join(text) + "\n"


def inlined(lines):
    """One line that has the others put in."""
    values = {}
    for name, formula in lines:
        values[name] = rebuilt(formula, lambda g: values.get(g[1], g) if g[0] == "name" else g)
    return [(lines[-1][0], values[lines[-1][0]])]


def named(lines):
    """Every reduction and call a line of its own."""
    result = []
    for name, formula in lines:
        parts = itertools.count(1)

        def change(g, name=name, parts=parts):
            if g[0] not in ("reduce", "call"): return g
            result.append((f"{name}p{next(parts)}", g))
            return ("name", result[-1][0])

        result.append((name, rebuilt(formula, change)))
    return result


def shuffled(formula, random):
    """Factors and terms in another order."""
    def change(g):
        if g[0] == "product": return ("product", random.sample(g[1], len(g[1])))
        if g[0] == "op" and g[1] == "+": return g[:2] + tuple(random.sample(g[2:], 2))
        return g

    return rebuilt(formula, change)


def in_steps(formula):
    """A sum over two dims as two sums."""
    def change(g):
        if g[0] != "reduce" or g[1] != "sum" or len(g[2]) < 2: return g
        return ("reduce", "sum", g[2][:1], ("reduce", "sum", g[2][1:], g[3]))

    return rebuilt(formula, change)
