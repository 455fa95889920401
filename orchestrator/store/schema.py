"""All tables, imported so that `Base.metadata` is whole.

Rules that plain constraints cannot say are triggers, in the migrations.
"""

from orchestrator.accounts import models as accounts
from orchestrator.billing import models as billing
from orchestrator.catalog import models as catalog
from orchestrator.fleet import models as fleet
from orchestrator.gpus import models as gpus
from orchestrator.store.base import Base
from orchestrator.vms import models as vms

metadata = Base.metadata
TABLES = (accounts, billing, catalog, fleet, gpus, vms)
