"""All tables, imported so that `Base.metadata` is whole, and the rules that plain constraints cannot say."""

from orchestrator.accounts import models as accounts
from orchestrator.catalog import models as catalog
from orchestrator.gpus import models as gpus
from orchestrator.store.base import Base
from orchestrator.vms import models as vms

metadata = Base.metadata
TABLES = (accounts, catalog, gpus, vms)

STATUS_RULE = """
CREATE FUNCTION vms_status_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'creating' THEN
            RAISE EXCEPTION 'a VM begins as creating, not as %', NEW.status USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.status <> OLD.status AND NOT EXISTS (
        SELECT FROM status_transitions WHERE from_status = OLD.status AND to_status = NEW.status
    ) THEN
        RAISE EXCEPTION 'VM % may not go from % to %', NEW.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER vms_status_rule BEFORE INSERT OR UPDATE OF status ON vms
    FOR EACH ROW EXECUTE FUNCTION vms_status_rule();
"""

ENDED_RULE = """
CREATE FUNCTION vms_ended_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM claims WHERE vm_id = NEW.id AND released_at IS NULL) THEN
        RAISE EXCEPTION 'VM % is % but still holds GPUs', NEW.id, NEW.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER vms_ended_rule AFTER UPDATE OF status ON vms
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status IN ('destroyed', 'failed'))
    EXECUTE FUNCTION vms_ended_rule();
"""

CLAIM_RULE = """
CREATE FUNCTION claims_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM vms WHERE id = NEW.vm_id AND status IN ('destroyed', 'failed')) THEN
        RAISE EXCEPTION 'VM % has ended and may claim no GPU', NEW.vm_id USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM gpus WHERE id = NEW.gpu_id AND (health <> 'ok' OR retired_at IS NOT NULL)) THEN
        RAISE EXCEPTION 'GPU % is quarantined or retired', NEW.gpu_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER claims_rule BEFORE INSERT ON claims FOR EACH ROW EXECUTE FUNCTION claims_rule();
"""

RULES = (STATUS_RULE, ENDED_RULE, CLAIM_RULE)
