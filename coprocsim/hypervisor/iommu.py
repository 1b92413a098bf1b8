"""The system IOMMU: which domain's memory a coproc's DMA reaches.

Owned by the hypervisor. A stream translates for one vcoproc's domain at a time, or for nobody.
"""

from coprocsim.hypervisor.state import Board, Coproc, Domain, Vcoproc
from coprocsim.model import DmaAccess

# An IOMMU has so many translation contexts, one per domain that uses it: those of Arm's SMMU (MMU-500, 128 banks).
CONTEXTS_MAX = 128


def no_room(board: Board, coproc: Coproc, domain: Domain) -> str | None:
    """Return which of the coproc's IOMMUs has no context left for `domain`, None if all have."""
    for iommu in {stream.iommu: None for stream in coproc.spec.streams}:
        users = {
            vcoproc.domain.domain_id
            for other in board.coprocs.values()
            if any(stream.iommu == iommu for stream in other.spec.streams)
            for vcoproc in other.vcoprocs.values()
        }
        if len(users - {domain.domain_id}) >= CONTEXTS_MAX:
            return iommu
    return None


def enable(board: Board, coproc: Coproc, vcoproc: Vcoproc) -> str | None:
    """Let the coproc's streams translate for `vcoproc`'s domain; return why not, if another one still has them."""
    for stream in coproc.streams:
        holder = board.attached.get(stream)
        if holder is not None:
            return f"stream {stream} is still attached to {holder}"
    for stream in coproc.streams:
        board.attached[stream] = vcoproc.vcoproc_id
    if coproc.streams:
        board.record(coproc, "iommu_enable", vcoproc.who)
    return None


def disable(board: Board, coproc: Coproc, vcoproc: Vcoproc) -> int:
    """Let the coproc's streams translate for nobody; return what forgetting their translations costs, in ps."""
    attached = [stream for stream in coproc.streams if board.attached.get(stream) == vcoproc.vcoproc_id]
    for stream in attached:
        del board.attached[stream]
    if not attached:
        return 0
    board.record(coproc, "iommu_disable", vcoproc.who)
    return coproc.platform.iommu_invalidate_ps


def translate(board: Board, coproc: Coproc, access: DmaAccess) -> None:
    """Let a DMA access pass if it stays in the memory of the domain that its stream is attached to; else fault."""
    owner = coproc.current
    if access.stream < len(coproc.spec.streams):
        holder = board.attached.get(str(coproc.spec.streams[access.stream]))
        domain = None if holder is None else board.domains[holder.domain]
        contained = True
    else:
        # No IOMMU in front of this master: nothing stops the access, it can only be seen.
        domain, contained = None if owner is None else owner.domain, False
    if domain is not None and any(
        bank.start <= access.address and access.address + access.size_bytes <= bank.stop for bank in domain.memory
    ):
        return
    who = "-" if owner is None else owner.who
    what = "iommu_fault" if contained else "dma_unprotected"
    board.record(coproc, what, who, access.address, access.size_bytes, "write" if access.write else "read")
    if owner is not None:
        owner.counters.faults += 1
    if contained:
        coproc.hardware.dma_fault(access, board.now_ps)
