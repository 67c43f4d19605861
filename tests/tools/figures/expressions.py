"""Computes the expressions of claims over Python's syntax tree. Only what is written below is
known: numbers, words, arithmetic, comparisons, comprehensions, the fields of records, and calls
of the functions that are handed in by name. Everything else is refused."""
import ast
import math
import operator

from .records import Node, Row
from .spread import Figures

ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
              ast.Div: operator.truediv, ast.Mod: operator.mod, ast.FloorDiv: operator.floordiv}
SIGNS = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_}
COMPARISONS = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
               ast.GtE: operator.ge, ast.Eq: operator.eq, ast.NotEq: operator.ne,
               ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
               ast.Is: operator.is_, ast.IsNot: operator.is_not}
PLAIN = {"sum": sum, "min": min, "max": max, "abs": abs, "len": len, "all": all, "any": any,
         "sorted": sorted, "sqrt": math.sqrt, "distinct": lambda values: sorted(set(values))}


class Refused(Exception):
    """The expression holds something that is not known here."""


class Evaluator:
    """Computes expressions with these functions to read records by."""

    def __init__(self, functions):
        self.functions = PLAIN | functions

    def value(self, text):
        """The value of an expression."""
        return self.of(parse(text), {})

    def why_false(self, text):
        """Both sides of a comparison, or the items for which `all` does not hold."""
        tree = parse(text)
        if isinstance(tree, ast.Compare):
            sides = [self.of(side, {}) for side in [tree.left, *tree.comparators]]
            return "its sides are " + " and ".join(show(side) for side in sides)
        if isinstance(tree, ast.BoolOp):
            parts = [ast.unparse(part) for part in tree.values if not self.of(part, {})]
            return "; ".join(f"`{part}`: {self.why_false(part)}" for part in parts)
        if (isinstance(tree, ast.Call) and getattr(tree.func, "id", "") == "all"
                and isinstance(tree.args[0], (ast.GeneratorExp, ast.ListComp))):
            inner = tree.args[0]
            wrong = [names for names in self.items(inner.generators, {})
                     if not self.of(inner.elt, names)]
            return "it does not hold of " + "; ".join(
                ", ".join(show(value) for value in names.values()) for names in wrong)
        return "it does not hold"

    def of(self, tree, names):
        """The value of a part of an expression, with these names of loops."""
        match tree:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.BinOp(op=ast.Pow()):
                return self.power(self.of(tree.left, names), self.of(tree.right, names))
            case ast.BinOp(op=op) if type(op) in ARITHMETIC:
                left, right = self.of(tree.left, names), self.of(tree.right, names)
                if not (type(op) is ast.Add and names_of_a_row(left, right)):
                    numbers(left, right)
                return ARITHMETIC[type(op)](left, right)
            case ast.UnaryOp(op=op) if type(op) in SIGNS:
                return SIGNS[type(op)](self.of(tree.operand, names))
            case ast.Compare():
                return self.compare(tree, names)
            case ast.BoolOp(op=ast.And()):
                return all(self.of(part, names) for part in tree.values)
            case ast.BoolOp(op=ast.Or()):
                return any(self.of(part, names) for part in tree.values)
            case ast.List() | ast.Tuple():
                return [self.of(item, names) for item in tree.elts]
            case ast.GeneratorExp() | ast.ListComp():
                return [self.of(tree.elt, inner) for inner in self.items(tree.generators, names)]
            case ast.Attribute(attr=name):
                return field(self.of(tree.value, names), name)
            case ast.Subscript():
                return item(self.of(tree.value, names), self.of(tree.slice, names))
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                given = {word.arg: self.of(word.value, names) for word in tree.keywords}
                if None in given:
                    raise Refused("`**` in a call is not known")
                return self.functions[name](*(self.of(a, names) for a in tree.args), **given)
        raise Refused(f"`{ast.unparse(tree)}` is not known")

    def power(self, base, exponent):
        numbers(base, exponent)
        if abs(exponent) > 100 or abs(base) > 1e6:
            raise Refused("a power this large is not computed")
        return base ** exponent

    def compare(self, tree, names):
        sides = [self.of(side, names) for side in [tree.left, *tree.comparators]]
        return all(COMPARISONS[type(op)](a, b)
                   for op, a, b in zip(tree.ops, sides, sides[1:]))

    def items(self, loops, names):
        """Each set of names that the loops of a comprehension go through."""
        if not loops:
            yield names
            return
        loop = loops[0]
        if loop.is_async or not isinstance(loop.target, ast.Name):
            raise Refused("a loop has one plain name")
        for value in self.of(loop.iter, names):
            inner = names | {loop.target.id: value}
            if all(self.of(condition, inner) for condition in loop.ifs):
                yield from self.items(loops[1:], inner)


def parse(text):
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise Refused(f"it is no expression: {error.msg}") from None


def numbers(*values):
    """Refuses arithmetic on words and lists, which could grow without bound."""
    for value in values:
        if not isinstance(value, (int, float)):
            raise Refused(f"{show(value)} is no number")


def names_of_a_row(left, right):
    """Whether both are short words, which may be joined: 'stoch-first' + '-st'."""
    return all(isinstance(word, str) and len(word) < 100 for word in (left, right))


def field(value, name):
    if name.startswith("_"):
        raise Refused(f"the field `{name}` is private")
    if isinstance(value, (Node, Row)):
        return value.get(name)
    if isinstance(value, Figures) and name in Figures.FIELDS:
        return getattr(value, name)
    raise Refused(f"{show(value)} has no field `{name}`")


def item(value, key):
    if isinstance(value, Node):
        return value.item(key)
    if isinstance(value, list) and isinstance(key, int):
        return value[key]
    raise Refused(f"{show(value)} has no items")


def show(value):
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
