"""Figures over seeds, and the 95 % interval of their mean, as src/study/spread.rs has them."""
import math


class Figures:
    """Several figures of one kind, one a seed, in the order of the seeds."""

    FIELDS = ("values", "n", "mean", "sd", "half", "min", "max")

    def __init__(self, values):
        self.values = list(values)
        self.n = len(self.values)
        if not self.values:
            raise ValueError("there are no figures to take the mean of")
        self.mean = math.fsum(self.values) / self.n
        self.min = min(self.values)
        self.max = max(self.values)

    @property
    def sd(self):
        """The standard deviation, with n - 1 below."""
        if self.n < 2:
            raise ValueError("a single figure has no standard deviation")
        return math.sqrt(math.fsum((x - self.mean) ** 2 for x in self.values) / (self.n - 1))

    @property
    def half(self):
        """Half the width of the 95 % interval of the mean by Student's t."""
        return student_quantile(0.975, self.n - 1) * self.sd / math.sqrt(self.n)

    def __repr__(self):
        return " ".join(f"{x:.6g}" for x in self.values)


def student_quantile(p, freedom):
    """What Student's t with that many degrees of freedom lies below with probability p >= 1/2."""
    low, high = 0.0, 1.0
    while student_below(high, freedom) < p:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if student_below(middle, freedom) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_below(t, freedom):
    """The probability that Student's t lies below t >= 0."""
    return 1 - incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2


def incomplete_beta(a, b, x):
    """The regularised incomplete beta function."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    # The continued fraction is quick below the mean; above it the mirror image is taken.
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    log = (math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
           + a * math.log(x) + b * math.log1p(-x))
    return math.exp(log) * beta_fraction(a, b, x) / a


def beta_fraction(a, b, x):
    """Lentz's evaluation of the continued fraction of the incomplete beta function."""
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    value = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
