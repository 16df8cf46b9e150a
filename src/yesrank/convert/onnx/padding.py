"""Padded batches, made exact inside the graph.

GroupQueryAttention is exact for rows that are padded on the right: with causal attention no real token sees what
follows it. So every row is turned to the left by its number of leading zeros in attention_mask; a row's real tokens
then begin at 0 wherever its padding was. Positions are relative (RoPE), so nothing else changes.
The mask of a row must be ones without gaps; with a past and several new tokens the batch is one row, unpadded.
"""

from yesrank.convert.onnx.graph import Graph

BATCH, SEQUENCE, PAST, TOTAL = (
    "batch_size",
    "sequence_length",
    "past_sequence_length",
    "total_sequence_length",
)


class Padding:
    """Values read from ids [B, S] and attention mask [B, past + S], both int64, with R = B x S.

    batch, sequence: int64 [1]. total: int32, past and new tokens of a row. keys: int32 [B], the index of each row's
    last key.
    """

    def __init__(self, graph: Graph, ids: str, mask: str) -> None:
        self._graph = graph
        self.batch = graph.op("Shape", ids, start=0, end=1)
        self.sequence = graph.op("Shape", ids, start=1, end=2)
        self._length = graph.op("Shape", mask, start=1, end=2)
        self.total = graph.cast(graph.op("Squeeze", self._length), "int32")
        self._leading = graph.op(
            "ArgMax", graph.cast(mask, "int32"), axis=1, keepdims=1
        )  # of equals the first
        self._count = graph.op("ReduceSum", mask, graph.ints(1), keepdims=1)
        self._columns = self._range(self.sequence)
        self._starts = graph.op(
            "Mul", graph.op("Unsqueeze", self._range(self.batch), graph.ints(1)), self.sequence
        )
        self.keys = self._keys()

    def to_left(self) -> str:
        """For each token of the turned rows its place among the given ones: int64 [R]."""
        return self._places(self._graph.op("Add", self._columns, self._leading))

    def back(self) -> str:
        """The inverse of to_left."""
        return self._places(self._graph.op("Sub", self._columns, self._leading))

    def last(self) -> str:
        """The place of each row's last real token among the turned ones: int64 [B]."""
        graph = self._graph
        past = graph.op("Sub", self._length, self.sequence)
        column = graph.op("Sub", graph.op("Sub", self._count, past), graph.ints(1))
        column = graph.op("Max", column, graph.ints(0))
        return graph.op("Reshape", graph.op("Add", self._starts, column), graph.ints(-1))

    def _keys(self) -> str:
        """In a prompt the keys after a row's own are padding that no real token sees.

        With one new token a row (batched generation) the past of each row ends where its real tokens end.
        """
        graph = self._graph
        single = graph.op("Equal", self.sequence, graph.ints(1))
        length = graph.op("Where", single, self._count, self._length)
        keys = graph.op("Max", graph.op("Sub", length, graph.ints(1)), graph.ints(0))
        return graph.cast(graph.op("Reshape", keys, graph.ints(-1)), "int32")

    def _places(self, columns: str) -> str:
        """Columns [B, S], of any sign, as places in the flat batch: int64 [R]."""
        graph = self._graph
        places = graph.op("Add", self._starts, graph.op("Mod", columns, self.sequence))
        return graph.op("Reshape", places, graph.ints(-1))

    def _range(self, stop: str) -> str:
        """0, 1, .. stop - 1 for an int64 [1]."""
        graph = self._graph
        return graph.op("Range", graph.int(0), graph.op("Squeeze", stop), graph.int(1))
