"""Nodes of eight GPUs, and which of them has room: kept up to date, never searched through."""

NODE_GPUS = 8


class Index:
    """A number of GPUs for each node, with a bit mask of the nodes for each number."""

    def __init__(self, count: int) -> None:
        self.of = [NODE_GPUS] * count
        self._with = [0] * NODE_GPUS + [(1 << count) - 1]

    def change(self, node: int, by: int) -> None:
        """Raises ValueError for what no node can have."""
        before, after = self.of[node], self.of[node] + by
        if not 0 <= after <= NODE_GPUS:
            raise ValueError(f"node {node} would have {after} free GPUs")
        self._with[before] &= ~(1 << node)
        self._with[after] |= 1 << node
        self.of[node] = after

    def best_fit(self, gpus: int, only: int | None = None) -> int | None:
        """The node with the fewest that has `gpus`, of several the first; or `only` that one, if it has."""
        if only is not None:
            return only if self.of[only] >= gpus else None
        for number in range(gpus, NODE_GPUS + 1):
            if mask := self._with[number]:
                return (mask & -mask).bit_length() - 1
        return None

    def fitting(self, gpus: int) -> list[int]:
        """All nodes that have `gpus`."""
        return [node for node, number in enumerate(self.of) if number >= gpus]


class Nodes:
    """`free`: GPUs that nobody has. `reachable`: those, and what running interruptible VMs could give up."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.total = count * NODE_GPUS
        self.free = Index(count)
        self.reachable = Index(count)
        self.free_by_name = {str(node): NODE_GPUS for node in range(count)}

    def take(self, node: int, gpus: int) -> None:
        """From the free ones."""
        self.give_back(node, -gpus)

    def give_back(self, node: int, gpus: int) -> None:
        """To the free ones."""
        self.free.change(node, gpus)
        self.reachable.change(node, gpus)
        self.free_by_name[str(node)] += gpus
