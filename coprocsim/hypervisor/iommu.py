"""The system IOMMU: which domain's memory a coproc's DMA reaches.

Owned by the hypervisor. A stream translates for one vcoproc's domain at a time, or for nobody.
"""

from coprocsim.hypervisor import isolation
from coprocsim.hypervisor.state import Board, Coproc, Domain, Vcoproc
from coprocsim.model import DmaAccess, Rule, VcoprocId

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
    """Let the vcoproc's streams translate for its domain; return why not, if another one still has them."""
    for stream in vcoproc.streams:
        holder = board.attached.get(stream)
        if holder is not None:
            return f"stream {stream} is still attached to {holder}"
    for stream in vcoproc.streams:
        board.attached[stream] = vcoproc.vcoproc_id
    if vcoproc.streams:
        board.record(coproc, "iommu_enable", vcoproc.who)
        if board.checks:
            isolation.check_enable(board, vcoproc)
    return None


def disable(board: Board, coproc: Coproc, vcoproc: Vcoproc, *, forget: bool = True) -> int:
    """Let the vcoproc's streams translate for nobody; return what forgetting their translations costs, in ps.

    Without `forget` this is left out, and the IOMMU goes on with what it remembers.
    """
    attached = [stream for stream in vcoproc.streams if board.attached.get(stream) == vcoproc.vcoproc_id]
    for stream in attached:
        del board.attached[stream]
        if forget:
            board.stale.pop(stream, None)
        else:
            board.stale[stream] = vcoproc.vcoproc_id
    if not attached:
        return 0
    board.record(coproc, "iommu_disable", vcoproc.who)
    return coproc.platform.iommu_invalidate_ps if forget else 0


def translate(board: Board, coproc: Coproc, access: DmaAccess) -> None:
    """Let a DMA access pass if it stays in the memory of the domain that its stream is attached to; else fault."""
    contained = access.stream < len(coproc.spec.streams)
    owner = coproc.current
    domain = None if owner is None else owner.domain
    if contained:
        stream = str(coproc.spec.streams[access.stream])
        holder = board.attached.get(stream)
        domain = None if holder is None else board.domains[holder.domain]
        owner = owner if holder is None else board.vcoprocs[str(holder)]
        stale = board.stale.get(stream)
        if stale is not None and stale.domain in board.domains and _inside(board.domains[stale.domain], access):
            _passed_stale(board, coproc, owner, stale, access)
            return
    # Without an IOMMU in front of this master nothing stops the access, it can only be seen.
    if domain is not None and _inside(domain, access):
        return
    who = "-" if owner is None else owner.who
    what = "iommu_fault" if contained else "dma_unprotected"
    board.record(coproc, what, who, access.address, access.size_bytes, _direction(access))
    if owner is not None:
        owner.counters.faults += 1
    if contained:
        coproc.hardware.dma_fault(access, board.now_ps)
    elif coproc.platform.own_mmu and board.checks:
        what = f"its DMA at {access.address:#x} is outside of its domain's memory, and the platform let it pass"
        isolation.found(board, coproc, Rule.IOMMU, who, what)


def _inside(domain: Domain, access: DmaAccess) -> bool:
    return any(
        bank.start <= access.address and access.address + access.size_bytes <= bank.stop for bank in domain.memory
    )


def _direction(access: DmaAccess) -> str:
    return "write" if access.write else "read"


def _passed_stale(board: Board, coproc: Coproc, owner: Vcoproc | None, stale: VcoprocId, access: DmaAccess) -> None:
    """An access went where a remembered translation led: into the memory of a domain that has left."""
    who = "-" if owner is None else owner.who
    if who == str(stale):
        return
    board.record(coproc, "iommu_stale", who, access.address, access.size_bytes, _direction(access), str(stale))
    if board.checks:
        what = f"its DMA at {access.address:#x} went to the memory of {stale}: its translations were not invalidated"
        isolation.found(board, coproc, Rule.IOMMU, who, what)
