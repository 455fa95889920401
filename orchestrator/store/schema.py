"""All tables, imported so that `Base.metadata` is whole.

Rules that plain constraints cannot say are triggers, in the first migration.
"""

from orchestrator.accounts import models as accounts
from orchestrator.catalog import models as catalog
from orchestrator.gpus import models as gpus
from orchestrator.store.base import Base
from orchestrator.vms import models as vms

metadata = Base.metadata
TABLES = (accounts, catalog, gpus, vms)
