"""Reads pickles without running them.

A pickle is a program for a stack machine, and Python's own machine can be told to import and call
anything. This one knows the opcodes that files of weights consist of and refuses the others;
whatever a pickle names is looked up in a table of our own functions, never imported; and what lies
on the stack are plain values and what those functions return. No attribute is ever set, no
function of a file is ever called. Time and memory are bounded by the number of opcodes, of all
pickles of a file together, and by its length, whatever lengths and indices it declares.
"""

import dataclasses
import pickletools
import warnings
from collections.abc import Callable

from jaxtalk.core.errors import UserError, shortened

MAX_OPCODES = 1 << 20  # of a file; the largest public checkpoints have a tenth
_MAX_INTEGER_BITS = 128
_MAX_KEY_BITS = 64  # old optimizers number their tensors by address
_FRAME_HEADER = 9  # bytes: opcode and length


@dataclasses.dataclass(frozen=True)
class Named:
    """What a name in a pickle stands for: `make` gets the arguments of its call."""

    make: Callable


class Budget:
    """The opcodes that the pickles of a file may have together."""

    def __init__(self):
        self._left = MAX_OPCODES

    def spend(self):
        """Counts an opcode."""
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"pickles of over {MAX_OPCODES} opcodes")


class Ignored:
    """In the place of an object that is of no use here; takes any arguments and any state."""

    def __init__(self, *_):
        pass

    def set_state(self, state):
        """Of no use, either."""


def run(file, names, persistent=None, budget=None):
    """The value of the pickle at the position of a file, which is left behind its end.

    Args:
      file: binary, in memory: `io.BytesIO`.
      names: (module, name) -> `Named` or other constant, the only objects that it may name.
      persistent: the function that gets its persistent ids; None: it must not have any.
      budget: the `Budget` of its file; None: one of its own.

    Returns:
      Plain values, dicts, lists (for sets, too), tuples, and what the functions of `names` return;
      such an object with a method `set_state` gets the state that the pickle has for it.

    Raises:
      UserError: it names something else.
      ValueError: it is no such pickle: unknown or impossible opcodes, or too many.
    """
    machine = _Machine(names, persistent, file.getbuffer().nbytes)
    with warnings.catch_warnings():  # of pickletools, about backslashes in names
        warnings.simplefilter("ignore", DeprecationWarning)
        _step_through(machine, file, budget or Budget())
    return machine.result()


def _step_through(machine, file, budget):
    frame_end = None
    for opcode, argument, position in pickletools.genops(file):
        budget.spend()
        if frame_end is not None and position >= frame_end:
            if position > frame_end:
                raise ValueError("a pickle with a frame that ends inside of a value")
            frame_end = None
        if opcode.name == "FRAME":
            if frame_end is not None:
                raise ValueError("a pickle with a frame inside of a frame")
            frame_end = position + _FRAME_HEADER + argument
        elif opcode.name not in _OPCODES:
            raise ValueError(f"a pickle with the opcode {opcode.name}, which weights do not need")
        else:
            _OPCODES[opcode.name](machine, argument)
    if frame_end not in (None, file.tell()):
        raise ValueError("a pickle with a frame that is longer than the pickle")


def mapping(items=()):
    """A dict of the pairs in a list or tuple; keys are texts, also those that are integers.

    Raises:
      ValueError: they are no pairs, have other keys, or two of the same text.
    """
    found = {}
    if type(items) not in (list, tuple):
        raise ValueError(f"a dict of the items of a {type(items).__name__}")
    for pair in items:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise ValueError("a dict of items that are no pairs")
        _set(found, *pair)
    return found


def _set(found, key, value):
    key = _key(key)
    if key in found:
        raise ValueError(f"a dict with the key {shortened(key)!r} twice")
    found[key] = value


def _key(key):
    if type(key) is str:
        return key
    if type(key) is int and key.bit_length() <= _MAX_KEY_BITS:
        return str(key)  # integers, unlike texts, can be chosen so that they collide in a dict
    raise ValueError(f"a dict with a key that is a {type(key).__name__}, or too large")


def _pairs(items):
    if len(items) % 2:
        raise ValueError("a dict with a key that has no value")
    return zip(items[::2], items[1::2])


