"""The first schema

Revision 0001, after .
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


TRANSITIONS = (
    ("creating", "destroyed"),
    ("creating", "failed"),
    ("creating", "offline"),
    ("creating", "starting"),
    ("creating", "stopping"),
    ("starting", "destroyed"),
    ("starting", "failed"),
    ("starting", "offline"),
    ("starting", "running"),
    ("starting", "stopping"),
    ("running", "destroyed"),
    ("running", "offline"),
    ("running", "stopping"),
    ("stopping", "destroyed"),
    ("stopping", "interrupted"),
    ("stopping", "offline"),
    ("stopping", "stopped"),
    ("stopped", "destroyed"),
    ("stopped", "offline"),
    ("stopped", "starting"),
    ("interrupted", "destroyed"),
    ("interrupted", "offline"),
    ("interrupted", "starting"),
    ("interrupted", "stopped"),
    ("offline", "creating"),
    ("offline", "destroyed"),
    ("offline", "failed"),
    ("offline", "interrupted"),
    ("offline", "running"),
    ("offline", "starting"),
    ("offline", "stopped"),
    ("offline", "stopping"),
    ("failed", "destroyed"),
)

RULES = (
    """
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
""",
    """
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
""",
    """
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
""",
)


def upgrade() -> None:
    op.create_table(
        "clusters",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("endpoints", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("token_id", sa.String(), nullable=False),
        sa.Column("token_source", sa.String(), nullable=False),
        sa.Column("ca_file", sa.String(), nullable=True),
        sa.Column("fingerprint", sa.String(), nullable=True),
        sa.Column("pool", sa.String(), nullable=True),
        sa.Column("vmid_first", sa.Integer(), nullable=False),
        sa.Column("vmid_last", sa.Integer(), nullable=False),
        sa.Column("vmid_next", sa.Integer(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "vmid_first >= 100 AND vmid_last <= 999999999", name=op.f("ck_clusters_vmids_are_valid_in_pve")
        ),
        sa.CheckConstraint(
            "vmid_next BETWEEN vmid_first AND vmid_last + 1", name=op.f("ck_clusters_vmid_next_is_in_range")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clusters")),
    )
    op.create_table(
        "duty_runs",
        sa.Column("duty", sa.String(), nullable=False),
        sa.Column("runs", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seconds", sa.Double(), nullable=False),
        sa.Column("last_result", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("duty", name=op.f("pk_duty_runs")),
    )
    op.create_table(
        "gpu_types",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("vram_gb", sa.Integer(), nullable=False),
        sa.Column("hourly_rate", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("interruptible_hourly_rate", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("hourly_rate > 0", name=op.f("ck_gpu_types_rate_is_positive")),
        sa.CheckConstraint(
            "interruptible_hourly_rate > 0 AND interruptible_hourly_rate <= hourly_rate",
            name=op.f("ck_gpu_types_interruptible_costs_no_more"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_types")),
    )
    op.create_table(
        "price_list",
        sa.Column("id", sa.Integer(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("storage_gb_hour", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("discount_1", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("discount_3", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("discount_6", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("deposit_percent", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("cancellation_percent", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.CheckConstraint(
            "cancellation_percent >= 0 AND cancellation_percent <= 100",
            name=op.f("ck_price_list_cancellation_percent_is_a_percentage"),
        ),
        sa.CheckConstraint(
            "deposit_percent >= 0 AND deposit_percent <= 100",
            name=op.f("ck_price_list_deposit_percent_is_a_percentage"),
        ),
        sa.CheckConstraint(
            "discount_1 >= 0 AND discount_1 <= 100", name=op.f("ck_price_list_discount_1_is_a_percentage")
        ),
        sa.CheckConstraint(
            "discount_3 >= 0 AND discount_3 <= 100", name=op.f("ck_price_list_discount_3_is_a_percentage")
        ),
        sa.CheckConstraint(
            "discount_6 >= 0 AND discount_6 <= 100", name=op.f("ck_price_list_discount_6_is_a_percentage")
        ),
        sa.CheckConstraint("id = 1", name=op.f("ck_price_list_there_is_one")),
        sa.CheckConstraint("storage_gb_hour >= 0", name=op.f("ck_price_list_storage_is_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_list")),
    )
    op.create_table(
        "status_transitions",
        sa.Column("from_status", sa.String(), nullable=False),
        sa.Column("to_status", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("from_status", "to_status", name=op.f("pk_status_transitions")),
    )
    op.create_table(
        "templates",
        sa.Column("vmid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("disk", sa.String(), nullable=False),
        sa.Column("disk_gb", sa.Integer(), nullable=False),
        sa.Column("login_user", sa.String(), nullable=False),
        sa.Column("auth_methods", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "auth_methods <@ ARRAY['ssh_key', 'password']::varchar[]",
            name=op.f("ck_templates_auth_methods_are_known"),
        ),
        sa.CheckConstraint("cardinality(auth_methods) > 0", name=op.f("ck_templates_some_login_is_possible")),
        sa.CheckConstraint("disk_gb > 0", name=op.f("ck_templates_disk_is_positive")),
        sa.PrimaryKeyConstraint("vmid", name=op.f("pk_templates")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("max_vms", sa.Integer(), nullable=False),
        sa.Column("max_hourly_spend", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("max_hourly_spend >= 0", name=op.f("ck_users_max_hourly_spend_is_not_negative")),
        sa.CheckConstraint("max_vms >= 0", name=op.f("ck_users_max_vms_is_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("subject", name=op.f("uq_users_subject")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "scopes <@ ARRAY['read_write', 'read_only', 'billing_only']::varchar[]",
            name=op.f("ck_api_keys_scopes_are_known"),
        ),
        sa.CheckConstraint("cardinality(scopes) > 0", name=op.f("ck_api_keys_some_scope")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_api_keys_digest_is_sha256")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_index(op.f("ix_api_keys_user_id"), "api_keys", ["user_id"], unique=False)
    op.create_table(
        "nodes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("cluster_id", sa.String(), nullable=False),
        sa.Column("pve_name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default="active", nullable=False),
        sa.Column("cpu_model", sa.String(), nullable=True),
        sa.Column("pcie_gen", sa.String(), nullable=True),
        sa.Column("cpu_cores", sa.Integer(), nullable=False),
        sa.Column("ram_gb", sa.Integer(), nullable=False),
        sa.Column("reserved_cores", sa.Integer(), nullable=False),
        sa.Column("reserved_ram_gb", sa.Integer(), nullable=False),
        sa.Column("storage", sa.String(), nullable=False),
        sa.Column("full_clone", sa.Boolean(), nullable=False),
        sa.Column("bridge", sa.String(), nullable=False),
        sa.Column("address_mode", sa.String(), nullable=False),
        sa.Column("subnets", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("gateway", sa.String(), nullable=True),
        sa.Column("prefix_length", sa.Integer(), nullable=True),
        sa.Column("ssh_port", sa.Integer(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "address_mode = 'dhcp' OR prefix_length IS NOT NULL",
            name=op.f("ck_nodes_static_addresses_have_a_prefix"),
        ),
        sa.CheckConstraint("address_mode IN ('dhcp', 'static')", name=op.f("ck_nodes_address_mode_is_known")),
        sa.CheckConstraint("state IN ('active', 'draining')", name=op.f("ck_nodes_state_is_known")),
        sa.CheckConstraint(
            "cpu_cores > reserved_cores AND reserved_cores >= 0", name=op.f("ck_nodes_cores_remain")
        ),
        sa.CheckConstraint(
            "ram_gb > reserved_ram_gb AND reserved_ram_gb >= 0", name=op.f("ck_nodes_ram_remains")
        ),
        sa.ForeignKeyConstraint(["cluster_id"], ["clusters.id"], name=op.f("fk_nodes_cluster_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
        sa.UniqueConstraint("cluster_id", "pve_name", name=op.f("uq_nodes_cluster_id_pve_name")),
        sa.UniqueConstraint("id", "cluster_id", name=op.f("uq_nodes_id_cluster_id")),
    )
    op.create_table(
        "ssh_keys",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("key_type", sa.String(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("slot BETWEEN 1 AND 5", name=op.f("ck_ssh_keys_five_keys_an_account")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_ssh_keys_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssh_keys")),
        sa.UniqueConstraint("user_id", "fingerprint", name=op.f("uq_ssh_keys_user_id_fingerprint")),
        sa.UniqueConstraint("user_id", "slot", name=op.f("uq_ssh_keys_user_id_slot")),
    )
    op.create_table(
        "vmids",
        sa.Column("cluster_id", sa.String(), nullable=False),
        sa.Column("vmid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("vm_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("clone_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up_because", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(given_up_at IS NULL) = (given_up_because IS NULL)", name=op.f("ck_vmids_giving_up_says_why")
        ),
        sa.ForeignKeyConstraint(["cluster_id"], ["clusters.id"], name=op.f("fk_vmids_cluster_id")),
        sa.PrimaryKeyConstraint("cluster_id", "vmid", name=op.f("pk_vmids")),
        sa.UniqueConstraint("cluster_id", "vmid", "vm_id", name=op.f("uq_vmids_cluster_id_vmid_vm_id")),
    )
    op.create_index(op.f("ix_vmids_vm_id"), "vmids", ["vm_id"], unique=False)
    op.create_table(
        "gpus",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("mapping", sa.String(), nullable=False),
        sa.Column("gpu_type", sa.String(), nullable=False),
        sa.Column("numa_node", sa.Integer(), nullable=False),
        sa.Column("pcie_root", sa.String(), nullable=False),
        sa.Column("health", sa.String(), server_default="ok", nullable=False),
        sa.Column("quarantine_reason", sa.String(), nullable=True),
        sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(health = 'quarantined') = (quarantine_reason IS NOT NULL)",
            name=op.f("ck_gpus_quarantine_says_why"),
        ),
        sa.CheckConstraint("health IN ('ok', 'quarantined')", name=op.f("ck_gpus_health_is_known")),
        sa.ForeignKeyConstraint(["gpu_type"], ["gpu_types.id"], name=op.f("fk_gpus_gpu_type")),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_gpus_node_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpus")),
        sa.UniqueConstraint("id", "node_id", "gpu_type", name=op.f("uq_gpus_id_node_id_gpu_type")),
        sa.UniqueConstraint("node_id", "mapping", name=op.f("uq_gpus_node_id_mapping")),
    )
    op.create_table(
        "reservations",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("gpu_type", sa.String(), nullable=False),
        sa.Column("gpu_count", sa.Integer(), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("discount_percent", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("deposit", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_reservations_ends_after_its_start")),
        sa.CheckConstraint("months IN (1, 3, 6)", name=op.f("ck_reservations_term_is_offered")),
        sa.ForeignKeyConstraint(["gpu_type"], ["gpu_types.id"], name=op.f("fk_reservations_gpu_type")),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_reservations_node_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_reservations_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
    )
    op.create_index(op.f("ix_reservations_user_id"), "reservations", ["user_id"], unique=False)
    op.create_table(
        "template_copies",
        sa.Column("template_vmid", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("pve_vmid", sa.Integer(), nullable=False),
        sa.Column("pve_node", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_template_copies_node_id")),
        sa.ForeignKeyConstraint(
            ["template_vmid"], ["templates.vmid"], name=op.f("fk_template_copies_template_vmid")
        ),
        sa.PrimaryKeyConstraint("template_vmid", "node_id", name=op.f("pk_template_copies")),
    )
    op.create_table(
        "vms",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("cluster_id", sa.String(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("vmid", sa.Integer(), nullable=False),
        sa.Column("instance_label", sa.String(length=100), nullable=True),
        sa.Column("gpu_type", sa.String(), nullable=False),
        sa.Column("gpu_count", sa.Integer(), nullable=False),
        sa.Column("storage_gb", sa.Integer(), nullable=False),
        sa.Column("ram_gb", sa.Integer(), nullable=False),
        sa.Column("cpu_cores", sa.Integer(), nullable=False),
        sa.Column("template_vmid", sa.Integer(), nullable=False),
        sa.Column("rental_type", sa.String(), nullable=False),
        sa.Column("reservation_months", sa.Integer(), nullable=True),
        sa.Column("reservation_id", sa.Uuid(), nullable=True),
        sa.Column("auto_restart", sa.Boolean(), nullable=True),
        sa.Column("gpu_hourly_rate", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("storage_hourly_rate", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("auth_method", sa.String(), nullable=False),
        sa.Column("login_user", sa.String(), nullable=False),
        sa.Column("ssh_public_key", sa.String(), nullable=True),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("status", sa.String(), server_default="creating", nullable=False),
        sa.Column("failure_reason", sa.String(), nullable=True),
        sa.Column("ip_address", sa.String(), nullable=True),
        sa.Column("ssh_host_key_fingerprint", sa.String(), nullable=True),
        sa.Column("cpu_percent", sa.Double(), server_default="0", nullable=False),
        sa.Column("ram_percent", sa.Double(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(auth_method = 'ssh_key') = (ssh_public_key IS NOT NULL)",
            name=op.f("ck_vms_ssh_key_goes_with_its_method"),
        ),
        sa.CheckConstraint(
            "(rental_type = 'interruptible') = (auto_restart IS NOT NULL)",
            name=op.f("ck_vms_auto_restart_fits"),
        ),
        sa.CheckConstraint(
            "(rental_type = 'reserved') = (reservation_months IS NOT NULL) AND (reservation_months IS NULL OR reservation_months IN (1, 3, 6))",
            name=op.f("ck_vms_term_goes_with_reserved"),
        ),
        sa.CheckConstraint(
            "auth_method IN ('ssh_key', 'password')", name=op.f("ck_vms_auth_method_is_known")
        ),
        sa.CheckConstraint(
            "password_hash IS NULL OR (auth_method = 'password' AND password_hash LIKE '$6$%%')",
            name=op.f("ck_vms_password_is_sha512_crypt"),
        ),
        sa.CheckConstraint(
            "rental_type IN ('on_demand', 'reserved', 'interruptible')",
            name=op.f("ck_vms_rental_type_is_known"),
        ),
        sa.CheckConstraint(
            "status <> 'failed' OR failure_reason IS NOT NULL", name=op.f("ck_vms_failure_says_why")
        ),
        sa.CheckConstraint(
            "status IN ('creating', 'starting', 'running', 'stopping', 'stopped', 'interrupted', 'destroyed', 'failed', 'offline')",
            name=op.f("ck_vms_status_is_known"),
        ),
        sa.CheckConstraint("cpu_cores > 0 AND ram_gb > 0", name=op.f("ck_vms_has_cores_and_ram")),
        sa.CheckConstraint("gpu_count IN (1, 2, 4, 8)", name=op.f("ck_vms_gpu_count_is_offered")),
        sa.CheckConstraint("storage_gb >= 50", name=op.f("ck_vms_storage_has_a_minimum")),
        sa.ForeignKeyConstraint(
            ["cluster_id", "vmid", "id"],
            ["vmids.cluster_id", "vmids.vmid", "vmids.vm_id"],
            name=op.f("fk_vms_cluster_id_vmid_id"),
        ),
        sa.ForeignKeyConstraint(["gpu_type"], ["gpu_types.id"], name=op.f("fk_vms_gpu_type")),
        sa.ForeignKeyConstraint(
            ["node_id", "cluster_id"],
            ["nodes.id", "nodes.cluster_id"],
            name=op.f("fk_vms_node_id_cluster_id"),
        ),
        sa.ForeignKeyConstraint(["reservation_id"], ["reservations.id"], name=op.f("fk_vms_reservation_id")),
        sa.ForeignKeyConstraint(["template_vmid"], ["templates.vmid"], name=op.f("fk_vms_template_vmid")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_vms_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vms")),
        sa.UniqueConstraint("cluster_id", "vmid", name=op.f("uq_vms_cluster_id_vmid")),
        sa.UniqueConstraint("id", "node_id", "gpu_type", name=op.f("uq_vms_id_node_id_gpu_type")),
        sa.UniqueConstraint("id", "node_id", name=op.f("uq_vms_id_node_id")),
    )
    op.create_index(
        "ix_vms_node_id",
        "vms",
        ["node_id"],
        unique=False,
        postgresql_where=sa.text("status NOT IN ('destroyed', 'failed')"),
    )
    op.create_index("ix_vms_user_id_created_at", "vms", ["user_id", "created_at"], unique=False)
    op.create_table(
        "addresses",
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("vm_id", sa.Uuid(), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_addresses_node_id")),
        sa.ForeignKeyConstraint(
            ["vm_id", "node_id"], ["vms.id", "vms.node_id"], name=op.f("fk_addresses_vm_id_node_id")
        ),
        sa.PrimaryKeyConstraint("node_id", "address", name=op.f("pk_addresses")),
    )
    op.create_index(
        "uq_addresses_one_a_vm",
        "addresses",
        ["vm_id"],
        unique=True,
        postgresql_where=sa.text("vm_id IS NOT NULL"),
    )
    op.create_table(
        "claims",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("gpu_id", sa.Integer(), nullable=False),
        sa.Column("vm_id", sa.Uuid(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("gpu_type", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_because", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(released_at IS NULL) = (released_because IS NULL)", name=op.f("ck_claims_release_says_why")
        ),
        sa.CheckConstraint("slot BETWEEN 0 AND 7", name=op.f("ck_claims_slot_is_a_hostpci_number")),
        sa.ForeignKeyConstraint(
            ["gpu_id", "node_id", "gpu_type"],
            ["gpus.id", "gpus.node_id", "gpus.gpu_type"],
            name=op.f("fk_claims_gpu_id_node_id_gpu_type"),
        ),
        sa.ForeignKeyConstraint(
            ["vm_id", "node_id", "gpu_type"],
            ["vms.id", "vms.node_id", "vms.gpu_type"],
            name=op.f("fk_claims_vm_id_node_id_gpu_type"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
    )
    op.create_index(
        "uq_claims_one_live_a_gpu",
        "claims",
        ["gpu_id"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_index(
        "uq_claims_one_live_a_slot",
        "claims",
        ["vm_id", "slot"],
        unique=True,
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=False),
        sa.Column("vm_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "octet_length(body_digest) = 32", name=op.f("ck_idempotency_keys_digest_is_sha256")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id")),
        sa.ForeignKeyConstraint(["vm_id"], ["vms.id"], name=op.f("fk_idempotency_keys_vm_id")),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("vm_id", sa.Uuid(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default="open", nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "memo",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("step_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("parked_for", sa.String(), nullable=True),
        sa.Column("cancel_requested_by", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(kind, step) IN (('create', 'reserve'), ('create', 'clone'), ('create', 'configure'), ('create', 'boot'), ('create', 'probe'), ('destroy', 'shutdown'), ('destroy', 'delete'), ('destroy', 'release'), ('roll_back', 'shutdown'), ('roll_back', 'delete'), ('roll_back', 'release'))",
            name=op.f("ck_operations_step_belongs_to_kind"),
        ),
        sa.CheckConstraint(
            "(state = 'parked') = (parked_for IS NOT NULL)", name=op.f("ck_operations_parked_says_for_what")
        ),
        sa.CheckConstraint(
            "(state IN ('open', 'parked')) = (finished_at IS NULL)",
            name=op.f("ck_operations_finished_has_a_time"),
        ),
        sa.CheckConstraint(
            "kind IN ('create', 'destroy', 'roll_back')", name=op.f("ck_operations_kind_is_known")
        ),
        sa.CheckConstraint(
            "lease_token IS NULL OR state = 'open'", name=op.f("ck_operations_only_open_ones_are_leased")
        ),
        sa.CheckConstraint(
            "parked_for IN ('capacity', 'node', 'operator')", name=op.f("ck_operations_parked_for_is_known")
        ),
        sa.CheckConstraint(
            "state <> 'failed' OR last_error IS NOT NULL", name=op.f("ck_operations_failure_says_why")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'parked', 'done', 'failed', 'cancelled')",
            name=op.f("ck_operations_state_is_known"),
        ),
        sa.CheckConstraint(
            "(lease_token IS NULL) = (lease_expires_at IS NULL)", name=op.f("ck_operations_lease_has_an_end")
        ),
        sa.CheckConstraint(
            "attempt >= 0 AND rings >= 0", name=op.f("ck_operations_counters_are_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["vm_id", "node_id"], ["vms.id", "vms.node_id"], name=op.f("fk_operations_vm_id_node_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
        sa.UniqueConstraint("lease_token", name=op.f("uq_operations_lease_token")),
    )
    op.create_index(
        "ix_operations_due",
        "operations",
        ["not_before"],
        unique=False,
        postgresql_where=sa.text("state IN ('open', 'parked')"),
    )
    op.create_index("ix_operations_vm_id_created_at", "operations", ["vm_id", "created_at"], unique=False)
    op.create_index(
        "uq_operations_one_live_a_vm",
        "operations",
        ["vm_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('open', 'parked')"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("vm_id", sa.Uuid(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=True),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("from_status", sa.String(), nullable=True),
        sa.Column("to_status", sa.String(), nullable=True),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.CheckConstraint(
            "kind = 'status' OR (from_status IS NULL AND to_status IS NULL)",
            name=op.f("ck_events_only_status_moves"),
        ),
        sa.CheckConstraint("kind IN ('status', 'step', 'note')", name=op.f("ck_events_kind_is_known")),
        sa.ForeignKeyConstraint(
            ["from_status", "to_status"],
            ["status_transitions.from_status", "status_transitions.to_status"],
            name=op.f("fk_events_from_status_to_status"),
        ),
        sa.ForeignKeyConstraint(["operation_id"], ["operations.id"], name=op.f("fk_events_operation_id")),
        sa.ForeignKeyConstraint(["vm_id"], ["vms.id"], name=op.f("fk_events_vm_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_vm_id_id", "events", ["vm_id", "id"], unique=False)
    op.create_foreign_key(
        "fk_vmids_vm_id", "vmids", "vms", ["vm_id"], ["id"], initially="DEFERRED", deferrable=True
    )
    transitions = sa.table("status_transitions", sa.column("from_status"), sa.column("to_status"))
    op.bulk_insert(transitions, [{"from_status": a, "to_status": b} for a, b in TRANSITIONS])
    for rule in RULES:
        op.execute(rule)


def downgrade() -> None:
    """There is nothing before the first schema: drop the database instead."""
