"""Small rewrites of a stateful Qwen3 IR, one function each. Each changes the model in place.

What they rely on is the shape of a decoder, not names: the logits end in a MatMul with a constant matrix, and each
attention is followed by a MatMul (o_proj) and the Add of the residual stream.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import openvino as ov
from openvino import Model, Node, Output, Type
from openvino import opset13 as ops

from yesrank.engine.openvino import weights
from yesrank.errors import EngineError, UnsupportedModel

PAGED = "PagedAttentionExtension"
STATEFUL = "ScaledDotProductAttention"
LAST_ROWS = "last_rows"
HIDDEN = "hidden"
# what lies between the head and the logits: of one token instead of all, of answers instead of a vocabulary
_AFTER_HEAD = (
    "Convert",
    "Reshape",
    "Multiply",
    "Gather",
    "GatherND",
    "Slice",
    "StridedSlice",
    "Squeeze",
    "Unsqueeze",
)
_STATES = ("last_hidden_state", "token_embeddings")


def to_paged(model: Model) -> None:
    """Stateful attention -> paged: ragged tokens in, a block table instead of state.

    Uses OpenVINO's own transformation (the one behind its GenAI serving), which is not a public API: callers treat
    EngineError as "run without paging".
    """
    try:
        from openvino._offline_transformations import paged_attention_transformation

        paged_attention_transformation(model)
    except (ImportError, RuntimeError, TypeError) as error:
        raise EngineError(f"this OpenVINO cannot page the model's attention: {error}") from error
    if not any(node.get_type_name() == PAGED for node in model.get_ops()):
        raise EngineError("this OpenVINO left the model's attention as it was")


def cut_head(model: Model) -> Output:
    """Removes the vocabulary matrix. The result is now the final-norm hidden state, named `hidden`.

    Returns the output that holds the matrix [V, D], for `weights.value`. Raises UnsupportedModel where the
    model does not end in a MatMul with a constant.
    """
    result = _logits_result(model)
    matmul = _upstream(result, "MatMul", through=_AFTER_HEAD)
    matrix = matmul.input_value(1)
    if not weights.is_weight(matrix) or not matmul.get_attributes()["transpose_b"]:
        raise UnsupportedModel("the model's logits do not come from an output embedding [vocabulary, hidden]")
    model.remove_result(result)
    _name_hidden(model, matmul.input_value(0))
    return matrix


def is_headless(model: Model) -> bool:
    """Whether it ends at its hidden states [B, L, D], as embedding models are exported."""
    return any(name in _STATES for output in model.outputs for name in output.get_names())


def take_hidden(model: Model) -> None:
    """Headless model: keeps the hidden states alone, named `hidden`; pooling and keys and values go."""
    result = next(each.get_node() for each in model.outputs if not each.get_names().isdisjoint(_STATES))
    _name_hidden(model, result.input_value(0))


def keep_last_rows(model: Model) -> None:
    """Paged model: after the last attention, only the rows named by a new input go on; `hidden` is [rows, D].

    The last layer's o_proj and MLP and the final norm then run on one row a prompt instead of one a token.
    """
    attention = [node for node in model.get_ordered_ops() if node.get_type_name() == PAGED][-1]
    projection = _downstream(attention, "MatMul", through=("Reshape", "Transpose"))
    residual = _downstream(projection, "Add", through=("Convert", "Multiply"))
    rows = _rows_parameter(model)
    for target in (projection.input(0), _side_input(residual, projection)):
        target.replace_source_output(_gather(target.get_source_output(), rows))
    _name_hidden(model, _flat(_hidden(model)))


def gather_last_rows(model: Model) -> None:
    """Stateful model: of the hidden state [B, L, D], flattened, the rows named by a new input: [rows, D]."""
    rows = _rows_parameter(model)
    _name_hidden(model, _gather(_flat(_hidden(model)), rows))


def use_bf16_matrices(model: Model) -> None:
    """Every MatMul with a weight takes and gives bf16, its weight a bf16 constant, whatever it was stored as.

    Left to itself the CPU plugin widens float weights to float32 and keeps those beside its own bf16 copy: three times
    the memory, for the same products. Compressed weights are unpacked, which costs memory, and saves their
    decompression at every call. The embedding stays as it is: only the rows of the prompt are read from it.
    """
    matmuls = [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() == "MatMul" and weights.is_weight(node.input_value(1))
    ]
    with ThreadPoolExecutor() as threads:
        for matmul, weight in zip(
            matmuls, threads.map(lambda node: _as_bf16(node.input_value(1)), matmuls), strict=True
        ):
            _replace(matmul, weight)


def own_what_stays(model: Model) -> None:
    """Every constant that is read at each call gets memory of its own: embedding, norms, scales; not the matrices.

    What was read from an IR is mapped from its file. A matrix is packed at its first call and not read again, so its
    pages may go; the others are read for as long as the model runs, and a file that is truncated meanwhile would end
    the whole process (SIGBUS), one that is rewritten would change scores without a word.
    """
    packed = {
        _root(node.input_value(1)).get_friendly_name()
        for node in model.get_ops()
        if node.get_type_name() == "MatMul" and weights.is_weight(node.input_value(1))
    }
    for node in model.get_ops():
        if node.get_type_name() == "Constant" and node.get_friendly_name() not in packed:
            own = ov.op.Constant(node.get_tensor_view(), shared_memory=False)
            own.set_friendly_name(node.get_friendly_name())
            node.output(0).replace(own.output(0))


def layer_outputs(model: Model) -> None:
    """Replaces the results by the residual stream after the embedding and after each layer, [B, L, D] each."""
    adds = list(_residual_adds(model))
    embedding = _side_input(adds[0], None).get_source_output()
    for result in model.get_results():
        model.remove_result(result)
    for index, output in enumerate([embedding, *(add.output(0) for add in adds[1::2])]):
        result = ops.result(output)
        result.output(0).set_names({f"layer_{index}"})
        model.add_results([result])


def _root(output: Output) -> Node:
    """The constant that a weight is computed from."""
    node = output.get_node()
    while node.get_type_name() != "Constant":
        node = node.input_value(0).get_node()
    return node


def _as_bf16(output: Output) -> Node:
    """The weight as a bf16 constant: the stored one where it is that already (it stays mapped), else a new one."""
    node = output.get_node()
    stored = node.input_value(0).get_node() if node.get_type_name() == "Convert" else node
    if stored.get_type_name() == "Constant" and stored.get_element_type() == Type.bf16:
        return stored
    array = weights.value(output).astype(ml_dtypes.bfloat16)
    tensor = ov.Tensor(array.view("uint16"), ov.Shape(list(array.shape)), Type.bf16)
    return ov.op.Constant(tensor, shared_memory=False)  # shared, it would not keep the array alive


def _replace(matmul: Node, weight: Node) -> None:
    transposed = matmul.get_attributes()["transpose_b"]
    product = ops.matmul(ops.convert(matmul.input_value(0), Type.bf16), weight, False, transposed)
    result = ops.convert(product, Type.f32).output(0)
    for target in list(matmul.output(0).get_target_inputs()):
        target.replace_source_output(result)


def _rows_parameter(model: Model) -> Node:
    rows = ops.parameter([-1], Type.i64, name=LAST_ROWS)
    rows.output(0).set_names({LAST_ROWS})
    model.add_parameters([rows])
    return rows


def _gather(source: Output, rows: Node) -> Output:
    return ops.gather(source, rows, ops.constant(0, Type.i64)).output(0)


def _hidden(model: Model) -> Output:
    return model.get_results()[0].input_value(0)


def _flat(hidden: Output) -> Output:
    """[..., D] -> [rows, D]."""
    size = hidden.get_partial_shape()[-1].get_length()
    return ops.reshape(hidden, ops.constant([-1, size], Type.i64), special_zero=False).output(0)


def _name_hidden(model: Model, hidden: Output) -> None:
    """Makes `hidden` the only result (a tensor's names go with its producer, so a new one must be named)."""
    for result in model.get_results():
        model.remove_result(result)
    hidden.set_names({HIDDEN})
    model.add_results([ops.result(hidden)])
    model.validate_nodes_and_infer_types()


def _logits_result(model: Model) -> Node:
    for output in model.outputs:
        if "logits" in output.get_names():
            return output.get_node()
    raise UnsupportedModel("the model has no output named logits", "export it as text-generation-with-past")


def _upstream(node: Node, kind: str, through: tuple[str, ...]) -> Node:
    current = node.input_value(0).get_node()
    while current.get_type_name() in through:
        current = current.input_value(0).get_node()
    if current.get_type_name() != kind:
        raise UnsupportedModel(
            f"expected {kind} before {node.get_friendly_name()}, found {current.get_type_name()}"
        )
    return current


def _downstream(node: Node, kind: str, through: tuple[str, ...]) -> Node:
    current = node
    while True:
        consumers = [target.get_node() for target in current.output(0).get_target_inputs()]
        found = [each for each in consumers if each.get_type_name() == kind]
        if found:
            return found[0]
        onward = [each for each in consumers if each.get_type_name() in through]
        if not onward:
            raise UnsupportedModel(f"no {kind} follows {node.get_friendly_name()}: not a Qwen3 decoder")
        current = onward[0]


def _side_input(add: Node, branch: Node | None) -> "ov.Input":
    """The input of a residual Add that is not computed by the branch (by any MatMul, where none is named)."""
    for each in add.inputs():
        source = each.get_source_output().get_node()
        if source is branch or source.get_type_name() == "MatMul":
            continue
        if branch is None or source.get_friendly_name() != branch.get_friendly_name():
            return each
    raise UnsupportedModel(f"{add.get_friendly_name()} is not the Add of a residual stream")


def _residual_adds(model: Model) -> Iterator[Node]:
    """The two Adds of each layer, in order: after attention, after the MLP."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Add" and node.get_output_partial_shape(0).rank.get_length() == 3:
            kinds = [each.get_source_output().get_node().get_type_name() for each in node.inputs()]
            if "MatMul" in kinds:
                yield node
