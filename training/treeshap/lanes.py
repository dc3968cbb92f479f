"""Eight doubles side by side as one value in numba code: a vector register, by name; and arrays by their address.

numba has no vector type, and its auto-vectoriser gives up where two arrays might overlap. `load`,
`store`, `spread`, `total` and the operators + - * / compile to LLVM vector instructions; a plain number beside
lanes is spread over all of them. On a processor with narrower registers LLVM splits them. `longs`, `shorts`
and `reals` are the array whose address and length stand side by side among some words, so that a call may be
handed the arrays of any number of models; whoever calls keeps them alive.

numba's cache looks at the time stamp of kernel.py alone: after a change here, touch kernel.py.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import carray, njit, types
from numba.extending import intrinsic, models, overload, register_model

WIDTH = 8
_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
_INDEX = ir.IntType(32)


class Lanes(types.Type):
    """The numba type of eight doubles."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes({WIDTH})")


LANES = Lanes()


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _VECTOR)


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.bitcast(builder.gep(array.data, [args[1]]), _VECTOR.as_pointer())


@intrinsic
def load(typing: Any, array: Any, start: Any) -> Any:
    """Lanes from array[start : start + 8] of a flat float64 array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, signature, args), align=8)

    return LANES(array, types.intp), generate


@intrinsic
def at(typing: Any, array: Any, index: Any) -> Any:
    """array[index] of a flat array, without numba's question whether the index counts from the end."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, start: Any, value: Any) -> Any:
    """Write the lanes to array[start : start + 8]."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, signature, args), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, LANES), generate


@intrinsic
def total(typing: Any, value: Any) -> Any:
    """Sum of the eight lanes, in a fixed order."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        half, lanes = WIDTH, args[0]
        while half > 1:
            half //= 2
            low, high = (
                builder.shuffle_vector(
                    lanes, lanes, ir.Constant(ir.VectorType(_INDEX, half), list(range(at, at + half)))
                )
                for at in (0, half)
            )
            lanes = builder.fadd(low, high)
        return builder.extract_element(lanes, _INDEX(0))

    return types.float64(LANES), generate


@intrinsic
def spread(typing: Any, number: Any) -> Any:
    """Lanes that all hold the number."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _spread(builder, args[0])

    return LANES(types.float64), generate


def _spread(builder: Any, number: Any) -> Any:
    empty = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(empty, number, _INDEX(0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_INDEX, WIDTH), [0] * WIDTH))


def _define(operation: Callable[..., Any], instruction: str) -> None:
    @intrinsic
    def compute(typing: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            both = [arg if kind == LANES else _spread(builder, arg) for arg, kind in zip(args, signature.args)]
            return getattr(builder, instruction)(*both, flags=("contract",))

        return LANES(*(kind if kind == LANES else types.float64 for kind in (left, right))), generate

    @overload(operation)
    def choose(left, right):  # type: ignore[no-untyped-def]  # numba compares these names with the lambda's
        if isinstance(left, Lanes) or isinstance(right, Lanes):
            return lambda left, right: compute(left, right)  # type: ignore[call-arg]
        return None


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define(_operation, _instruction)


def _arrays(kind: types.Type) -> Callable[..., Any]:
    @intrinsic
    def pointer(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), generate

    @njit(inline="always")
    def array(words, place):  # type: ignore[no-untyped-def]
        return carray(pointer(words[place]), words[place + 1])  # type: ignore[call-arg]

    found: Callable[..., Any] = array
    return found


longs, shorts, reals = (_arrays(kind) for kind in (types.int64, types.int32, types.float64))
