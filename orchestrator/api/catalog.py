"""/templates, /nodes, and for everybody /search and /pricing"""

from fastapi import APIRouter

from orchestrator.api.access import Reader
from orchestrator.api.services import Db
from orchestrator.api.views.catalog import NodeView, OfferView, PricingView, TemplateView
from orchestrator.api.views.errors import PUBLIC, READ
from orchestrator.catalog import reads
from orchestrator.gpus.claims import free_counts

router = APIRouter(tags=["Catalog"])


@router.get("/templates", responses=READ, summary="Templates that a VM can be cloned from")
def templates(database: Db, _: Reader) -> list[TemplateView]:
    with database.transaction() as tx:
        return [TemplateView.of(offered) for offered in reads.templates(tx)]


@router.get("/nodes", responses=READ, summary="Nodes and their GPUs")
def nodes(database: Db, _: Reader) -> list[NodeView]:
    with database.transaction() as tx:
        total, free = reads.gpu_counts(tx), free_counts(tx)
        return [NodeView.of(node, total, free) for node in reads.nodes(tx)]


@router.get("/search", responses=PUBLIC, summary="What is free now, by node and GPU type")
def search(database: Db) -> list[OfferView]:
    with database.transaction() as tx:
        total, free, kinds = reads.gpu_counts(tx), free_counts(tx), reads.gpu_types(tx)
        return [
            OfferView.of(node, kind, free[node.id, kind.id])
            for node in reads.nodes(tx)
            for kind in kinds
            if total[node.id, kind.id]
        ]


@router.get("/pricing", responses=PUBLIC, summary="What it costs")
def pricing(database: Db) -> PricingView:
    with database.transaction() as tx:
        return PricingView.of(reads.price_list(tx), reads.gpu_types(tx))