class _Machine:
    """Stack, marks and memo; each opcode is a method or a function of (machine, argument)."""

    def __init__(self, names, persistent, work):
        self._names, self._persistent, self._work = names, persistent, work
        self._below, self._stack, self._memo = [], [], {}

    def result(self):
        if self._below or len(self._stack) != 1:
            raise ValueError("a pickle that leaves no single value")
        return self._stack[0]

    def push(self, value):
        self._stack.append(value)

    def push_integer(self, value):
        if value.bit_length() > _MAX_INTEGER_BITS:
            raise ValueError(f"a pickle with an integer of {value.bit_length()} bits")
        self.push(value)

    def pop(self, kind=None):
        if not self._stack:
            raise ValueError("a pickle that takes from an empty stack")
        return _checked(self._stack.pop(), kind)

    def top(self, kind=None):
        if not self._stack:
            raise ValueError("a pickle that takes from an empty stack")
        return _checked(self._stack[-1], kind)

    def mark(self, _):
        self._below.append(self._stack)
        self._stack = []

    def marked(self):
        if not self._below:
            raise ValueError("a pickle that looks for a mark where there is none")
        items, self._stack = self._stack, self._below.pop()
        return items

    def push_tuple(self, length):
        if len(self._stack) < length:
            raise ValueError("a pickle that takes from an empty stack")
        first = len(self._stack) - length
        self._stack[first:] = [tuple(self._stack[first:])]

    def put(self, index):
        if index > len(self._memo) + 1:  # Python 2 counts from 1
            raise ValueError("a pickle with impossible memo entries")
        self._memo[index] = self.top()

    def memoize(self, _):
        self._memo[len(self._memo)] = self.top()

    def get(self, index):
        if index not in self._memo:
            raise ValueError("a pickle that refers to a value that it does not have")
        self.push(self._memo[index])

    def append(self, items):
        self.top(list).extend(items)

    def set_items(self, items):
        found = self.top(dict)
        for key, value in _pairs(items):
            _set(found, key, value)

    def name(self, module, name):
        if (module, name) not in self._names:
            raise UserError(
                f"holds the object {f'{module}.{name}'[:100]!r}, expected tensors only; it was not "
                "touched; give the file as its authors publish it, or the tensors alone"
            )
        self.push(self._names[module, name])

    def stack_name(self, _):
        name = self.pop(str)
        self.name(self.pop(str), name)

    def call(self, _):
        arguments = self.pop(tuple)
        # What is given away was written once, so it is no more than the file; unless it is given
        # away again and again, by way of the memo.
        self._work -= len(arguments) + sum(len(a) for a in arguments if type(a) in _CONTAINERS)
        if self._work < 0:
            raise ValueError("a pickle that passes the same values on again and again")
        self.push(self.pop(Named).make(*arguments))

    def build(self, _):
        """The state of an object: of no use for dicts (`_metadata`)."""
        state, found = self.pop(), self.top()
        if hasattr(found, "set_state"):
            found.set_state(state)
        elif type(found) is not dict:
            raise ValueError(f"a pickle that sets attributes of a {type(found).__name__}")

    def load_persistent(self, _):
        if self._persistent is None:
            raise ValueError("a pickle with a persistent id")
        self.push(self._persistent(self.pop(tuple)))


_CONTAINERS = (list, tuple, dict, bytes)


def _checked(value, kind):
    if kind is not None and type(value) is not kind:
        raise ValueError(
            f"a pickle that takes a {type(value).__name__} for a {kind.__name__.lower()}"
        )
    return value


def _set_item(machine, _):
    value = machine.pop()
    machine.set_items([machine.pop(), value])


_OPCODES = {
    "PROTO": lambda machine, version: None,
    "STOP": lambda machine, _: None,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "BINFLOAT"), _Machine.push),
    **dict.fromkeys(("LONG1", "LONG4"), _Machine.push_integer),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), _Machine.push),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _Machine.push),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _Machine.push),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_SET"), lambda machine, _: machine.push([])),
    "EMPTY_TUPLE": lambda machine, _: machine.push_tuple(0),
    "TUPLE1": lambda machine, _: machine.push_tuple(1),
    "TUPLE2": lambda machine, _: machine.push_tuple(2),
    "TUPLE3": lambda machine, _: machine.push_tuple(3),
    "MARK": _Machine.mark,
    "TUPLE": lambda machine, _: machine.push(tuple(machine.marked())),
    "FROZENSET": lambda machine, _: machine.push(machine.marked()),
    "APPEND": lambda machine, _: machine.append([machine.pop()]),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda machine, _: machine.append(machine.marked())),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.set_items(machine.marked()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
    "MEMOIZE": _Machine.memoize,
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
    "GLOBAL": lambda machine, names: machine.name(*names.split(" ", 1)),
    "STACK_GLOBAL": _Machine.stack_name,
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Machine.call),
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.load_persistent,
}
