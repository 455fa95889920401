"""The whole life of a VM: interruptions, use and its price, reservations that end, nodes that go offline

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

REPLACED_CHECKS = {
    (
        "operations",
        "kind_is_known",
    ): "kind IN ('create', 'start', 'stop', 'restart', 'interrupt', 'restore', 'destroy', 'roll_back')",
    (
        "operations",
        "step_belongs_to_kind",
    ): "(kind, step) IN (('create', 'reserve'), ('create', 'clone'), ('create', 'configure'), ('create', 'boot'), ('create', 'probe'), ('start', 'reserve'), ('start', 'configure'), ('start', 'boot'), ('start', 'probe'), ('stop', 'shutdown'), ('stop', 'release'), ('restart', 'shutdown'), ('restart', 'boot'), ('restart', 'probe'), ('interrupt', 'announce'), ('interrupt', 'shutdown'), ('interrupt', 'release'), ('restore', 'reserve'), ('restore', 'configure'), ('restore', 'boot'), ('restore', 'probe'), ('destroy', 'shutdown'), ('destroy', 'delete'), ('destroy', 'release'), ('roll_back', 'shutdown'), ('roll_back', 'delete'), ('roll_back', 'release'))",
}
NEW_CHECKS = {
    ("operations", "overtaken_by_is_known"): "overtaken_by IN ('destroy', 'stop')",
    ("operations", "overtaken_by_somebody"): "(cancel_requested_by IS NULL) = (overtaken_by IS NULL)",
    ("vms", "offline_knows_what_it_was"): "(status = 'offline') = (status_before_offline IS NOT NULL)",
    ("nodes", "misses_have_a_start"): "(misses > 0) = (missed_since IS NOT NULL)",
    ("nodes", "offline_ones_were_missed"): "offline_since IS NULL OR misses > 0",
    ("nodes", "only_a_drain_interrupts"): "state = 'draining' OR NOT interrupts",
    ("gpus", "quarantine_cause_is_known"): "quarantine_cause IN ('start', 'mapping', 'foreign', 'operator')",
    ("gpus", "quarantine_has_a_cause"): "(health = 'quarantined') = (quarantine_cause IS NOT NULL)",
    ("reservations", "ended_because_is_known"): "ended_because IN ('term', 'cancelled', 'failed')",
    ("reservations", "ending_says_why"): "(ended_at IS NULL) = (ended_because IS NULL)",
    (
        "reservations",
        "cancelling_has_a_fee",
    ): "(ended_because IS NOT DISTINCT FROM 'cancelled') = (cancellation_fee IS NOT NULL)",
}


def upgrade() -> None:
    op.create_table(
        "doubts",
        sa.Column("vm_id", sa.Uuid(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("looks", sa.Integer(), server_default="1", nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("looks > 0", name=op.f("ck_doubts_somebody_looked")),
        sa.CheckConstraint(
            "shown IN ('running', 'stopped', 'absent', 'elsewhere', 'foreign')",
            name=op.f("ck_doubts_shown_is_known"),
        ),
        sa.ForeignKeyConstraint(["vm_id"], ["vms.id"], name=op.f("fk_doubts_vm_id")),
        sa.PrimaryKeyConstraint("vm_id", name=op.f("pk_doubts")),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cluster_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=True),
        sa.Column("vmid", sa.Integer(), nullable=True),
        sa.Column("vm_id", sa.Uuid(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("command", sa.String(), nullable=True),
        sa.Column(
            "first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("last_seen_at >= first_seen_at", name=op.f("ck_findings_seen_last_after_first")),
        sa.ForeignKeyConstraint(["cluster_id"], ["clusters.id"], name=op.f("fk_findings_cluster_id")),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_findings_node_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
    )
    op.create_index("ix_claims_claimed_at", "claims", ["claimed_at"], unique=False)
    op.create_index(
        "uq_findings_one_open",
        "findings",
        ["cluster_id", "key"],
        unique=True,
        postgresql_where=sa.text("gone_at IS NULL"),
    )
    op.create_table(
        "gpu_strikes",
        sa.Column("gpu_id", sa.BigInteger(), nullable=False),
        sa.Column("vm_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["gpu_id"], ["gpus.id"], name=op.f("fk_gpu_strikes_gpu_id")),
        sa.ForeignKeyConstraint(["vm_id"], ["vms.id"], name=op.f("fk_gpu_strikes_vm_id")),
        sa.PrimaryKeyConstraint("gpu_id", "vm_id", name=op.f("pk_gpu_strikes")),
    )
    op.create_table(
        "interruptions",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("vm_id", sa.Uuid(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("displaced_by", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(), server_default="announced", nullable=False),
        sa.Column(
            "announced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("notice_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("interrupted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(cause = 'reclaim') = (displaced_by IS NOT NULL)",
            name=op.f("ck_interruptions_reclaim_says_for_whom"),
        ),
        sa.CheckConstraint(
            "(state IN ('restored', 'cancelled')) = (ended_at IS NOT NULL)",
            name=op.f("ck_interruptions_ended_has_a_time"),
        ),
        sa.CheckConstraint(
            "cause IN ('reclaim', 'drain', 'reboot')", name=op.f("ck_interruptions_cause_is_known")
        ),
        sa.CheckConstraint(
            "state IN ('announced', 'interrupted', 'restored', 'cancelled')",
            name=op.f("ck_interruptions_state_is_known"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('interrupted', 'restored') OR interrupted_at IS NOT NULL",
            name=op.f("ck_interruptions_interrupted_has_a_time"),
        ),
        sa.CheckConstraint(
            "interrupted_at >= notice_until", name=op.f("ck_interruptions_the_whole_notice_is_given")
        ),
        sa.ForeignKeyConstraint(["displaced_by"], ["vms.id"], name=op.f("fk_interruptions_displaced_by")),
        sa.ForeignKeyConstraint(
            ["vm_id", "node_id"], ["vms.id", "vms.node_id"], name=op.f("fk_interruptions_vm_id_node_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interruptions")),
    )
    op.create_index(
        "ix_interruptions_open",
        "interruptions",
        ["node_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('announced', 'interrupted')"),
    )
    op.create_index(
        "ix_interruptions_vm_id_announced_at", "interruptions", ["vm_id", "announced_at"], unique=False
    )
    op.create_index(
        "uq_interruptions_one_open_a_vm",
        "interruptions",
        ["vm_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('announced', 'interrupted')"),
    )
    op.create_table(
        "usage_intervals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("vm_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("hourly_rate", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "amount",
            sa.Numeric(precision=14, scale=6),
            sa.Computed(
                "round(extract(epoch FROM (ended_at - started_at)) * hourly_rate / 3600, 6)", persisted=True
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "resource IN ('gpu', 'storage')", name=op.f("ck_usage_intervals_resource_is_known")
        ),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("ck_usage_intervals_ends_after_its_start")),
        sa.CheckConstraint(
            "quantity > 0 AND hourly_rate >= 0", name=op.f("ck_usage_intervals_something_is_used")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_usage_intervals_user_id")),
        sa.ForeignKeyConstraint(["vm_id"], ["vms.id"], name=op.f("fk_usage_intervals_vm_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_intervals")),
    )
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute(
        "ALTER TABLE usage_intervals ADD CONSTRAINT ex_usage_intervals_nothing_is_charged_twice"
        " EXCLUDE USING gist (vm_id WITH =, resource WITH =, tstzrange(started_at, ended_at) WITH &&)"
    )
    op.create_index(
        "ix_usage_intervals_user_id_started_at", "usage_intervals", ["user_id", "started_at"], unique=False
    )
    op.create_index(op.f("ix_usage_intervals_vm_id"), "usage_intervals", ["vm_id"], unique=False)
    op.create_index(
        "uq_usage_intervals_one_open_a_resource",
        "usage_intervals",
        ["vm_id", "resource"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.add_column("duty_runs", sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("duty_runs", sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("duty_runs", sa.Column("last_error", sa.String(), nullable=True))
    op.add_column("nodes", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("nodes", sa.Column("uptime_seconds", sa.Integer(), nullable=True))
    op.add_column("nodes", sa.Column("misses", sa.Integer(), server_default="0", nullable=False))
    op.add_column("nodes", sa.Column("missed_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("nodes", sa.Column("offline_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("nodes", sa.Column("rebooted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "nodes", sa.Column("interrupts", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("gpus", sa.Column("quarantine_cause", sa.String(), nullable=True))
    op.execute("UPDATE gpus SET quarantine_cause = 'start' WHERE health = 'quarantined'")
    op.add_column("operations", sa.Column("overtaken_by", sa.String(), nullable=True))
    for name, columns in (
        ("ix_operations_done", ["kind", "finished_at"]),
        ("ix_operations_done_on_node", ["node_id", "kind", "finished_at"]),
    ):
        op.create_index(name, "operations", columns, unique=False, postgresql_where=sa.text("state = 'done'"))
    op.add_column("reservations", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("reservations", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("reservations", sa.Column("ended_because", sa.String(), nullable=True))
    op.add_column(
        "reservations", sa.Column("cancellation_fee", sa.Numeric(precision=14, scale=6), nullable=True)
    )
    for column in ("gpu_hourly_rate", "cancellation_percent"):
        op.add_column("reservations", sa.Column(column, sa.Numeric(precision=14, scale=6), nullable=True))
    op.execute(
        "UPDATE reservations r SET gpu_hourly_rate = v.gpu_hourly_rate,"
        " cancellation_percent = p.cancellation_percent FROM vms v, price_list p WHERE v.reservation_id = r.id"
    )
    for column in ("gpu_hourly_rate", "cancellation_percent"):
        op.alter_column("reservations", column, nullable=False)
    op.create_index(
        "ix_reservations_running",
        "reservations",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.add_column("vms", sa.Column("status_before_offline", sa.String(), nullable=True))
    op.create_unique_constraint(op.f("uq_vms_reservation_id"), "vms", ["reservation_id"])

    op.execute("INSERT INTO status_transitions VALUES ('stopping', 'starting')")
    op.execute("UPDATE operations SET overtaken_by = 'destroy' WHERE cancel_requested_by IS NOT NULL")
    for (table, name), rule in REPLACED_CHECKS.items():
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)
    for (table, name), rule in NEW_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)


def downgrade() -> None:
    """There is no way back: what was interrupted or charged would be forgotten."""
