"""What a nest takes at least: the larger of its operations at the rates at which this host does them one after the
other, and its inputs and outputs, once each, at the bandwidth of the level of cache that holds them all; and the launch.

The rates are measured by programs that do nothing else. Of a function, it is the difference between a program that
applies it eight times to every element and one that does so four times, on arrays in the first-level cache.
"""
from nests import BYTES, DEAR

KIBI = 1 << 10
ELEMENTS = 2048


def apply(fn, argument):
    positive = f"(abs({argument}) + 0.1)"
    if fn in ("/", "//", "%"): return f"(1.5 {fn} {positive})"
    if fn == "**": return f"({positive} ** 1.5)"
    if fn in ("log", "sqrt"): return f"{fn}({positive})"
    if fn == "*": return f"({argument} * {argument})"
    return f"{fn}({argument})"


def chain(fn, type, times):
    number = (lambda i: str(i + 2)) if type == "i32" else (lambda i: f"{0.3 + 0.1 * i:.1f}")
    terms = " + ".join(apply(fn, f"(x + {number(i)})") for i in range(times))
    return f"program rate\ndim i = {ELEMENTS}\ninput x[i] : {type}\ny = {terms}\noutput y\n"


def gathers(times):
    inputs = "".join(f"input at{j}[i] : i32\n" for j in range(times))
    terms = " + ".join(f"x[v: at{j}]" for j in range(times))
    return f"program rate\ndim i = {ELEMENTS}, v = 512\ninput x[v]\n{inputs}y = {terms}\noutput y\n"


def triad(bytes):
    return f"program rate\ndim i = {bytes // 12}\ninput a[i]\ninput b[i]\nc = a + 0.5 * b\noutput c\n"


class Roofline:
    """The rates of this host, measured when it is made. `run(text)` is the JSON of `tessera bench` for a program."""

    def __init__(self, run, caches):
        self.seconds = lambda text: min(1e-3 * run(text)["min_ms"] for _ in range(3))
        first = run(chain("exp", "f32", 1))
        self.slot = 2e-9 / first["machine_peak_gflops"]
        self.launch = self.seconds("program rate\ndim i = 1\ninput x[i]\ny = x\noutput y\n")
        self.rates = {}
        for type in ("f32", "f64"):
            for fn in DEAR: self.rates[fn, type] = self.rate(lambda times: chain(fn, type, times))
        self.rates["*", "i32"] = self.rate(lambda times: chain("*", "i32", times))
        self.gather = self.rate(gathers)
        l1, l2, l3 = caches
        # Half of a cache for what is in it, and what no cache holds.
        levels = [(l1, l1 // 2), (l2, l2 // 2), (l3, l3 // 4), (float("inf"), 4 * l3)]
        self.bandwidths = [(most, bytes / max(1e-9, self.seconds(triad(bytes)) - self.launch))
                           for most, bytes in levels]
        for i in (2, 1, 0):  # a nearer level is no slower, whoever else uses it
            most, rate = self.bandwidths[i]
            self.bandwidths[i] = (most, max(rate, self.bandwidths[i + 1][1]))

    def rate(self, program):
        """Seconds of one operation; never faster than a multiply-add."""
        return max(self.slot, (self.seconds(program(8)) - self.seconds(program(4))) / (4 * ELEMENTS))

    def rate_of(self, kind, type):
        if kind == "gather": return self.gather
        wide = 2 if type == "f64" else 1
        if kind == "slot": return wide * self.slot
        return self.rates[kind, "f32" if type == "bf16" else type]

    def compute(self, nest):
        return sum(count * self.rate_of(kind, nest.type) for kind, count in nest.work().items())

    def memory(self, nest):
        bytes = nest.bytes()
        return bytes / next(rate for most, rate in self.bandwidths if bytes <= most)

    def of(self, nest):
        return max(self.compute(nest), self.memory(nest)) + self.launch

    def text(self):
        ns = lambda seconds: f"{1e9 * seconds:.3f} ns"
        functions = ", ".join(f"{fn} {ns(rate)}" for (fn, type), rate in self.rates.items() if type == "f32")
        caches = ", ".join(f"{name} {1e-9 * rate:.0f} GB/s"
                           for name, (_, rate) in zip(("L1", "L2", "L3", "memory"), self.bandwidths))
        return (f"launch {1e6 * self.launch:.2f} us; multiply-add {ns(self.slot)}, {functions}, "
                f"gather {ns(self.gather)}; {caches}")
